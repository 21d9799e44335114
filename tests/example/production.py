"""The example app as it runs in production: gunicorn, PostgreSQL, and each secret in a store of its own."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Any

from tests.example.servers import Servers, starting
from tests.servers import moto, openbao, postgres
from tests.servers.azurecloud import AzureCloud
from tests.servers.gcpsm import PROJECT, SecretManager
from tests.servers.openbao import free_port

APP = Path(__file__).parents[2] / "examples" / "flask_app"
SOURCES = ("vault://kv/iris", "aws-sm://production/iris", "azure-kv://iris-vault", f"gcp-sm://{PROJECT}")
"""Those of the app, but for the project in Google Cloud: the stand-in knows one."""

_PATIENCE = 60.0  # seconds
_READ = 'path "kv/data/iris" { capabilities = ["read"] }'
_PREPARE = """
import json, sys
from iris import tokens, train
from iris.app import create_app
from iris.commands import add_user
from iris.database import create_tables, session
from iris.settings import IrisSettings

train.train(IrisSettings.load())
with create_app().app_context():
    create_tables()
    for name, role, password in json.load(sys.stdin):
        _, token = tokens.issue(add_user(name, role, password), days=1)
        session.commit()
        print(token)
"""


@dataclass(frozen=True)
class Person:
    """Somebody who may log in, and has a token of the API."""

    name: str
    password: str
    token: str


@dataclass
class Production:
    """All of it.

    Attributes:
        url: gunicorn's.
        admin: May see the status page.
        viewer: May predict.
        workers: Of gunicorn.
        log: What the app says.
        values: Every secret that there is or was: none may be seen anywhere.
    """

    folder: Path
    workers: int
    vault: openbao.OpenBao
    aws: moto.Moto
    azure: AzureCloud
    gcp: SecretManager
    database: postgres.Postgres
    values: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    admin: Person = field(init=False)
    viewer: Person = field(init=False)
    url: str = field(init=False)
    _now: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        return self.folder / "app.log"

    def rotate_database_password(self) -> str:
        """Another password, in Vault first, so that who is refused finds it there. The version."""
        login = {"username": "iris", "password": self._new("database_password")}
        answer = self.vault.call("POST", "kv/data/iris", {"data": {"database_login": login}})
        self.database.set_password("iris", login["password"])
        return str(answer["data"]["version"])

    def rotate_session_key(self) -> str:
        """Another key for new sessions; the app itself remembers the one before. The version."""
        return self.azure.vault.put("secret-key", self._new("secret_key"), "iris-vault")

    def rotate_token_pepper(self) -> str:
        """Another pepper, once every process accepts it; a token is hashed anew when next used. The version."""
        old, new = self._now["token_pepper"], self._new("token_pepper")
        announced = self._put_peppers(old, new)
        self.wait_until_followed("token_pepper_previous", announced)
        return self._put_peppers(new, old)

    def _put_peppers(self, present: str, other: str) -> str:
        text = json.dumps({"token_pepper": present, "token_pepper_previous": other})
        return str(self._aws.put_secret_value(SecretId="production/iris", SecretString=text)["VersionId"])

    def rotate_model_key(self) -> str:
        """Another key for the model, whose file is then encrypted anew. The version."""
        self.gcp.put("model_key_previous", self._now["model_key"])
        version = self.gcp.put("model_key", self._new("model_key", _key()))
        self.run("-m", "iris.rotate_key")
        return version

    def wait_until_followed(self, field: str, version: str) -> None:
        """Come back when every process of the app has a version of a field."""
        end = time.monotonic() + _PATIENCE
        while sum(change.get(field) == version for change in self._changes()) < self.workers + 1:
            if time.monotonic() > end:
                raise TimeoutError(f"the app does not follow {field}")
            time.sleep(0.05)

    def _changes(self) -> Iterator[dict[str, str]]:
        """What the app has told of changes: versions by field."""
        for line in self.log.read_text().splitlines():
            if '"event": "secrets changed"' in line:
                yield json.loads(line)["versions"]

    def run(self, *arguments: str, told: str = "") -> str:
        """Run Python in the app's folder and environment; what it prints."""
        finished = subprocess.run(
            [sys.executable, *arguments], cwd=APP, env=self.environment, input=told, text=True, capture_output=True,
            check=False,
        )  # fmt: skip
        with self.log.open("a") as log:
            log.write(finished.stderr)
        if finished.returncode:
            raise RuntimeError(finished.stderr)
        return finished.stdout

    @property
    def _aws(self) -> Any:
        return self.aws.client("secretsmanager")

    def _new(self, name: str, value: str = "") -> str:
        self._now[name] = value or f"not-a-real-{name.replace('_', '-')}-{token_hex(16)}"
        self.values.append(self._now[name])
        return self._now[name]

    def fill(self) -> None:
        """Put the first secrets in, each into its store."""
        self.database.make_user("iris", self._new("database_password"))
        with self.database.connect() as connection:
            connection.execute("GRANT CREATE ON SCHEMA public TO iris")
        self.rotate_database_password()
        pepper = {"token_pepper": self._new("token_pepper")}
        self._aws.create_secret(Name="production/iris", SecretString=json.dumps(pepper))
        self.rotate_session_key()
        self.gcp.put("model_key", self._new("model_key", _key()))

    def prepare(self) -> None:
        """Train the model, and let somebody in."""
        people = [(name, name, self._new(f"{name}_password")) for name in ("admin", "viewer")]
        tokens = self.run("-c", _PREPARE, told=json.dumps(people)).split()
        self.values += tokens
        self.admin, self.viewer = (
            Person(name, password, token) for (name, _, password), token in zip(people, tokens, strict=True)
        )


