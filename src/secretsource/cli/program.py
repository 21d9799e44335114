"""The program `secretsource`."""

from __future__ import annotations

import click

from secretsource import __version__
from secretsource.cli.group import Commands
from secretsource.cli.target import settings_options


@click.group("secretsource", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@settings_options
@click.version_option(__version__, "-V", "--version", prog_name="secretsource")
def main() -> None:
    """Tell where each setting of an application comes from, and get it."""
