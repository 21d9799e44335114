"""One cache for all backends, per process. It knows no backend: only keys, entries and how old they are."""

from secretsource.cache.entry import Entry, Failure, Key, Reply
from secretsource.cache.memory import MemoryCache, Pending, Renew
from secretsource.cache.policy import CachePolicy
from secretsource.cache.slot import KEEPS

__all__ = ["KEEPS", "CachePolicy", "Entry", "Failure", "Key", "MemoryCache", "Pending", "Renew", "Reply"]
