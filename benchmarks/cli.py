"""The command line, each command in a new process."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness import interleaved, python, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Line

_HELLO: Final = """
import click

@click.command()
def hello():
    click.echo("hello")

hello()
"""
_SHOP: Final = """
from secretsource import Settings

class Shop(Settings):
    model_config = {"chain": ("env://", "dotenv://.env"), "env_prefix": "SHOP_"}
    name: str
    debug: bool = False
"""
_IMPORTS: Final = "import click, pydantic_settings"


def measure(runs: int) -> Iterator[Line]:
    """Beside scripts that do no more than import what they need."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("shop.py").write_text(_SHOP)
        Path(".env").write_text("SHOP_NAME=corner\n")
        Path(".env").chmod(0o600)
        os.environ["SHOP_NAME"] = "corner"
        sides = {
            "--help": _ours("--help"),
            "get env": _ours("get", "env://SHOP_NAME"),
            "get dotenv": _ours("get", "dotenv://.env#SHOP_NAME"),
            "get field": _ours("get", "name", "--settings", "shop:Shop"),
            "click hello": python("-c", _HELLO),
            "python -m dotenv get": python("-m", "dotenv", "get", "SHOP_NAME"),
            "importing click and pydantic_settings": python("-c", _IMPORTS),
        }
        times = interleaved(sides, runs)
    yield times.line("secretsource --help", "click hello", at_most=1.2, ours="--help")
    yield times.line("get env://NAME", "python -m dotenv get", at_most=1.2, ours="get env")
    yield times.line("get dotenv://.env#NAME", "python -m dotenv get", at_most=1.2, ours="get dotenv")
    yield times.line("get FIELD", "importing click and pydantic_settings", at_most=1.2, ours="get field")


def _ours(*arguments: str) -> Callable[[], Any]:
    return partial(run, [str(Path(sys.executable).parent / "secretsource"), *arguments])
