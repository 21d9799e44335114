"""`flask secrets`, found by Flask before it makes the app: it works also where the app's settings cannot be loaded.

Flask loads this module for each of its commands, so it imports neither Flask nor a settings class.
"""

from __future__ import annotations

from contextvars import ContextVar
from io import BytesIO, TextIOWrapper
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
_NOT_OURS: Final = "this app has no settings of secretsource: it calls no init_app(app, settings_cls)"

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
    from secretsource.cli.output import prints_go_to

    announced: list[type[BaseSettings]] = []
    token = _announced.set(announced)
    try:
        with prints_go_to(TextIOWrapper(BytesIO())):
            app = info.load_app()
    except (SystemExit, Exception) as error:  # noqa: BLE001 - somebody else's app may raise anything
        nearest, fault = _class_of_the_unfinished(error, announced), _told(error)
    else:
        nearest, fault = _class_of(app), wrong(_NOT_OURS)
    finally:
        _announced.reset(token)
    if nearest is None:
        raise fault  # outside the handler: the context of what click gets may hold a value
    return nearest


def _class_of(app: Flask) -> type[BaseSettings] | None:
    state = app.extensions.get(NAME)
    return None if state is None else state.settings_cls


def _told(error: BaseException) -> Exception:
    """What is to be told of an app that cannot be made."""
    from secretsource.errors import SecretSourceError

    if isinstance(error, SecretSourceError):
        return error
    if not isinstance(error, click.UsageError):
        return wrong(f"unexpected {type(error).__name__} {where(error)}: the app cannot be made")
    text, more, _ = error.format_message().partition("\n")  # of a failed import Flask has a traceback to tell
    origin = error.__context__
    return wrong(f"{text} {type(origin).__name__} {where(origin)}" if more and origin is not None else text)


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
