"""The files of a guide, put down as its reader does: a block whose first line names a file is that file."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from tests.markdown import ROOT, blocks
from tests.servers.openbao import OpenBao, free_port
from tests.servers.postgres import Postgres

GUIDES = ROOT / "docs" / "guides"
SECRET = "not-a-real-"
PATIENCE = 60.0  # seconds
_FILE = re.compile(r"# (\S+\.py)\n")


def files_of(guide: str) -> Mapping[str, str]:
    """What goes into which file."""
    named = {block.text: _FILE.match(block.text) for block in blocks(GUIDES / f"{guide}.md")}
    return {name[1]: text for text, name in named.items() if name}


def shop_in(vault: OpenBao) -> Shop:
    """A shop's secret of one's own, in version 1."""
    if "kv/" not in vault.call("GET", "sys/mounts"):
        vault.mount("kv")
    shop = Shop(vault, f"shop-{uuid4().hex[:6]}")
    shop.put(1)
    return shop


def secret(number: int) -> dict[str, Any]:
    """What is in a version of the shop's secret."""
    login = {"username": f"user-{number}", "password": f"{SECRET}password-{number}"}
    keys = {"secret_key": f"{SECRET}key-{number}", "broker_password": f"{SECRET}broker-{number}"}
    return {**keys, "database": login}


def put_down(guide: str, folder: Path) -> None:
    """Write all files of a guide; one that is there already is written on at its end."""
    for name, text in files_of(guide).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(text)


@contextmanager
def imported(folder: Path, name: str) -> Iterator[Any]:
    """A module in a folder, imported in this process until the end of the block."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for new in set(sys.modules) - before:
            if str(getattr(sys.modules[new], "__file__", "")).startswith(str(folder)):
                del sys.modules[new]


def python(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, to the end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Shop(NamedTuple):
    """The shop's secret in a Vault, which expires every second.

    Attributes:
        vault: The server.
        path: Where it is.
    """

    vault: OpenBao
    path: str

    def put(self, number: int, **more: object) -> None:
        """Put its next version."""
        self.vault.call("POST", f"kv/data/{self.path}", {"data": {**secret(number), **more}})

    @property
    def environ(self) -> dict[str, str]:
        """What an app in production is started with."""
        chain = {"SECRETSOURCE_CHAIN": f"env:// vault://kv/{self.path}?ttl=1", "SECRETSOURCE_PROFILE": "production"}
        return {**self.vault.environ, **chain}


class Account:
    """A user of the database, whose password is in the shop's secret.

    Attributes:
        user: The name.
        login: What the secret has of it.
    """

    def __init__(self, postgres: Postgres, shop: Shop) -> None:
        self.postgres, self.shop = postgres, shop
        self.user, self.login = f"shop-{uuid4().hex[:6]}", {"password": ""}
        postgres.make_user(self.user, self.login["password"])
        self.rotate()

    def rotate(self) -> None:
        """Give it another password, the store first."""
        self.login = {"username": self.user, "password": f"{SECRET}{uuid4().hex}"}
        self.shop.put(1, database=self.login)
        self.postgres.set_password(self.user, self.login["password"])


class Site(NamedTuple):
    """A web app that runs.

    Attributes:
        addr: Its address.
        log: What it says.
    """

    addr: str
    log: Path

    def get(self, path: str = "/", **headers: str) -> tuple[int, str, Message]:
        """Status, text and headers of an answer."""
        request = urllib.request.Request(self.addr + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers


@contextmanager
def running(
    folder: Path, arguments: Sequence[str], environ: Mapping[str, str], end: signal.Signals = signal.SIGTERM
) -> Iterator[Path]:
    """Run a Python program in a folder until the end of the block, and what it starts; its words are in the file."""
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environ},
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        os.killpg(process.pid, end)
        process.wait(PATIENCE)


@contextmanager
def serving(folder: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[Site]:
    """Run a web app, from the moment on when it answers; `{port}` in an argument is its port."""
    port = free_port()
    with running(folder, [argument.format(port=port) for argument in arguments], environ) as log:
        site = Site(f"http://127.0.0.1:{port}", log)
        until(lambda: _answers(site), lambda: log.read_text(encoding="utf-8"))
        yield site


def _answers(site: Site) -> bool:
    try:
        return site.get()[0] == HTTPStatus.OK
    except OSError:
        return False


def until(condition: Callable[[], bool], told: Callable[[], str] = str) -> None:
    """Come back when something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"it does not come {told()}"
        time.sleep(0.02)
