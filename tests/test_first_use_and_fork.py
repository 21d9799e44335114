"""A process that forks while a thread of it loads for the first time: imports an SDK, and logs in."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import pytest

from secretsource import forks
from secretsource.testing.processes import Child
from tests.servers.awsfront import AwsFront
from tests.servers.azurecloud import AzureCloud
from tests.servers.gcpsm import PROJECT, SecretManager
from tests.servers.openbao import OpenBao

_PROGRAM = """
import os, sys, threading
from secretsource import get
from secretsource.testing.processes import Child

_, first, second, moment = sys.argv
imports, come = [], threading.Event()

def watch(event, _):
    if event == "import" and threading.current_thread() is not threading.main_thread():
        imports.append(event)
        if len(imports) >= int(moment):
            come.set()

def load():
    try:
        get(first)
    finally:
        come.set()

sys.addaudithook(watch)
loading = threading.Thread(target=load)
loading.start()
come.wait()
child = Child(lambda: get(second))
loading.join()
print(child.result(20))
"""
MOMENTS = [1, 60, 250]
"""After so many imports."""


def _forked(first: str, second: str, moment: int, **variables: str) -> str:
    """What a child reads that was forked at a moment of its parent's first load."""
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM, first, second, str(moment)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("moment", MOMENTS)
def test_aws(aws: AwsFront, moment: int) -> None:
    for name in ("first", "second"):
        aws.moto.client("secretsmanager").create_secret(Name=name, SecretString=name)
    assert _forked("aws-sm://first", "aws-sm://second", moment) == "second"


@pytest.mark.parametrize("moment", MOMENTS)
def test_azure(azure: AzureCloud, moment: int) -> None:
    for name in ("first", "second"):
        azure.vault.put(name, name, "pay-vault")
    variables: Mapping[str, str] = {**azure.environment, **azure.login}
    assert _forked("azure-kv://pay-vault/first", "azure-kv://pay-vault/second", moment, **variables) == "second"


@pytest.mark.parametrize("moment", MOMENTS)
def test_google(gcpsm: SecretManager, moment: int) -> None:
    for name in ("first", "second"):
        gcpsm.put(name, name)
    refs = (f"gcp-sm://{PROJECT}/first", f"gcp-sm://{PROJECT}/second")
    assert _forked(*refs, moment, SECRET_MANAGER_EMULATOR_HOST=gcpsm.address) == "second"


@pytest.mark.parametrize("moment", MOMENTS)
def test_vault(openbao: OpenBao, moment: int) -> None:
    for name in ("first", "second"):
        openbao.call("POST", f"secret/data/forked/{name}", {"data": {"value": name}})
    refs = ("vault://secret/forked/first#value", "vault://secret/forked/second#value")
    assert _forked(*refs, moment, **openbao.environ) == "second"


@contextmanager
def _under_way(work: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """While inside, another thread is inside that work."""
    inside, over = threading.Event(), threading.Event()

    def run() -> None:
        with work():
            inside.set()
            over.wait(60)

    thread = threading.Thread(target=run)
    thread.start()
    inside.wait(60)
    yield
    over.set()
    thread.join()


def _seconds_of_a_fork() -> float:
    start = time.monotonic()
    child = Child(str)
    seconds = time.monotonic() - start
    child.result(20)
    return seconds


def test_what_was_given_up_keeps_no_fork_waiting() -> None:
    """A store that hangs, once the load that asked it has ended."""
    with _under_way(lambda: forks.first_use(object(), 0.05)):
        assert _seconds_of_a_fork() < forks.PATIENCE / 2


def test_who_forks_does_not_wait_for_himself() -> None:
    """Such as a driver that starts a process."""
    with forks.holding_forks():
        assert _seconds_of_a_fork() < forks.PATIENCE / 2
