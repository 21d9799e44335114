"""Users and tokens, in a database whose login rotates while requests are served."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Any, cast

from flask import Flask, current_app, g
from sqlalchemy import BigInteger, Engine, ForeignKey, String, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from werkzeug.local import LocalProxy

from iris.settings import IrisSettings, Login
from secretsource import Live, SecretSourceError

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


class Logins:
    """The login that the settings have; and the one before, for as long as the database does not know the new one."""

    def __init__(self, live: Live[IrisSettings], refusal: type[Exception]) -> None:
        self._live, self._refusal, self._changing = live, refusal, threading.Lock()
        self._known: list[Login] = []
        # Who is refused may have an old password: one refresh for all threads, then one more try.
        self._log_in_as_told = live.retry_on(refusal)(self._log_in_once)

    @property
    def present(self) -> Login:
        return self._live.current.database_login

    def log_in(self, connect: Callable[..., Any]) -> tuple[Any, Login]:
        """A connection, and the login that it is good for. Who rotates tells the store first, and then the database."""
        try:
            return self._log_in_as_told(connect)
        except self._refusal:
            present = self.present
            before = [login for login in self._known if login != present]
            if not before:
                raise
            log.warning("the database refuses the new login, and is asked with the one before")
        try:
            return connect(**_arguments(before[0])), present
        except self._refusal:  # the database has heard of it meanwhile
            return self._log_in_as_told(connect)

    def _log_in_once(self, connect: Callable[..., Any]) -> tuple[Any, Login]:
        login = self.present
        with self._changing:
            self._known = [login, *(other for other in self._known if other != login)][:2]
        return connect(**_arguments(login)), login


def _arguments(login: Login) -> dict[str, str]:
    return {"user": login.username, "password": login.password.get_secret_value()} if login.username else {}


def make_engine(live: Live[IrisSettings]) -> Engine:
    """An engine that logs in with what the settings have at that moment."""
    engine = create_engine(live.current.database_url, pool_pre_ping=True, hide_parameters=True)
    logins = Logins(live, engine.dialect.loaded_dbapi.OperationalError)

    @event.listens_for(engine, "do_connect")
    def log_in(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        connection, record.info["login"] = logins.log_in(partial(dialect.connect, *arguments, **options))
        return connection

    @event.listens_for(engine, "checkout")
    def replace_what_logged_in_otherwise(_connection: Any, record: Any, _proxy: Any) -> None:
        with suppress(SecretSourceError):  # nobody may log in then; who is in stays, and the status page tells why
            if record.info["login"] != logins.present:
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