def _key() -> str:
    return base64.b64encode(token_bytes(32)).decode()


@contextmanager
def production(folder: Path, ttl: int | None = None) -> Iterator[Production]:
    """Start the servers, and the app on them.

    Args:
        folder: Where its files go.
        ttl: After how many seconds the app asks a store again; as it does by itself, if None.
    """
    with starting(folder) as servers, serving(filled(folder, servers, ttl)) as running:
        yield running


def filled(folder: Path, servers: Servers, ttl: int | None = None, workers: int = 2) -> Production:
    """Put the first secrets into the stores, so that the settings can be had.

    Args:
        folder: Where the app's files go.
        servers: May be starting yet.
        ttl: After how many seconds the app asks a store again; as it does by itself, if None.
        workers: Of gunicorn.
    """
    stores = servers.vault.result(), servers.aws.result(), servers.azure.result(), servers.gcp.result()
    running = Production(folder, workers, *stores, servers.database.result())
    running.environment |= _environment(running, ttl)
    running.fill()
    return running


@contextmanager
def serving(running: Production) -> Iterator[Production]:
    """Train the model, and serve."""
    running.prepare()
    with _served(running) as running.url:
        yield running


def _environment(running: Production, ttl: int | None) -> Mapping[str, str]:
    """What a deployment would say: where the stores are, who the app is to each, and nothing that is secret to it."""
    sources = SOURCES if ttl is None else [f"{source}?ttl={ttl}" for source in SOURCES]
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(running.folder),
        "PYTHONPATH": str(APP),
        "SECRETSOURCE_PROFILE": "production",
        "SECRETSOURCE_CHAIN": " ".join(("env://", *sources)),
        "IRIS_DATABASE_URL": f"postgresql+psycopg://127.0.0.1:{running.database.port}/postgres",
        "IRIS_MODEL_FILE": str(running.folder / "iris.model"),
        "VAULT_ADDR": running.vault.addr,
        "VAULT_TOKEN": running.vault.token_for(_READ),
        "AWS_ENDPOINT_URL": running.aws.url,
        "AWS_REGION": moto.REGION,
        **moto.KEYS,
        **running.azure.environment,
        **running.azure.login,
        "SECRET_MANAGER_EMULATOR_HOST": running.gcp.address,
    }


@contextmanager
def _served(running: Production) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    environment = {**running.environment, "BIND": address, "WEB_CONCURRENCY": str(running.workers)}
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "wsgi:app"]
    with running.log.open("ab") as log:
        process = subprocess.Popen(command, cwd=APP, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://{address}/ready", process, running.log)
        yield f"http://{address}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # an end in good order takes a second, and nobody asks it any more
        process.wait(_PATIENCE)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=_PATIENCE).close()
        except OSError:
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.02)
        else:
            return
