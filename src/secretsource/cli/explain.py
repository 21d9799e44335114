"""`secretsource explain`: where each value comes from. Never a value."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from secretsource.cli.target import Target, settings_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretsource.settings.explanation import Explanation, Resolution


@click.command(short_help="Show where each value comes from.")
@click.argument("names", nargs=-1, metavar="[FIELD-OR-REF]...")
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", help="How to show it.")
@settings_options
@click.pass_context
def explain(ctx: click.Context, names: Sequence[str], style: str) -> None:
    """Show where the value of each field comes from, without showing it.

    For fields and refs that are named, nothing else is asked for, and everything that was tried is shown too.
    Whether a value fits its field is for check to tell.
    """
    from secretsource.cli.failures import exit_status
    from secretsource.cli.output import prints_go_to, write_lines
    from secretsource.cli.table import has_failed

    with prints_go_to(sys.stderr):
        explanation = _explanation(names, Target.of(ctx))
    if style == "json":
        import json

        write_lines([json.dumps(explanation.to_dict(), indent=2, ensure_ascii=False)])
    else:
        _print(explanation, with_trails=bool(names))
    ctx.exit(max((exit_status(resolution.outcome) for resolution in explanation if has_failed(resolution)), default=0))


def _explanation(names: Sequence[str], target: Target) -> Explanation:
    if not names:
        from secretsource.settings.inspection import explain as explain_class

        return explain_class(target.settings_class())
    from secretsource.settings.explanation import Explanation

    refs = [name for name in names if "://" in name]
    fields = [name for name in names if "://" not in name]
    resolutions: list[Resolution] = []
    settings = profile = ""
    if fields:
        from secretsource.cli.fields import explanation_of

        explanation = explanation_of(target.settings_class(), fields)
        settings, profile = explanation.settings, explanation.profile
        resolutions += explanation
    if refs:
        from secretsource.cli.refs import resolutions_of

        resolutions += resolutions_of(refs, target)
    return Explanation(settings, profile, resolutions)


def _print(explanation: Explanation, *, with_trails: bool) -> None:
    from secretsource.cli.output import room, write_lines
    from secretsource.cli.table import table, trail

    if explanation.settings:
        write_lines([f"{explanation.settings}, profile {explanation.profile}"])
    write_lines(table(list(explanation), room()))
    if with_trails:
        for resolution in (resolution for resolution in explanation if len(resolution.trail) > 1):
            write_lines(["", resolution.field, *trail(resolution, room())])
