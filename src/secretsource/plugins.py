"""Third parties' backends: found by their scheme alone, so that no other plug-in is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

ENTRY_POINTS: Final = "secretsource.backends"


def plug_ins(scheme: str) -> Sequence[EntryPoint]:
    """What is installed for a scheme; nothing of it is imported."""
    from importlib.metadata import entry_points  # takes a while to import, and few need it

    return list(entry_points(group=ENTRY_POINTS, name=scheme))
