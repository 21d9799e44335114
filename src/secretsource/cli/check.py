"""`secretsource check`: load everything, and tell all that is wrong. For deploy gates."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from secretsource.cli.target import Target, settings_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_settings import BaseSettings

    from secretsource.settings.explanation import Explanation


@click.command(short_help="Load everything, and tell all that is wrong.")
@click.option("--offline", is_flag=True, help="Ask no store: check the class and the refs of all its profiles.")
@settings_options
@click.pass_context
def check(ctx: click.Context, *, offline: bool) -> None:
    """Load all settings and tell what is wrong, a line for each field that has no good value.

    The exit status is 0 if all is well, 1 if a value is missing or invalid, 2 if the class or its chain is wrong,
    3 if a store failed.
    """
    from secretsource.cli.output import prints_go_to, write_lines

    with prints_go_to(sys.stderr):
        settings_cls = Target.of(ctx).settings_class()
        told = _declaration(settings_cls) if offline else _values(settings_cls)
    write_lines([told])


def _declaration(settings_cls: type[BaseSettings]) -> str:
    from secretsource.cli.offline import check_declaration

    return check_declaration(settings_cls)


def _values(settings_cls: type[BaseSettings]) -> str:
    explanation = _load(settings_cls)
    for warning in _warnings(explanation):
        click.echo(f"warning: {warning}", err=True)
    return f"ok: {explanation.settings}, profile {explanation.profile}: {_summary(explanation)}"


def _load(settings_cls: type[BaseSettings]) -> Explanation:
    from secretsource.cli.failures import counted, failed
    from secretsource.cli.whole import load_all
    from secretsource.settings.inspection import explain

    settings, problems = load_all(settings_cls)
    if settings is not None:
        return explain(settings)
    raise failed(problems, f"{counted(len(problems), 'problem')} in {settings_cls.__name__}")


def _summary(explanation: Explanation) -> str:
    from secretsource.cli.failures import counted

    counts = Counter(resolution.backend for resolution in explanation)
    defaults = counts.pop("default", 0)
    origins = [f"{count} from {backend}" for backend, count in counts.most_common()]
    by_default = [f"{defaults} by default"] if defaults else []
    return ", ".join([counted(len(explanation), "field"), *origins, *by_default])


def _warnings(explanation: Explanation) -> Iterator[str]:
    from secretsource.cli.table import warning_of

    for resolution in explanation:
        if warning := warning_of(resolution):
            yield f"{resolution.field}: {resolution.ref}: {warning}"
