"""Fields that come from a `.env` file."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.harness import interleaved
from benchmarks.shapes import settings_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Line

_PREFIX: Final = "SHOP_"
_DOUBLE: Final = 2.3


def measure(runs: int) -> Iterator[Line]:
    """Beside pydantic-settings' quicker way, and twice as much of everything."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        yield from _beside_pydantic_settings(runs)
        yield from _beside_decouple(runs)
        yield from _doubled(runs)


def _write(fields: int, *, foreign: int = 0, empty: int = 0) -> str:
    """A `.env`, by its relative name."""
    lines = [f"{_PREFIX}F{number}=value number {number}" for number in range(fields)]
    lines += [f"OTHER_{number}=value number {number}" for number in range(foreign)]
    lines += [f"# comment number {number}" for number in range(empty)]
    name = f"{fields}-{foreign}-{empty}.env"
    Path(name).write_text("\n".join(lines) + "\n")
    Path(name).chmod(0o600)
    return name


def _ours(fields: int, **lines: int) -> type:
    return settings_class(fields, chain=(f"dotenv://{_write(fields, **lines)}",), env_prefix=_PREFIX)


def _beside_pydantic_settings(runs: int) -> Iterator[Line]:
    from pydantic_settings import BaseSettings

    config = {"env_file": _write(1000), "env_prefix": _PREFIX, "extra": "ignore"}
    sides = {
        "secretsource": _ours(1000),
        "pydantic-settings, only_existing": settings_class(
            1000, base=BaseSettings, dotenv_filtering="only_existing", **config
        ),
    }
    times = interleaved(sides, runs)
    yield times.line("1,000 fields with a prefix", "pydantic-settings, only_existing", at_most=0.4)
    default = settings_class(1000, base=BaseSettings, **config)
    times |= interleaved({"pydantic-settings": default}, 1)
    yield times.line("1,000 fields with a prefix", "pydantic-settings")


def _beside_decouple(runs: int) -> Iterator[Line]:
    from decouple import Config, RepositoryEnv
    from dotenv import dotenv_values

    path = _write(1000)

    def decouple() -> object:
        config = Config(RepositoryEnv(path))
        return [config(f"{_PREFIX}F{number}") for number in range(1000)]

    sides: dict[str, Callable[[], object]] = {
        "secretsource": _ours(1000),
        "python-dotenv, no class": partial(dotenv_values, path),
        "python-decouple, no class": decouple,
    }
    times = interleaved(sides, runs)
    yield times.line("1,000 fields with a prefix", "python-dotenv, no class")
    yield times.line("1,000 fields with a prefix", "python-decouple, no class")


def _doubled(runs: int) -> Iterator[Line]:
    once = "half as much"
    for what, half, whole in (
        ("2,000 fields", _ours(1000), _ours(2000)),
        ("10 fields and 4,000 comments", _ours(10, empty=2000), _ours(10, empty=4000)),
        ("10 fields and 4,000 lines of others", _ours(10, foreign=2000), _ours(10, foreign=4000)),
    ):
        yield interleaved({"secretsource": whole, once: half}, runs).line(what, once, at_most=_DOUBLE)
