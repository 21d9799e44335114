"""The guide to AWS Lambda: its handlers, called as the runtime calls them, with a frozen process in between."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secretsource import ResolutionError
from tests.guides import Account, imported, put_down, secret, shop_in
from tests.servers.awsfront import AwsError, AwsFront
from tests.servers.loopback import CUT
from tests.servers.openbao import OpenBao
from tests.servers.postgres import Postgres
from tests.test_cache import FakeClock

NIGHT = 8 * 60 * 60.0
NAME = "production/shop"
DENIED = AwsError("AccessDeniedException")


class Environment:
    """What Lambda runs a function in: it imports the handler's module once, and calls it with JSON."""

    def __init__(self, handler: str, clock: FakeClock) -> None:
        module, _, name = handler.rpartition(".")
        self.module: Any = importlib.import_module(module)
        self._handler = getattr(self.module, name)
        self._clock = clock

    def invoke(self, **event: object) -> str:
        """One invocation; the body of its answer."""
        answer = json.loads(json.dumps(self._handler(json.loads(json.dumps(event)), None)))
        assert answer["statusCode"] == 200
        return str(answer["body"])

    def freeze(self, seconds: float) -> None:
        """Let time pass in which nothing runs, and in which the monotonic clock stands still."""
        self._clock.wall += seconds


@pytest.fixture
def task_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The function's files, and its configuration."""
    put_down("aws-lambda", tmp_path)
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "production")
    monkeypatch.setenv("SECRETSOURCE_CHAIN", f"env:// aws-sm://{NAME}")
    with imported(tmp_path, "shop"):
        yield tmp_path


@pytest.fixture
def aws_shop(aws: AwsFront) -> AwsFront:
    """AWS, with version 1 of the shop's secret."""
    aws.moto.client("secretsmanager").create_secret(Name=NAME, SecretString=json.dumps(secret(1)))
    return aws


def rotate(aws: AwsFront) -> None:
    """Put version 2."""
    aws.moto.client("secretsmanager").put_secret_value(SecretId=NAME, SecretString=json.dumps(secret(2)))


def test_the_store_is_read_at_the_cold_start_and_once_a_ttl(
    aws_shop: AwsFront, task_root: Path, clock: FakeClock
) -> None:
    """Any number of invocations make no call in between."""
    environment = Environment("function.handler", clock)
    assert aws_shop.count() == 1
    for _ in range(10):
        assert environment.invoke() == "logged in as user-1"
        environment.freeze(20)
    assert aws_shop.count() == 1
    environment.freeze(100)
    environment.invoke()
    assert aws_shop.count() == 2


def test_the_first_invocation_after_a_night_in_the_freezer_has_the_new_value(
    aws_shop: AwsFront, task_root: Path, clock: FakeClock
) -> None:
    """Though the monotonic clock says that no time has passed."""
    environment = Environment("function.handler", clock)
    rotate(aws_shop)
    assert environment.invoke() == "logged in as user-1"
    environment.freeze(NIGHT)
    assert environment.invoke() == "logged in as user-2"


def test_a_connection_that_broke_in_the_freezer_is_replaced(
    aws_shop: AwsFront, task_root: Path, clock: FakeClock
) -> None:
    """The invocation that finds it broken succeeds, with the new value."""
    environment = Environment("function.handler", clock)
    rotate(aws_shop)
    environment.freeze(NIGHT)
    aws_shop.fail("/", CUT, times=1)
    assert environment.invoke() == "logged in as user-2"


def test_live_by_itself_would_give_yesterdays_value(aws_shop: AwsFront, task_root: Path, clock: FakeClock) -> None:
    """And `refresh()` makes up for that, with one call where something is due, and with none where nothing is."""
    environment = Environment("function_with_database.handler", clock)
    live = environment.module.live
    rotate(aws_shop)
    live.refresh()
    assert aws_shop.count() == 1
    environment.freeze(NIGHT)
    assert live.current.database.username == "user-1"
    live.refresh()
    assert live.current.database.username == "user-2"
    assert aws_shop.count() == 2
    live.close()


def test_an_outage_keeps_the_values_and_a_denial_does_not(
    aws_shop: AwsFront, task_root: Path, clock: FakeClock
) -> None:
    """Which is what an invocation after the ttl finds."""
    environment = Environment("function.handler", clock)
    environment.freeze(NIGHT)
    with aws_shop.failing("/", CUT):
        assert environment.invoke() == "logged in as user-1"
    clock.sleep(1)
    with aws_shop.answering(NAME, DENIED), pytest.raises(ResolutionError, match="DENIED"):
        environment.invoke()


def test_a_secret_that_is_denied_shows_at_the_cold_start(aws_shop: AwsFront, task_root: Path, clock: FakeClock) -> None:
    """Before there is any invocation, and without a value."""
    with aws_shop.answering(NAME, DENIED), pytest.raises(ResolutionError, match="secret_key: DENIED"):
        Environment("function.handler", clock)


def test_a_login_of_a_function_survives_a_rotation(
    openbao: OpenBao, postgres: Postgres, task_root: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses the old password, long before the ttl is over."""
    shop = shop_in(openbao)
    account = Account(postgres, shop)
    own = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGDATABASE": "postgres"}
    for name, value in {**shop.environ, **own, "SECRETSOURCE_CHAIN": f"vault://kv/{shop.path}"}.items():
        monkeypatch.setenv(name, value)
    environment = Environment("function_with_database.handler", clock)
    assert environment.invoke() == f"logged in as {account.user}"
    account.rotate()
    assert environment.invoke() == f"logged in as {account.user}"
    environment.module.live.close()
