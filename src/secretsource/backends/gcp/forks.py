"""gRPC and forks: gRPC's C core does not outlive a fork.

A child that opens a channel of its own may hang, fail or crash, depending on gRPC's release and its environment. One
that was forked in the midst of a call may hang before it gets anywhere. So a fork waits for reads to end, and in the
child the default is REST, which needs nothing of gRPC. The parent's channel is left alone, by both: to close it just
before a fork can hang the fork.
"""

from __future__ import annotations

import os
import sys

_forked_from_grpc = False


def forked_from_grpc() -> bool:
    """Whether this process was forked from one that had gRPC loaded, by us or by anybody."""
    return _forked_from_grpc


def _after_fork() -> None:
    global _forked_from_grpc  # noqa: PLW0603 - a fact about this process
    _forked_from_grpc = "grpc" in sys.modules


os.register_at_fork(after_in_child=_after_fork)
