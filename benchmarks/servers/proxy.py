"""A proxy that lets every round trip take 20 ms, and counts what passes."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.servers.child import Child, obey
from tests.servers.faultproxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTLED: Final = 0.05  # seconds until both ends have heard that a connection is gone


class Proxy(Child):
    """The proxy, as a context manager.

    Attributes:
        address: Where it listens, `host:port`.
    """

    def __init__(self, upstream: str, latency: float) -> None:
        super().__init__("benchmarks.servers.proxy", upstream, str(latency))
        self.address: str = self.said

    @property
    def requests(self) -> int:
        """How many requests it has passed on."""
        return int(self.order("requests"))

    def drop(self) -> None:
        """Cut all connections, so that the next request needs a new one."""
        self.order("drop")
        time.sleep(_SETTLED)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Meanwhile every request is answered with a reset."""
        self.order("break")
        try:
            yield
        finally:
            self.order("mend")


def main() -> None:
    """Proxy for the upstream and with the latency (seconds) that the arguments say."""
    with FaultProxy(sys.argv[1], float(sys.argv[2])) as proxy, ExitStack() as faults:
        orders = {
            "requests": lambda: proxy.requests,
            "drop": proxy.kill_connections,
            "break": lambda: faults.enter_context(proxy.fault("reset")),
            "mend": faults.close,
        }
        obey(proxy.listen, orders)


if __name__ == "__main__":
    main()
