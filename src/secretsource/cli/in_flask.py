"""`flask secrets`, found by Flask before it makes the app: it works also where the app's settings cannot be loaded.

Flask loads this module for each of its commands, so it imports neither Flask nor a settings class.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import click

from secretsource.cli.failures import wrong
from secretsource.cli.group import Commands

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

NAME: Final = "secretsource"
"""Ours among the extensions of an app."""
HELP: Final = "Where the app's settings come from."

_asking: ContextVar[bool] = ContextVar("secretsource_asking_for_the_class", default=False)


class _Found(BaseException):
    """The class is known: an app need not be made, and no store is asked for it."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        self.settings_cls = settings_cls


def announce(settings_cls: type[BaseSettings]) -> None:
    """Say which class an app is about to load. If that is all that is wanted, the making of the app ends here."""
    if _asking.get():
        raise _Found(settings_cls)


def _class_of_the_app() -> type[BaseSettings]:
    """The settings class of the app that `flask` was told to use."""
    info: Any = click.get_current_context().find_root().obj
    token = _asking.set(True)
    try:
        app = info.load_app()
    except _Found as found:
        return found.settings_cls
    finally:
        _asking.reset(token)
    if (state := app.extensions.get(NAME)) is not None:  # it had been made before
        own: type[BaseSettings] = state.settings_cls
        return own
    raise wrong("this app has no settings of secretsource: it calls no init_app(app, settings_cls)")


secrets: Final = Commands("secrets", settings_class=_class_of_the_app, help=HELP)
