"""The guide to Celery: its tasks in a real prefork worker, and its broker's password at a broker that asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery
from celery.signals import task_retry

from secretsource import Outcome, ResolutionError
from secretsource.testing import Stores
from tests.guides import PATIENCE, SECRET, Shop, imported, put_down, python, running, secret, shop_in, until
from tests.servers.amqp import Amqp
from tests.servers.openbao import OpenBao

CHILDREN, BATCH = 2, 8
WORKER = """
import os
import tasks
from queues import QUEUES

app = tasks.app
app.conf.update(QUEUES)

@app.task
def answer():
    return os.getpid(), os.getppid(), tasks.charge(1)
"""


def queues(folder: Path) -> dict[str, Any]:
    """What lets a worker and its clients meet in a folder, without a broker."""
    for name in ("queue", "control", "results"):
        (folder / name).mkdir(exist_ok=True)
    where = {"data_folder_in": f"{folder}/queue", "data_folder_out": f"{folder}/queue"}
    return {
        "broker_transport_options": {**where, "control_folder": f"{folder}/control"},
        "result_backend": f"file://{folder}/results",
    }


class Worker:
    """A worker with two children.

    Attributes:
        answers: What each process said last, by its id.
        parents: The ids of their parents.
    """

    def __init__(self, client: Celery) -> None:
        self.client = client
        self.answers: dict[int, str] = {}
        self.parents: set[int] = set()

    def say(self, text: str) -> bool:
        """Whether all of them say so now."""
        results = [self.client.send_task("worker.answer") for _ in range(BATCH)]
        for result in results:
            process, parent, said = result.get(timeout=PATIENCE, interval=0.02)
            self.answers[process] = said
            self.parents.add(parent)
        return list(self.answers.values()) == [text] * CHILDREN


@pytest.fixture
def shop(openbao: OpenBao) -> Shop:
    """Version 1 of the shop's secret."""
    return shop_in(openbao)


@pytest.fixture
def worker(shop: Shop, tmp_path: Path) -> Iterator[Worker]:
    """It runs until the end of the test."""
    put_down("celery", tmp_path)
    (tmp_path / "queues.py").write_text(f"QUEUES = {queues(tmp_path)!r}", encoding="utf-8")
    (tmp_path / "worker.py").write_text(WORKER, encoding="utf-8")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    command = ["-m", "celery", "-A", "worker", "worker", "--pool=prefork", f"--concurrency={CHILDREN}", *quiet]
    client = Celery(broker="filesystem://", set_as_current=False)
    client.conf.update(queues(tmp_path))
    environ = {**shop.environ, "CELERY_BROKER_URL": "filesystem://"}
    with running(tmp_path, command, environ, end=signal.SIGKILL) as log:  # it takes its time for any other
        yield Worker(client)
    assert SECRET not in log.read_text(encoding="utf-8")


def test_every_child_of_a_worker_follows_a_rotation(worker: Worker, shop: Shop) -> None:
    """They have forked from one process, in which the settings were loaded; each goes on by itself."""
    until(lambda: worker.say("order 1: logged in as user-1"))
    shop.put(2)
    until(lambda: worker.say("order 1: logged in as user-2"))
    assert len(worker.parents) == 1


def test_a_worker_does_not_start_on_settings_that_fail(shop: Shop, tmp_path: Path) -> None:
    """It says why, without a value, and ends with status 2."""
    put_down("celery", tmp_path)
    token = shop.vault.token_for('path "secret/data/other" { capabilities = ["read"] }')
    done = python(tmp_path, "-m", "celery", "-A", "tasks", "worker", environ={**shop.environ, "VAULT_TOKEN": token})
    assert done.returncode == 2
    assert "secret_key: DENIED" in done.stderr
    assert SECRET not in done.stderr + done.stdout


@pytest.fixture
def tasks(secretsource: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The guide's tasks in this process, with version 1 in the store."""
    put_down("celery", tmp_path)
    secretsource.set("vault://kv/shop", secret(1))
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "production")
    with imported(tmp_path, "tasks") as module, module.live:
        yield module


def test_each_login_to_the_broker_has_the_password_of_the_moment(
    tasks: ModuleType, secretsource: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that is made next, long before the ttl is over; and the last good one while the store is down."""
    with Amqp(f"{SECRET}broker-1") as broker:
        monkeypatch.setenv("CELERY_BROKER_URL", f"amqp://shop@127.0.0.1:{broker.port}//")
        log_in(tasks.app)
        secretsource.set("vault://kv/shop#broker_password", "not-a-real-broker-2")
        broker.password = f"{SECRET}broker-2"
        log_in(tasks.app)
        secretsource.fail("vault://kv/shop", Outcome.UNAVAILABLE)
        log_in(tasks.app)
    assert [password[-1] for _, password in broker.logins] == ["1", "2", "2"]
    assert {user for user, _ in broker.logins} == {"shop"}


def log_in(app: Celery) -> None:
    """As a worker does."""
    with app.connection_for_read() as connection:
        connection.connect()


def test_a_worker_that_the_broker_refuses_ends(shop: Shop, tmp_path: Path) -> None:
    """With status 1, so that it can be started anew; and without the password in its log."""
    put_down("celery", tmp_path)
    with Amqp("another") as broker:
        environ = {**shop.environ, "CELERY_BROKER_URL": f"amqp://shop@127.0.0.1:{broker.port}//"}
        done = python(tmp_path, "-m", "celery", "-A", "tasks", "worker", "--concurrency=1", environ=environ)
    assert done.returncode == 1
    assert "AccessRefused" in done.stderr
    assert SECRET not in done.stderr + done.stdout


def test_a_task_whose_value_is_denied_is_tried_again_and_then_fails(tasks: ModuleType, secretsource: Stores) -> None:
    """Three times more, as the guide says."""
    secretsource.fail("vault://kv/shop", Outcome.DENIED)
    with pytest.raises(ResolutionError):
        tasks.live.refresh(force=True)
    again: list[object] = []
    task_retry.connect(receiver := lambda **told: again.append(told["reason"]))
    result = tasks.charge.apply((1,))
    task_retry.disconnect(receiver)
    assert isinstance(result.result, ResolutionError)
    assert len(again) == 3
