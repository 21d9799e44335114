"""Settings that follow rotation: whole snapshots, renewed ahead of their end by one thread per process."""

from secretsource.live.live import Live
from secretsource.live.report import Change, Health

__all__ = ["Change", "Health", "Live"]
