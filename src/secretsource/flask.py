"""The Flask extension: settings in `app.config`, typed, masked, and following rotation."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from secretsource.access import CACHE
from secretsource.errors import ConfigurationError, MissingExtra, SecretSourceError
from secretsource.live import Live
from secretsource.settings import Settings
from secretsource.settings.plainvalues import changes, keys_of_fields, repr_without, values_by_key

try:
    from blinker import Namespace
    from flask import Blueprint, Config, Flask, current_app, jsonify
    from flask.sessions import SecureCookieSessionInterface
    from itsdangerous import BadSignature

    from secretsource.cli.group import Commands
    from secretsource.cli.in_flask import HELP, NAME, announce, checked
except ModuleNotFoundError as error:
    raise MissingExtra("secretsource.flask", "flask") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from blinker import NamedSignal
    from flask import Request
    from flask.sessions import SecureCookieSession
    from flask.typing import ResponseReturnValue

    from secretsource.live import Change, Health
    from secretsource.settings.plainvalues import Keys

__all__ = ["SecretSource", "secrets_changed"]

S = TypeVar("S", bound=Settings)

secrets_changed: Final[NamedSignal] = Namespace().signal("secrets-changed")
"""Sent after `app.config` has changed, with the app as sender and `change` (a `secretsource.Change`)."""

_KEY, _FALLBACKS = "SECRET_KEY", "SECRET_KEY_FALLBACKS"
_BETWEEN_LOOKS: Final = 1.0  # seconds

_log: Final = logging.getLogger("secretsource.flask")


class SecretSource(Generic[S]):
    """Puts a settings class into `app.config`, and keeps it there as secrets rotate.

    A field is found under its name in upper case; a nested model is a dict; a `SecretStr` is a `str` whose `repr` is
    masked, which Flask and other extensions take as it is. What an app puts in the place of a value itself stays.

    Args:
        app: The app; or call `init_app` later, for each app, with arguments of its own where they differ.
        settings_cls: The settings class.
        keys: Which fields, by their paths (`secret_key`, `database.password`); or a mapping from their paths to keys
            of `app.config`. All by default.
        prefix: What goes before the keys.
        fallbacks: How many old SECRET_KEYs are still accepted after they have rotated.

    Raises:
        ResolutionError, ValidationError: The settings cannot be loaded: the app does not start.
        ConfigurationError: The app has been initialised already, `keys` names a field that is not there, or the class
            does not derive from `secretsource.Settings`.
    """

    def __init__(
        self,
        app: Flask | None = None,
        settings_cls: type[S] | None = None,
        *,
        keys: Keys = None,
        prefix: str = "",
        fallbacks: int = 3,
    ) -> None:
        self._given = settings_cls, keys, prefix, fallbacks
        if app is not None:
            self.init_app(app)

    def init_app(
        self,
        app: Flask,
        settings_cls: type[S] | None = None,
        *,
        keys: Keys = None,
        prefix: str | None = None,
        fallbacks: int | None = None,
    ) -> None:
        """Load the settings into an app, and follow them from then on. Arguments and errors are those of the class."""
        own_class, own_keys, own_prefix, own_fallbacks = self._given
        settings_cls = checked(settings_cls or own_class)
        if NAME in app.extensions:
            raise ConfigurationError("this app has been initialised with a SecretSource already")
        keys, prefix = own_keys if keys is None else keys, own_prefix if prefix is None else prefix
        names = keys_of_fields(settings_cls, keys, prefix)
        if announce(app, settings_cls):
            return
        state = _State(app, settings_cls, names, own_fallbacks if fallbacks is None else fallbacks)
        state.start()
        app.extensions[NAME] = state
        if state.signs_sessions and type(app.session_interface) is SecureCookieSessionInterface:
            app.session_interface = _Sessions()
        app.cli.add_command(Commands("secrets", settings_class=lambda: settings_cls, help=HELP))

    @property
    def live(self) -> Live[S]:
        """The current app's live object, for `on_change` and `retry_on`."""
        return _current_state().live

    @property
    def current(self) -> S:
        """The current app's settings.

        Raises:
            ResolutionError: A value may no longer be served.
        """
        found: S = _current_state().live.current
        return found

    def health(self) -> Health:
        """How the current app's settings are doing, for a readiness route."""
        return _current_state().live.health()

    def readiness(self, url: str = "/ready") -> Blueprint:
        """A blueprint with one route: 200 while the settings are served, 503 from when they may not be any more.

        While a store is down and the last good values are served, it says 200, and `"ok": false`.
        """
        blueprint = Blueprint("secretsource_readiness", __name__)

        @blueprint.get(url)
        def ready() -> ResponseReturnValue:
            health, status = self.health(), 200
            try:
                _ = self.current
            except SecretSourceError:
                status = 503
            return jsonify(ok=health.ok, stale=len(health.stale_fields)), status, {"Cache-Control": "no-store"}

        return blueprint


