"""`gcp-sm` in forked processes: gRPC's C core does not outlive a fork, so what it does must not matter."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from secretsource.backend import SecretValue
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.testing.processes import Child
from tests.gcp.asking import ask, ref, value
from tests.servers.gcpsm import SecretManager

CHILDREN, AT_ONCE = 100, 10


def _read_own(backend: SecretManagerBackend, number: int) -> str:
    """What a process got that was not its own; empty if all was."""
    got = [value(backend, ref(f"s{number}")) for _ in range(3)]
    return "" if got == [f"value {number}"] * 3 else repr(got)


@contextmanager
def _reading(backend: SecretManagerBackend, number: int) -> Iterator[list[str]]:
    """While inside, two threads read without a pause. What they got that was not theirs is listed."""
    wrong: list[str] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            (answer,) = ask(backend, ref(f"s{number}"))
            if isinstance(answer, SecretValue) and answer.raw != f"value {number}":
                wrong.append(repr(answer.raw))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield wrong
    over.set()
    for thread in threads:
        thread.join(20)


@pytest.mark.parametrize("busy", [False, True], ids=["idle parent", "busy parent"])
def test_a_hundred_children_get_their_own(emulator: SecretManager, backend: SecretManagerBackend, busy: bool) -> None:
    """Forked from a parent with a live channel, even one in use at that moment, none hangs or gets another's value."""
    for number in range(CHILDREN + 1):
        emulator.put(f"s{number}", f"value {number}")
    assert _read_own(backend, CHILDREN) == ""
    said: list[str] = []
    with _reading(backend, CHILDREN) if busy else _nothing() as wrong:
        for start in range(0, CHILDREN, AT_ONCE):
            children = [Child(partial(_read_own, backend, number)) for number in range(start, start + AT_ONCE)]
            said += [child.result(30) for child in children]
    assert (said, wrong) == ([""] * CHILDREN, [])
    assert _read_own(backend, CHILDREN) == ""


@contextmanager
def _nothing() -> Iterator[list[str]]:
    yield []


def test_a_grandchild_gets_its_own(emulator: SecretManager, backend: SecretManagerBackend) -> None:
    """What holds for a child holds for its children."""
    emulator.put("s0", "value 0")
    assert _read_own(backend, 0) == ""

    def child() -> str:
        return _read_own(backend, 0) + Child(partial(_read_own, backend, 0)).result(20)

    assert Child(child).result(30) == ""


def test_a_child_may_be_forked_before_the_first_lookup(emulator: SecretManager) -> None:
    """A backend that was made, and asked nothing, serves every process."""
    emulator.put("s0", "value 0")
    backend = SecretManagerBackend()
    child = Child(partial(_read_own, backend, 0))
    assert (child.result(30), _read_own(backend, 0)) == ("", "")


_PROGRAM = """
import sys
from functools import partial
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.testing.processes import Child
from tests.gcp.test_forks import _read_own

backend = SecretManagerBackend()
wrong = _read_own(backend, 0)
children = [Child(partial(_read_own, backend, number)) for number in range(10)]
print([wrong, *(child.result(20) for child in children)])
"""


@pytest.mark.parametrize("support", ["0", "1"])
def test_grpc_s_own_switch_for_forks_makes_no_difference(emulator: SecretManager, support: str) -> None:
    """With GRPC_ENABLE_FORK_SUPPORT=0 a child that opens a channel of its own would hang."""
    for number in range(10):
        emulator.put(f"s{number}", f"value {number}")
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": support, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == str([""] * 11), done.stderr
