"""One cache for all backends, per process. It knows no backend: only keys, entries and how old they are."""

from secretsource.cache.memory import Entry, Failure, Key, MemoryCache, Pending
from secretsource.cache.policy import CachePolicy

__all__ = ["CachePolicy", "Entry", "Failure", "Key", "MemoryCache", "Pending"]
