"""Which settings class a command is about, in which profile and with which chain."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from secretsource.cli.failures import current_folder, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pydantic_settings import BaseSettings

_HOW: Final = (
    "which settings class? Name it with --settings MODULE:CLASS, or as SECRETSOURCE_SETTINGS in the environment, "
    "or as settings under [tool.secretsource] in pyproject.toml"
)

F = TypeVar("F", bound="Callable[..., Any]")


class Named(NamedTuple):
    """A settings class by its name.

    Attributes:
        name: MODULE:CLASS.
        folder: The folder whose pyproject.toml names it; None: the current one.
    """

    name: str
    folder: str | None = None


class Target:
    """The settings class of one run: one object for all its contexts, so that options may stand before the command.

    Attributes:
        named: MODULE:CLASS of the option --settings.
        own_class: Hands over the class of a framework's app.
    """

    def __init__(self) -> None:
        self.named: str | None = None
        self.own_class: Callable[[], type[BaseSettings]] | None = None

    @classmethod
    def of(cls, ctx: click.Context) -> Target:
        """The target of this run."""
        target: Target = ctx.meta.setdefault(__name__, cls())
        return target

    def settings_class(self) -> type[BaseSettings]:
        """The settings class.

        Raises:
            Failed: None is named, or there is none of that name.
        """
        if (found := self.find_settings_class()) is None:
            raise wrong(_HOW)
        return found

    def find_settings_class(self) -> type[BaseSettings] | None:
        """The settings class, or None where none is named.

        Raises:
            Failed: There is none of that name.
        """
        if self.named is None and self.own_class is not None:
            return self.own_class()
        named = Named(self.named) if self.named is not None else _named_by_surroundings()
        if named is None:
            return None
        from secretsource.cli.importing import import_class

        return import_class(named)


def _named_by_surroundings() -> Named | None:
    """What the environment says, else the nearest pyproject.toml, from the current folder upward."""
    if name := os.environ.get("SECRETSOURCE_SETTINGS"):
        return Named(name)
    here = current_folder()
    files = (folder / "pyproject.toml" for folder in (here, *here.parents))
    nearest = next((file for file in files if file.is_file()), None)
    return None if nearest is None else _named_by_project(nearest)


def _named_by_project(file: Path) -> Named | None:
    import tomllib

    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
        name = tool.get("secretsource", {}).get("settings")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        fault = type(error).__name__
    else:
        return Named(str(name), str(file.parent)) if name else None
    raise wrong(f"pyproject.toml cannot be read ({fault})")


def settings_options(command: F) -> F:
    """Give a command or group the options that say which settings it is about."""
    for option in (
        click.option(
            "--chain",
            metavar='"SOURCE..."',
            callback=_for_this_run("SECRETSOURCE_CHAIN"),
            expose_value=False,
            help="Sources in place of the class's chain, separated by blanks.",
        ),
        click.option(
            "--profile",
            metavar="NAME",
            callback=_for_this_run("SECRETSOURCE_PROFILE"),
            expose_value=False,
            help="The profile, such as production.",
        ),
        click.option(
            "--settings",
            metavar="MODULE:CLASS",
            callback=_remember_name,
            expose_value=False,
            help="The settings class. Otherwise SECRETSOURCE_SETTINGS, or settings under [tool.secretsource] in the "
            "nearest pyproject.toml, names it.",
        ),
    ):
        command = option(command)
    return command


def _remember_name(ctx: click.Context, param: click.Parameter, value: str | None) -> None:  # noqa: ARG001 - click's signature
    if value is not None:
        Target.of(ctx).named = value


def _for_this_run(variable: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def set_variable(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None and not value.strip():
            raise click.BadParameter("it is empty", ctx, param)
        if value is not None:
            ctx.with_resource(changed_environment(variable, value))

    return set_variable


@contextmanager
def changed_environment(variable: str, value: str) -> Iterator[None]:
    """A variable with another value for a while."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before
