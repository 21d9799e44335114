"""Secrets Manager rotates by stages: what an app sees while AWSPENDING becomes AWSCURRENT, and where it may look."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated

import pytest
from pydantic import BaseModel

from secretsource import CachePolicy, From, Live, Settings, SettingsConfigDict
from tests.servers.awsfront import AwsFront
from tests.test_cache import FakeClock

STAGES = ("AWSPENDING", "AWSPREVIOUS")


class Database(BaseModel):
    """Two fields of one secret."""

    username: str
    password: str


class Shop(Settings):
    """A shop with a secret that rotates, and one that does not."""

    model_config = SettingsConfigDict(chain=("aws-sm://shop",), cache=CachePolicy(ttl=300, jitter=0))
    key: str
    database: Annotated[Database, From("aws-sm://db")]


class Refused(Exception):
    """A database that does not take a password."""


class Rotation:
    """What a rotation function does, step by step, to the secret `db` and to the database.

    Attributes:
        takes: The password that the database takes.
        pending: The version that was last made.
        uses: Every password that it was asked to take.
    """

    def __init__(self, aws: AwsFront) -> None:
        self.api = aws.moto.client("secretsmanager")
        self.api.create_secret(Name="shop", SecretString=json.dumps({"key": "k"}))
        self.api.create_secret(Name="db", SecretString=text(1))
        self.takes, self.pending = "p1", ""
        self.uses: list[str] = []

    def create(self, number: int) -> None:
        """A new version, in the stage AWSPENDING."""
        answer = self.api.put_secret_value(SecretId="db", SecretString=text(number), VersionStages=["AWSPENDING"])
        self.pending = answer["VersionId"]

    def finish(self) -> None:
        """The new version becomes AWSCURRENT, the old one AWSPREVIOUS."""
        value = self.api.get_secret_value(SecretId="db", VersionId=self.pending)["SecretString"]
        # moto's own move of a label leaves behind what is read without one
        self.api.put_secret_value(
            SecretId="db", SecretString=value, ClientRequestToken=self.pending, VersionStages=["AWSCURRENT"]
        )

    def connect(self, live: Live[Shop]) -> str:
        """Log in to the database, as an app does it."""
        database = live.current.database
        assert database.username.removeprefix("u") == database.password.removeprefix("p")
        self.uses.append(database.password)
        if database.password != self.takes:
            raise Refused
        return database.password


def text(number: int) -> str:
    return json.dumps({"username": f"u{number}", "password": f"p{number}"})


@pytest.fixture
def rotation(aws: AwsFront) -> Rotation:
    return Rotation(aws)


@pytest.fixture
def live(rotation: Rotation, clock: FakeClock) -> Iterator[Live[Shop]]:
    with Live(Shop) as live:
        yield live


@pytest.fixture
def connect(live: Live[Shop], rotation: Rotation) -> Callable[[], str]:
    return live.retry_on(Refused, stages=STAGES)(lambda: rotation.connect(live))


def test_a_whole_rotation_fails_no_login(
    live: Live[Shop], rotation: Rotation, connect: Callable[[], str], clock: FakeClock
) -> None:
    """At each of its steps the app gets in: by AWSCURRENT, by AWSPENDING, and by the new AWSCURRENT."""
    seen = [connect()]
    rotation.create(2)
    seen.append(connect())
    rotation.takes = "p2"
    seen.append(connect())
    assert live.current.database.password == "p1"
    rotation.finish()
    seen.append(connect())
    assert seen == ["p1", "p1", "p2", "p2"]
    assert rotation.uses == ["p1", "p1", "p1", "p2", "p1", "p2"]
    assert live.current.database.password == "p2"


def test_a_database_that_lags_behind_is_given_the_previous_password(
    live: Live[Shop], rotation: Rotation, connect: Callable[[], str], clock: FakeClock
) -> None:
    """A replica that has not heard of the new one yet."""
    rotation.create(2)
    rotation.finish()
    assert connect() == "p1"
    live.refresh(force=True)
    assert connect() == "p1"
    assert rotation.uses == ["p1", "p2", "p1"]
    assert live.current.database.password == "p2"


def test_the_next_rotation_is_not_looked_for_in_what_is_left_of_the_last(
    live: Live[Shop], rotation: Rotation, connect: Callable[[], str], clock: FakeClock
) -> None:
    """What a stage holds is asked anew each time."""
    for number in (2, 3):
        rotation.create(number)
        rotation.takes = f"p{number}"
        assert connect() == f"p{number}"
        clock.sleep(2)
        rotation.finish()


def test_where_no_stage_helps_the_error_comes_back(
    rotation: Rotation, connect: Callable[[], str], aws: AwsFront
) -> None:
    """Without trying again what has been refused, and without a stage that none of the secrets has."""
    rotation.takes = "another"
    with pytest.raises(Refused):
        connect()
    assert rotation.uses == ["p1"]


def test_a_change_tells_the_version_of_aws(live: Live[Shop], rotation: Rotation) -> None:
    """Its id, which is in CloudTrail too."""
    rotation.create(2)
    assert live.refresh(force=True) is None
    rotation.finish()
    change = live.refresh(force=True)
    assert change is not None
    assert (change.fields, change.version) == (("database.username", "database.password"), rotation.pending)
