"""The command line: `secretsource get|explain|check`.

What a command needs beyond click is imported when it runs, so that `--help` and `get REF` start fast.
"""

from __future__ import annotations

import click

from secretsource import __version__
from secretsource.cli.group import Commands
from secretsource.cli.target import settings_options

__all__ = ["main"]

main = Commands(
    name="secretsource",
    help="Tell where each setting of an application comes from, and get it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
settings_options(main)
click.version_option(__version__, "-V", "--version", prog_name="secretsource")(main)
