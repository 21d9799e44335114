"""Users and tokens, in a database whose login rotates while requests are served."""

import logging
from secrets import token_hex
from typing import Any, cast

from flask import Flask, current_app, g
from sqlalchemy import BigInteger, Engine, ForeignKey, String, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from werkzeug.local import LocalProxy

from iris.settings import IrisSettings, Login
from secretsource import Live

log = logging.getLogger(__name__)


class Base(DeclarativeBase):
    """What all tables have in common."""


def new_session_id() -> str:
    return token_hex(16)


class User(Base):
    """Somebody who may log in."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(String(255))
    session_id: Mapped[str] = mapped_column(String(32), unique=True, default=new_session_id)
    tokens: Mapped[list["Token"]] = relationship(back_populates="user", cascade="all, delete-orphan")

    is_authenticated, is_active, is_anonymous = True, True, False  # Flask-Login asks for these

    def get_id(self) -> str:
        """What a cookie knows a user by: another one ends every session that he has."""
        return self.session_id

    def end_sessions(self) -> None:
        self.session_id = new_session_id()


class Token(Base):
    """A token of the API. The token itself is nowhere, only its hash."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    expires: Mapped[int] = mapped_column(BigInteger)  # seconds since the epoch
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    user: Mapped[User] = relationship(back_populates="tokens")


def make_engine(live: Live[IrisSettings]) -> Engine:
    """An engine that logs in with what the settings have at that moment."""
    engine = create_engine(live.current.database_url, pool_pre_ping=True, hide_parameters=True)
    refusal = engine.dialect.loaded_dbapi.OperationalError
    let_in: list[Login] = []  # the login that worked last

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        def log_in(login: Login) -> Any:
            who = {"user": login.username, "password": login.password.get_secret_value()} if login.username else {}
            return dialect.connect(*arguments, **options, **who)

        @live.retry_on(refusal)  # refused? the password may have rotated: one refresh for all threads, then once more
        def log_in_as_told() -> Any:
            record.info["login"] = live.current.database_login
            return log_in(record.info["login"])

        try:
            connection = log_in_as_told()
        except refusal:
            if not let_in or let_in[0] == record.info["login"]:
                raise
            log.warning("the database does not know the new login yet, and is asked with the one before")
            return log_in(let_in[0])
        let_in[:] = [record.info["login"]]
        return connection

    @event.listens_for(engine, "checkout")
    def replace_what_logged_in_otherwise(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["login"] != live.current.database_login:
            raise DisconnectionError  # the pool logs in anew

    return engine


def init_app(app: Flask, live: Live[IrisSettings]) -> None:
    app.extensions["iris.engine"] = make_engine(live)
    app.teardown_appcontext(_close)


def create_tables() -> None:
    Base.metadata.create_all(current_app.extensions["iris.engine"])


def _session() -> Session:
    if "database_session" not in g:
        g.database_session = Session(current_app.extensions["iris.engine"], expire_on_commit=False)
    return cast("Session", g.database_session)


def _close(_error: BaseException | None) -> None:
    if "database_session" in g:
        g.pop("database_session").close()


session = cast("Session", LocalProxy(_session))
"""Of the present request."""
