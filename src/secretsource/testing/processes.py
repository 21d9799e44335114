"""Calls that run in another process, and tell how it went."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Child:
    """A forked process that makes one call and is gone: nothing of the parent's is finalised or flushed in it."""

    def __init__(self, call: Callable[[], str]) -> None:
        self._pipe, write_end = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads about is what is tried here
            self.pid = os.fork()
        if self.pid == 0:
            _report(call, write_end)
        os.close(write_end)

    def result(self, seconds: float) -> str:
        """What the call returned; "hung" if it took longer than so many seconds, and then the process is killed."""
        chunks = []
        while (ready := select.select([self._pipe], [], [], seconds)[0]) and (chunk := os.read(self._pipe, 4096)):
            chunks.append(chunk)
        if not ready:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self._pipe)
        os.waitpid(self.pid, 0)
        return b"".join(chunks).decode() if ready else "hung"


def _report(call: Callable[[], str], write_end: int) -> None:
    """Make the call and leave, whatever comes of it."""
    text = "died"
    try:
        text = call()
    except BaseException as error:  # noqa: BLE001 - it must not run on in the parent's code
        text = f"{type(error).__name__}: {error}"
    finally:
        os.write(write_end, text.encode(errors="replace"))
        os._exit(0)


KNOWN_SDKS: Final = (
    "asyncio",
    "azure",
    "boto3",
    "botocore",
    "dotenv",
    "google",
    "grpc",
    "hvac",
    "keyring",
    "pydantic",
    "requests",
)
"""What is too dear to be imported before it is needed."""

_IMPORT_AND_MAKE: Final = """
import importlib, inspect, sys
before = set(sys.modules)
kind = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
if all(parameter.default is not parameter.empty for parameter in inspect.signature(kind).parameters.values()):
    kind()
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new & set(sys.argv[3:])))
"""


def imported_with(kind: type, among: Iterable[str]) -> list[str]:
    """Which of these modules a fresh interpreter has imported once it has made one of this kind.

    A kind whose constructor needs arguments is only imported.
    """
    command = [sys.executable, "-c", _IMPORT_AND_MAKE, kind.__module__, kind.__name__, *among]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own code
    if done.returncode:
        raise AssertionError(f"{kind.__name__} cannot be imported and made in a fresh process:\n{done.stderr}")
    return done.stdout.split()
