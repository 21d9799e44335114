"""The settings of a shop: one class, for the developer's machine and for production."""

from typing import Annotated

from pydantic import BaseModel, SecretStr

from secretsource import From, Settings, SettingsConfigDict


class Database(BaseModel):
    username: str
    password: SecretStr
    host: str = "localhost"


class ShopSettings(Settings):
    model_config = SettingsConfigDict(
        env_prefix="SHOP_",
        env_nested_delimiter="__",
        chain={
            "development": ("env://", "dotenv://.env"),
            "production": ("env://", "vault://kv/shop", "aws-sm://{profile}/shop"),
        },
    )
    debug: bool = False
    secret_key: SecretStr
    stripe_key: SecretStr
    smtp_password: Annotated[SecretStr, From(name="mail/password")]
    signing_key: Annotated[bytes, From(never="env")]
    database: Database
