"""All configuration of the app, in one class: nothing else knows where a value comes from."""

import base64
import binascii
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from secretsource import From, Settings, SettingsConfigDict

KEY_BYTES = 32


def _is_a_key(text: SecretStr) -> SecretStr:
    try:
        size = len(base64.b64decode(text.get_secret_value(), validate=True))
    except binascii.Error:
        size = 0
    if size != KEY_BYTES:
        raise ValueError(f"it has to be {KEY_BYTES} bytes in base64, as openssl rand -base64 {KEY_BYTES} makes them")
    return text


def _names_no_login(url: str) -> str:
    if "@" in urlsplit(url).netloc or "password" in urlsplit(url).query:
        raise ValueError("user and password go into database_login")
    return url


Plain = From(only=("env", "dotenv"))  # not secret: no store is asked for it
Text = Annotated[SecretStr, Field(min_length=32)]
Key = Annotated[SecretStr, AfterValidator(_is_a_key)]


class Login(BaseModel):
    """Who the app is to its database; nobody for SQLite, which asks for nobody."""

    username: str = ""
    password: SecretStr = SecretStr("")


class IrisSettings(Settings):
    """In development all of it is in .env; in production each secret is in the store of the team that owns it."""

    model_config = SettingsConfigDict(
        env_prefix="IRIS_",
        env_nested_delimiter="__",
        chain={
            "development": ("env://", "dotenv://.env"),
            "production": (
                "env://",
                "vault://kv/iris",
                "aws-sm://production/iris",
                "azure-kv://iris-vault",
                "gcp-sm://iris-project",
            ),
        },
    )

    secret_key: Annotated[Text, From(only=("env", "dotenv", "azure-kv"))]
    """Signs session cookies."""
    token_pepper: Annotated[Text, From(only=("env", "dotenv", "aws-sm"))]
    """Keys the hashes of API tokens: who steals the database alone cannot try tokens out."""
    token_pepper_previous: Annotated[Text | None, From(only=("env", "dotenv", "aws-sm"))] = None
    model_key: Annotated[Key, From(only=("env", "dotenv", "gcp-sm"))]
    """Encrypts the model's file."""
    model_key_previous: Annotated[Key | None, From(only=("env", "dotenv", "gcp-sm"))] = None
    database_login: Annotated[Login, From(only=("env", "dotenv", "vault"))] = Login()

    database_url: Annotated[str, AfterValidator(_names_no_login), Plain] = "sqlite:///iris.db"
    model_file: Annotated[Path, Plain] = Path("iris.model")
    proxies: Annotated[int, Plain] = 1
    """Of our own, that every request comes through: so many X-Forwarded-For and the like are believed."""
    secure_cookies: Annotated[bool, From(only="dotenv")] = True
    """Only a developer's .env can turn it off, for plain http: production reads none."""

    @property
    def peppers(self) -> list[bytes]:
        """The present one first."""
        known = [self.token_pepper, self.token_pepper_previous]
        return [pepper.get_secret_value().encode() for pepper in known if pepper is not None]

    @property
    def model_keys(self) -> list[bytes]:
        """The present one first."""
        known = [self.model_key, self.model_key_previous]
        return [base64.b64decode(key.get_secret_value()) for key in known if key is not None]
