"""gunicorn on a free loopback port, with an application of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.openbao import free_port

_PATIENCE = 60.0  # seconds
_ROOT = Path(__file__).parents[2]
_CONFIG = """
import os

def post_fork(server, worker):
    os.environ["WORKER"] = str(worker.age)
"""


@dataclass
class Gunicorn:
    """One that runs.

    Attributes:
        addr: Its address.
        log: What it says.
    """

    addr: str
    log: Path

    def get(self, path: str) -> Any:
        """What it answers, from JSON; over a connection of its own, so that any worker may take it."""
        with urllib.request.urlopen(f"{self.addr}{path}", timeout=_PATIENCE) as answer:
            return json.loads(answer.read())

    def follows(self, clients: Executor, *, at_once: int, workers: int, password: str, seconds: float) -> None:
        """Ask `/current` for so long, and see that every worker goes on to user-2, and none of them back.

        Args:
            clients: Who ask.
            at_once: How many ask at the same time.
            workers: How many answer.
            password: What each user's password begins with; the user's number follows.
            seconds: By when all have to be there.
        """
        start = time.monotonic()
        first_new: dict[str, float] = {}
        last_old: dict[str, float] = {}
        while len(first_new) < workers or time.monotonic() < start + seconds:
            for worker, username, found, before, after in clients.map(self.get, ["/current"] * at_once):
                assert found == password + username.removeprefix("user-")
                if username == "user-2":
                    first_new[worker] = min(after, first_new.get(worker, after))
                else:
                    last_old[worker] = max(before, last_old.get(worker, before))
        assert all(last_old[worker] <= first_new[worker] for worker in last_old)
        assert max(last_old.values(), default=start) < start + seconds


@contextmanager
def gunicorn(
    directory: Path, application: str, environ: Mapping[str, str], *, workers: int, threads: int, preload: bool
) -> Iterator[Gunicorn]:
    """Run an application, `module:name`, until the end of the block.

    Each worker has its number, counted from 1, in the environment variable `WORKER`. One thread means the sync worker.
    """
    port, config, log = free_port(), directory / "gunicorn.conf.py", directory / "gunicorn.log"
    config.write_text(_CONFIG)
    kind = ["--worker-class=gthread", f"--threads={threads}"] if threads > 1 else ["--worker-class=sync"]
    command = [sys.executable, "-m", "gunicorn", f"--config={config}", f"--bind=127.0.0.1:{port}"]
    command += [f"--workers={workers}", f"--worker-tmp-dir={directory}", "--timeout=60", "--no-control-socket", *kind]
    command += [*(["--preload"] if preload else []), application]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **environ}, cwd=_ROOT, stdout=output, stderr=output)
    server = Gunicorn(f"http://127.0.0.1:{port}", log)
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_until_ready(server: Gunicorn, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            server.get("/current")
        except OSError:
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(server.log.read_text()) from None
            time.sleep(0.05)
        else:
            return
