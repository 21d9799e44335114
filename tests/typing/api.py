"""What type checkers have to accept, without any plugin. It is checked, not run."""

from __future__ import annotations

from typing import Annotated, assert_type

from pydantic import BaseModel, SecretStr

import secretsource
from secretsource import CachePolicy, Explanation, From, Resolution, Settings, SettingsConfigDict


class Database(BaseModel):
    """A nested model."""

    username: str
    password: SecretStr


class Shop(Settings):
    """A class with required fields."""

    model_config = SettingsConfigDict(
        env_prefix="SHOP_",
        chain={"development": ("env://",), "production": ("vault://kv/shop",)},
        timeout=5,
        cache=CachePolicy(ttl=60),
        on_denied="next",
        on_unavailable="raise",
    )
    key: SecretStr
    database: Annotated[Database, From("aws-sm://prod/shop-db")]


async def use() -> None:
    """Every public call, with what it returns."""
    assert_type(Shop.load(), Shop)
    assert_type(await Shop.aload(), Shop)
    assert_type(Shop.load().database.password, SecretStr)
    assert_type(Shop.load().resolution("key"), Resolution)
    assert_type(secretsource.explain(Shop), Explanation)
    assert_type(secretsource.explain(Shop.load()), Explanation)
    assert_type(secretsource.get("env://X"), str)
    assert_type(secretsource.get_bytes("env://X"), bytes)
    assert_type(await secretsource.aget("env://X"), str)
