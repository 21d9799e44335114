"""A SQLAlchemy engine whose password rotates while it is in use."""

from typing import Annotated, Any

import psycopg
from pydantic import BaseModel, SecretStr
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from secretsource import From, Live, Settings


class Database(BaseModel):
    username: str
    password: SecretStr


class ShopSettings(Settings):
    database: Annotated[Database, From("vault://kv/shop-db")]


def make_engine(url: str, live: Live[Any], **options: Any) -> Engine:
    """Make an engine for a URL that names the server and the database, and no user."""
    engine = create_engine(url, pool_pre_ping=True, **options)

    @event.listens_for(engine, "do_connect")
    @live.retry_on(psycopg.OperationalError, previous=True)
    def log_in(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        record.info["revision"] = live.revision
        database = live.current.database  # once, so that both are of one version
        login = {"user": database.username, "password": database.password.get_secret_value()}
        return dialect.connect(*arguments, **options, **login)

    @event.listens_for(engine, "checkout")
    def replace_old_connections(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["revision"] != live.revision:
            raise DisconnectionError  # the pool logs in anew

    return engine
