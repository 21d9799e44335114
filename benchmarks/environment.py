"""Every field in the environment, with a store further down in the chain."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from benchmarks.aws import served
from benchmarks.harness import count, interleaved, python
from benchmarks.shapes import settings_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Line

_FIELDS: Final = 20
_MANY: Final = 1000
_CHAIN: Final = ("env://", "vault://kv/shop", "aws-sm://shop/{name}", "azure-kv://shop", "gcp-sm://shop")
_SDKS: Final = {"azure", "boto3", "botocore", "google.cloud", "grpc", "hvac"}
_LOADED: Final = f"""
import sys
from benchmarks.shapes import settings_class
settings_class({_FIELDS}, chain={_CHAIN!r})()
print(*{_SDKS!r} & sys.modules.keys())
"""


def measure(runs: int) -> Iterator[Line]:
    """No store is asked, and it costs what the environment alone costs."""
    from pydantic_settings import BaseSettings

    os.environ.update(_variables(_FIELDS))
    with served(latency=0) as proxy:
        settings_class(_FIELDS, chain=_CHAIN)()
        yield count(f"requests, {_FIELDS} fields in the environment", proxy.requests, 0)
    yield count("SDKs imported for them", len(python("-c", _LOADED)().split()), 0)
    for fields in (_FIELDS, _MANY):
        os.environ.update(_variables(fields))
        ours, theirs = settings_class(fields, chain=_CHAIN), settings_class(fields, base=BaseSettings)
        repeat = _MANY // fields
        times = interleaved({"secretsource": _loads(ours, repeat), "BaseSettings": _loads(theirs, repeat)}, runs)
        yield times.line(f"{fields:,} fields in the environment", "BaseSettings", at_most=1.2, each=repeat)


def _variables(fields: int) -> dict[str, str]:
    return {f"F{number}": "value" for number in range(fields)}


def _loads(settings_cls: type, repeat: int) -> Callable[[], object]:
    return lambda: [settings_cls() for _ in range(repeat)]