class _State(Generic[S]):
    """What one app has of us, in `app.extensions`. It does not keep the app alive.

    Attributes:
        settings_cls: Their class.
        live: The settings.
        signs_sessions: Whether SECRET_KEY is among them.
    """

    def __init__(self, app: Flask, settings_cls: type[S], names: Mapping[str, str], fallbacks: int) -> None:
        self._app = weakref.ref(app)
        self.settings_cls = settings_cls
        self.live = Live(settings_cls)
        self._names = names
        self._fallbacks = fallbacks
        self.signs_sessions = _KEY in names.values()
        self._snapshot: S | None = None
        self._values: dict[str, Any] = {}
        self._retired: list[Any] = []
        self._look_again_at = 0.0
        self._looks = 0  # that have begun
        self.after_fork()

    def after_fork(self) -> None:
        """In a forked child: let go of what another thread of the parent held."""
        self._changing = threading.RLock()
        self._looking = threading.Lock()

    def start(self) -> None:
        """Fill the config, and follow from now on."""
        _ = self.live.current  # it raises what a load inside of an event loop could not tell earlier
        self.live.on_change(self._follow)
        self.catch_up()
        _states.add(self)

    def _follow(self, change: Change[S]) -> None:
        """Send the signal, in a context of the app. What one receiver raises does not keep it from the others."""
        self.catch_up()
        if (app := self._app()) is None or not secrets_changed.has_receivers_for(app):
            return
        with app.app_context():
            for receiver in secrets_changed.receivers_for(app):
                try:
                    app.ensure_sync(receiver)(app, change=change)
                except Exception:  # noqa: BLE001 - it is the user's code, and harms nobody
                    _log.exception("a receiver of secrets_changed failed")

    def catch_up(self) -> None:
        """Put the newest snapshot into the config, if it is not in there yet."""
        with self._changing:
            newest = self.live._state.snapshot  # noqa: SLF001 - `current` may raise, or be a stand-in in this thread
            app = self._app()
            if app is not None and newest is not None and newest is not self._snapshot:
                self._put(newest, app.config)

    def _put(self, snapshot: S, config: Config) -> None:
        """Put in all that is new, at once; but nothing in the place of what somebody else has put there since."""
        old, (found, hidden) = self._values, values_by_key(snapshot, self._names)
        new, changed = changes(old, found, config)
        if self.signs_sessions and not changed.keys().isdisjoint({_KEY, _FALLBACKS}):
            listed = new[_FALLBACKS] or () if _FALLBACKS in new else None
            changed[_FALLBACKS] = self._accepted(old.get(_KEY), new[_KEY], config.get(_FALLBACKS) or (), listed)
            if listed is not None:
                new[_FALLBACKS] = changed[_FALLBACKS]
        if hidden and type(config) is Config:  # an app's own kind of config stays as it is
            config.__class__ = _MaskedConfig
        if isinstance(config, _MaskedConfig):
            config.hidden |= hidden
        config.update(changed)
        self._snapshot, self._values = snapshot, new

    def _accepted(self, old: Any, new: Any, held: Collection[Any], listed: Iterable[Any] | None) -> list[Any] | None:
        """The other keys that a session may be signed with: the last few, and the app's own."""
        before = [key for key in self._retired if key in held]  # the app may have taken one out, as after a leak
        own = [key for key in held if key not in before] if listed is None else listed
        self._retired = [key for key in dict.fromkeys([old, *before]) if key and key != new][: self._fallbacks]
        return list(dict.fromkeys([*self._retired, *(key for key in own if key != new)])) or None

    def look_for(self, found: Callable[[], bool]) -> None:
        """Ask the stores for something newer: one thread for all, and not in an outage or soon after it was no use."""
        before = self._looks
        with self._looking:
            answered = self._looks > before  # while this thread waited, and as new as what it would get itself
            if found() or answered or CACHE.clock.monotonic() < self._look_again_at or not self.live.health():
                return
            self._looks += 1
            with suppress(SecretSourceError):
                self.live.refresh_for_retry()
            self.catch_up()  # the thread that refreshed may not have come to it
            if not found():
                self._look_again_at = CACHE.clock.monotonic() + _BETWEEN_LOOKS  # a slow store is left alone, too


class _Sessions(SecureCookieSessionInterface):
    """Flask's sessions, but a cookie that no key fits leads to one look for a newer key.

    A worker signs with a new SECRET_KEY as soon as it has heard of it. The others, which hear of it a little later,
    would take its sessions for forged until then.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the session from its cookie."""
        session = super().open_session(app, request)
        if session or session is None or "HTTP_COOKIE" not in request.environ:  # most requests end here
            return session
        if not (cookie := request.cookies.get(self.get_cookie_name(app))):
            return session
        _state_of(app).look_for(lambda: self._is_known(app, cookie))
        return super().open_session(app, request)

    def _is_known(self, app: Flask, cookie: str) -> bool:
        """Whether one of the keys has signed a cookie, however long ago."""
        try:
            if (serializer := self.get_signing_serializer(app)) is not None:
                serializer.loads(cookie)
        except BadSignature:
            return False
        return True


class _MaskedConfig(Config):
    """Flask's config, which does not show what some of its keys hold."""

    hidden: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Config {repr_without(self, self.hidden)}>"


_states: weakref.WeakSet[_State[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    """In a forked child: what its parent was about to put into a config is put there now."""
    for state in list(_states):
        state.after_fork()
        state.catch_up()


os.register_at_fork(after_in_child=_after_fork)


def _current_state() -> _State[Any]:
    return _state_of(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - Flask documents it


def _state_of(app: Flask) -> _State[Any]:
    state: _State[Any] | None = app.extensions.get(NAME)
    if state is None:
        raise ConfigurationError("this app has no settings: call init_app(app, settings_cls)")
    return state
