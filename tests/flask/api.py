"""What type checkers have to accept of the Flask extension, without any plugin. It is checked, not run."""

from __future__ import annotations

from typing import assert_type

from flask import Blueprint, Flask
from pydantic import BaseModel, SecretStr

from secretsource import Change, Health, Live, Settings
from secretsource.flask import SecretSource, secrets_changed


class Database(BaseModel):
    """A nested model."""

    password: SecretStr


class Shop(Settings):
    """A class with required fields."""

    key: SecretStr
    database: Database


def use(app: Flask) -> None:
    """Every way of making one, and every public call, with what it returns."""
    assert_type(SecretSource(app, Shop), SecretSource[Shop])
    assert_type(SecretSource(settings_cls=Shop, keys=["key"], prefix="SHOP_", fallbacks=0), SecretSource[Shop])
    secrets = SecretSource[Shop]()
    secrets.init_app(app, Shop, keys={"database.password": "PASSWORD"})
    assert_type(secrets.current, Shop)
    assert_type(secrets.current.database.password, SecretStr)
    assert_type(secrets.live, Live[Shop])
    assert_type(secrets.health(), Health)
    assert_type(secrets.readiness("/ready"), Blueprint)


@secrets_changed.connect
def listen(sender: Flask, change: Change[Shop]) -> None:
    """A receiver of the signal."""
    assert_type(change.new, Shop)
    assert_type(change.fields, tuple[str, ...])
