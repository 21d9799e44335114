"""The Flask extension: settings in `app.config`, typed, masked, and following rotation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from blinker import Namespace
from flask import Blueprint, Flask, current_app, jsonify

from secretsource.cli.group import Commands
from secretsource.errors import ConfigurationError
from secretsource.live import Live
from secretsource.settings import Settings
from secretsource.settings.plainvalues import plain_fields

if TYPE_CHECKING:
    from blinker import NamedSignal
    from flask.typing import ResponseReturnValue

    from secretsource.live import Change, Health

__all__ = ["SecretSource", "secrets_changed"]

S = TypeVar("S", bound=Settings)
Keys = Mapping[str, str] | Iterable[str] | None

secrets_changed: Final[NamedSignal] = Namespace().signal("secrets-changed")
"""Sent after `app.config` has changed, with the app as sender and `change` (a `secretsource.Change`)."""

_NAME: Final = "secretsource"
_FALLBACKS_KEPT: Final = 3
"""Old SECRET_KEYs under which sessions are still accepted."""


@dataclass(slots=True)
class _State(Generic[S]):
    """What one app has of us, in `app.extensions`."""

    live: Live[S]
    keys: Keys
    prefix: str
    names: dict[str, str] = field(default_factory=dict)


class SecretSource(Generic[S]):
    """Puts a settings class into `app.config`, and keeps it there as secrets rotate.

    A field is found under its name in upper case; a nested model is a dict; a `SecretStr` is a `str` whose `repr` is
    masked, which Flask and other extensions take as it is.

    Args:
        app: The app; or call `init_app` later, for each app of the process.
        settings_cls: The settings class.
        keys: Which fields, by their names; or a mapping from their names to keys of `app.config`. All by default.
        prefix: What goes before the keys.

    Raises:
        ResolutionError, ValidationError: The settings cannot be loaded: the app does not start.
        ConfigurationError: The app has been initialised already, or `keys` names a field that is not there.
    """

    def __init__(
        self,
        app: Flask | None = None,
        settings_cls: type[S] | None = None,
        *,
        keys: Keys = None,
        prefix: str = "",
    ) -> None:
        if app is not None:
            if settings_cls is None:
                msg = "SecretSource(app) needs the settings class, too"
                raise ConfigurationError(msg)
            self.init_app(app, settings_cls, keys=keys, prefix=prefix)

    def init_app(self, app: Flask, settings_cls: type[S], *, keys: Keys = None, prefix: str = "") -> None:
        """Load the settings into an app, and follow them from then on. The arguments are those of the class."""
        if _NAME in app.extensions:
            msg = "this app has been initialised with a SecretSource already"
            raise ConfigurationError(msg)
        names = _config_names(settings_cls, keys, prefix)
        live = Live(settings_cls)
        app.extensions[_NAME] = _State(live, keys, prefix, names)
        app.config.update(_values(live.current, names))
        live.on_change(lambda change: _follow(app, change, names))
        app.cli.add_command(Commands("secrets", settings_class=lambda: settings_cls, help="Where settings come from."))

    @property
    def live(self) -> Live[S]:
        """The current app's live object, for `on_change` and `retry_on`."""
        return self._state().live

    @property
    def current(self) -> S:
        """The current app's settings.

        Raises:
            ResolutionError: A value may no longer be served.
        """
        return self._state().live.current

    def health(self) -> Health:
        """How the current app's settings are doing, for a readiness route."""
        return self._state().live.health()

    def readiness(self, url: str = "/ready") -> Blueprint:
        """A blueprint with one route: 200 while every value could be renewed or is still good, else 503."""
        blueprint = Blueprint("secretsource_readiness", __name__)

        @blueprint.get(url)
        def ready() -> ResponseReturnValue:
            health = self.health()
            return jsonify(ok=health.ok, stale=len(health.stale_fields)), 200 if health.ok else 503

        return blueprint

    @staticmethod
    def _state() -> _State[S]:
        state = current_app.extensions.get(_NAME)
        if state is None:
            msg = "this app has no settings: call init_app(app, settings_cls)"
            raise ConfigurationError(msg)
        return cast("_State[S]", state)


def _config_names(settings_cls: type[Settings], keys: Keys, prefix: str) -> dict[str, str]:
    """For each field its key in `app.config`."""
    fields = list(settings_cls.model_fields)
    chosen = (
        dict(keys) if isinstance(keys, Mapping) else {name: name.upper() for name in (fields if keys is None else keys)}
    )
    if unknown := sorted(set(chosen) - set(fields)):
        msg = f"keys= names {', '.join(unknown)}, which {settings_cls.__name__} does not have"
        raise ConfigurationError(msg)
    return {name: prefix + key for name, key in chosen.items()}


def _values(settings: Settings, names: Mapping[str, str]) -> dict[str, Any]:
    values = plain_fields(settings)
    return {key: values[name] for name, key in names.items()}


def _follow(app: Flask, change: Change[Any], names: Mapping[str, str]) -> None:
    """Put all new values in at once, and tell who listens."""
    values = _values(change.new, names)
    old, new = app.config.get("SECRET_KEY"), values.get("SECRET_KEY")
    if old and new and old != new and "SECRET_KEY_FALLBACKS" not in values:
        known = [key for key in app.config.get("SECRET_KEY_FALLBACKS") or () if key != new]
        values["SECRET_KEY_FALLBACKS"] = [old, *known][:_FALLBACKS_KEPT]
    app.config.update(values)
    secrets_changed.send(app, change=change)
