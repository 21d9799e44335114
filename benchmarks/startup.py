"""From the start of the process to 20 secrets of AWS in hand, validated, at 20 ms a round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.aws import served
from benchmarks.harness import interleaved, python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Line

_FIELDS: Final = "".join(f"    f{number}: str\n" for number in range(20))
_OURS: Final = f"""
from secretsource import Settings

class Shop(Settings):
    model_config = {{"chain": ("aws-sm://bench/{{name}}",)}}
{_FIELDS}
assert "bench/f19" in Shop().f19
"""
_BY_HAND: Final = f"""
import boto3
from pydantic import BaseModel

class Shop(BaseModel):
{_FIELDS}
answer = boto3.client("secretsmanager").batch_get_secret_value(SecretIdList=[f"bench/f{{n}}" for n in range(20)])
shop = Shop(**{{item["Name"].removeprefix("bench/"): item["SecretString"] for item in answer["SecretValues"]}})
assert "bench/f19" in shop.f19
"""


def measure(runs: int) -> Iterator[Line]:
    """Beside a script with pydantic and boto3, which knows that all are in one batch."""
    with served():
        sides = {"secretsource": python("-c", _OURS), "pydantic and boto3 by hand": python("-c", _BY_HAND)}
        times = interleaved(sides, runs)
    yield times.line("process start to 20 AWS secrets", "pydantic and boto3 by hand", at_most=1.05)
