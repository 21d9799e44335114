"""What importing costs, each in a new process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.harness import interleaved, note, python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Line

_OURS: Final = "from secretsource import Settings\nclass S(Settings):\n    debug: bool = False\nS()"
_THEIRS: Final = "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    debug: bool = False\nS()"
_SDKS: Final = (
    "azure",
    "boto3",
    "botocore",
    "click",
    "flask",
    "google.cloud",
    "grpc",
    "hvac",
    "keyring",
    "requests",
    "rich",
)


def measure(runs: int) -> Iterator[Line]:
    """The package by itself, and a script that has a settings class."""
    times = interleaved(
        {
            "secretsource": python("-c", "import secretsource"),
            "import pydantic_settings": python("-c", "import pydantic_settings"),
            "a class": python("-c", _OURS),
            "a BaseSettings": python("-c", _THEIRS),
        },
        runs + 4,
    )
    yield times.line("import secretsource", "import pydantic_settings", at_most=0.3)
    yield times.line("script with a Settings class", "a BaseSettings", at_most=1.1, ours="a class")
    loaded = python("-c", f"{_OURS}\nimport sys\nprint(*(name for name in {_SDKS!r} if name in sys.modules))")().split()
    yield note("SDKs and frameworks that such a script loads", ", ".join(loaded) or "none")
