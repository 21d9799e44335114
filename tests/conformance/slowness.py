"""Stores that keep a driver waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.awsfront import AwsFront, Call
from tests.servers.loopback import LoopbackServer, Reply


@contextmanager
def slow(server: LoopbackServer, seconds: float) -> Iterator[None]:
    """While inside, a server takes so long for every answer."""
    server.latency = seconds
    yield
    server.latency = 0.0


@contextmanager
def slow_for(front: AwsFront, where: str, seconds: float) -> Iterator[None]:
    """While inside, AWS takes so long for this secret or parameter."""
    over = threading.Event()

    def answer(call: Call) -> Reply:
        over.wait(seconds)
        return front.forward(call)

    with front.answering(where, answer):
        yield
    over.set()
