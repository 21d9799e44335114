"""The application that the tests run under gunicorn: it follows one secret, and reads one that is its worker's own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import secretsource
from secretsource import CachePolicy, Live, Settings, SettingsConfigDict

TTL = float(os.environ["TTL"])


class App(Settings):
    """What all workers follow."""

    model_config = SettingsConfigDict(chain=("vault://secret/gunicorn-shared",), cache=CachePolicy(ttl=TTL))
    username: str
    password: str


live = Live(App)  # with --preload, in the process that forks the workers


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """`/current` tells the worker, what it follows, and when it read that; `/read/N` how many of N reads were wrong."""
    _, what, *number = environ["PATH_INFO"].split("/")
    worker = os.environ["WORKER"]
    if what == "current":
        before, current, after = time.monotonic(), live.current, time.monotonic()
        answer: object = [worker, current.username, current.password, before, after]
    else:
        answer = [worker, *_reads(worker, int(number[0]))]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def _reads(worker: str, number: int) -> tuple[int, int]:
    """How many of so many reads were made, and how many gave what is not this worker's own."""
    ref = f"vault://secret/gunicorn-{worker}?ttl=0#value"
    wrong = sum(secretsource.get(ref) != f"value-of-{worker}" for _ in range(number))
    return number, wrong
