"""The group that the commands are in: `secretsource` itself, or what a framework puts them under."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from secretsource.cli.failures import EXIT_INTERRUPTED, EXIT_USAGE, report, show_warning, unwritable
from secretsource.cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic_settings import BaseSettings

_LOOKS_LIKE: Final = 0.6
COMMANDS: Final = {
    "get": "secretsource.cli.get:get",
    "explain": "secretsource.cli.explain:explain",
    "check": "secretsource.cli.check:check",
}


class Commands(click.Group):
    """The commands, each imported when it is asked for. What goes wrong is a line on stderr and an exit status.

    Args:
        name: The group's name.
        settings_class: Hands over the settings class where no option names one, for a framework whose app has one.
        attrs: What `click.Group` takes.
    """

    def __init__(
        self, name: str, *, settings_class: Callable[[], type[BaseSettings]] | None = None, **attrs: Any
    ) -> None:
        super().__init__(name, **attrs)
        self._settings_class = settings_class

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, in the order in which they are told of."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first; where there is none, offer the nearest."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            from secretsource.ref import did_you_mean

            ctx.fail(f"there is no command {args[0]!r}{did_you_mean(args[0], self.list_commands(ctx), _LOOKS_LIKE)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        import logging

        Target.of(ctx).own_class = self._settings_class
        logging.getLogger("secretsource").addHandler(logging.NullHandler())  # else warnings go to stderr, unasked
        return report(lambda: super(Commands, self).invoke(ctx))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's signature
        **extra: Any,
    ) -> Any:
        """Run as a program: end with an exit status, and tell of wrong usage in one line."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        warnings.showwarning = show_warning
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.UsageError as error:
            _end_with_usage(error)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(EXIT_INTERRUPTED)
        except OSError as error:  # of the help, which click writes by itself
            unwritable(error).show()
            sys.exit(EXIT_USAGE)
        sys.exit(status if isinstance(status, int) else 0)


def _end_with_usage(error: click.UsageError) -> NoReturn:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # its message is the whole help
        error.show()
        sys.exit(EXIT_USAGE)
    path = error.ctx.command_path if error.ctx is not None else "secretsource"
    text = error.format_message().replace("\n", " ").removesuffix(".")
    click.echo(f"{path}: {text} (see {path} --help)", err=True)
    sys.exit(EXIT_USAGE)
