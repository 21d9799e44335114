"""`flask secrets`, found by Flask before it makes the app: it works also where the app's settings cannot be loaded.

Flask loads this module for each of its commands, so it imports neither Flask nor a settings class.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from contextvars import ContextVar
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from secretsource.cli.failures import where, wrong
from secretsource.cli.group import Commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask
    from pydantic_settings import BaseSettings

NAME: Final = "secretsource"
"""Ours among the extensions of an app."""
HELP: Final = "Where the app's settings come from."

_announced: ContextVar[list[type[BaseSettings]] | None] = ContextVar("secretsource_announced_classes", default=None)


class _Announced(NamedTuple):
    """What an app has of us where nothing but its class is wanted."""

    settings_cls: type[BaseSettings]


def checked(settings_cls: Any) -> type[Any]:
    """The class that an app is given, if it is one that can be followed."""
    from secretsource.errors import ConfigurationError
    from secretsource.settings import Settings

    if isinstance(settings_cls, type) and issubclass(settings_cls, Settings):
        return settings_cls
    name = getattr(settings_cls, "__name__", f"an object of {type(settings_cls).__name__}")  # which may hold a value
    given = "nothing" if settings_cls is None else name
    raise ConfigurationError(f"init_app(app, settings_cls) takes a settings class, derived from Settings, not {given}")


def announce(app: Flask, settings_cls: type[BaseSettings]) -> bool:
    """Say which class an app is about to load; True if that is all that is wanted, so that no store is asked."""
    if (announced := _announced.get()) is None:
        return False
    announced.append(settings_cls)
    app.extensions[NAME] = _Announced(settings_cls)
    return True


def _class_of_the_app() -> type[BaseSettings]:
    """The settings class of the app that `flask` was told to use."""
    info: Any = click.get_current_context().find_root().obj
    if NAME not in info.data:  # modules that have been imported would announce nothing the second time
        info.data[NAME] = _found_in_the_making(info)
    found: type[BaseSettings] = info.data[NAME]
    return found


def _found_in_the_making(info: Any) -> type[BaseSettings]:
    """Make the app, but without its settings, and see which class it would load."""
    announced: list[type[BaseSettings]] = []
    token = _announced.set(announced)
    try:
        with redirect_stdout(StringIO()):  # stdout is for values
            app = info.load_app()
    except (SystemExit, Exception) as error:
        if (nearest := _class_of_the_unfinished(error, announced)) is None:
            raise
        return nearest
    finally:
        _announced.reset(token)
    if (state := app.extensions.get(NAME)) is None:
        raise wrong("this app has no settings of secretsource: it calls no init_app(app, settings_cls)")
    own: type[BaseSettings] = state.settings_cls
    return own


def _class_of_the_unfinished(
    error: BaseException, announced: Sequence[type[BaseSettings]]
) -> type[BaseSettings] | None:
    """The class of an app whose making has failed, as it may without its settings: that which was announced last.

    An app that loads its settings before it announces them has failed of these. None where the error says more.
    """
    if _is_about_the_app_itself(error):
        return None
    failed = _class_that_failed(error)
    *others, nearest = [failed, *announced]
    if nearest is not None and {*others} - {nearest, None}:
        place = f"{type(error).__name__} {where(error)}"
        told = f"this is about {nearest.__name__}, as the app could not be made whole ({place})"
        click.echo(f"warning: {told}; --settings names another class", err=True)
    return nearest


def _is_about_the_app_itself(error: BaseException) -> bool:
    """Whether there is no such app, or its declaration is wrong. Flask tells of what cannot be imported likewise."""
    from secretsource.errors import ConfigurationError

    no_app = isinstance(error, click.UsageError) and not isinstance(error.__context__, ImportError)
    return no_app or isinstance(error, ConfigurationError)


def _class_that_failed(error: BaseException) -> type[BaseSettings] | None:
    """The settings class whose load has raised an error, if one has."""
    from traceback import walk_tb

    from secretsource.settings import Settings

    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code is Settings.__init__.__code__:
            return type(frame.f_locals["__pydantic_self__"])
    return None


secrets: Final = Commands("secrets", settings_class=_class_of_the_app, help=HELP)
