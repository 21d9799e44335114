"""`secretsource get`: values, and nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from secretsource.cli.target import Target, settings_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretsource.errors import Problem


@click.command(short_help="Print values.")
@click.argument("names", nargs=-1, required=True, metavar="FIELD-OR-REF...")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="json: one object.")
@settings_options
@click.pass_context
def get(ctx: click.Context, names: Sequence[str], style: str) -> None:
    """Print the values of fields and refs, each with a newline, and nothing else.

    A field is named by its path, such as secret_key or database.password; the name of a nested model stands for all
    of it, as JSON. The value is the one that the application would get. Nothing but what is named is asked for,
    unless a validator may look at more: one of the class, or one of the field that takes info. Then everything is
    loaded. If one of several cannot be had, none is printed.
    """
    from secretsource.cli.output import as_json, as_output, prints_go_to, write

    with prints_go_to(sys.stderr):
        values, problems = _read(names, Target.of(ctx))
    if problems:
        from secretsource.cli.failures import failed

        raise failed(problems)
    if style == "json":
        write(as_json({name: values[name] for name in names}))
        return
    for name in names:
        write(as_output(values[name]))


def _read(names: Sequence[str], target: Target) -> tuple[dict[str, object], Sequence[Problem]]:
    """All values at once, and all problems. For refs alone neither a settings class nor pydantic is imported."""
    refs = [name for name in names if "://" in name]
    fields = [name for name in names if "://" not in name]
    values: dict[str, object] = {}
    problems: list[Problem] = []
    if fields:
        from secretsource.cli.revealed import revealed
        from secretsource.cli.whole import read_fields

        found, failed = read_fields(target.settings_class(), fields)
        values |= {name: revealed(value) for name, value in found.items()}
        problems += failed
    if refs:
        from secretsource.cli.refs import read

        found, failed = read(refs, target)
        values |= found
        problems += failed
    return values, problems
