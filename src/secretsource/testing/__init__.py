"""What tests need.

`override` and the pytest fixture `secretsource` put a test's own values in the place of all stores;
`BackendConformance` is the suite that every backend passes.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secretsource.testing.conformance import BackendConformance
    from secretsource.testing.harness import Ability
    from secretsource.testing.stores import Stores, override

__all__ = ["Ability", "BackendConformance", "Stores", "override"]

if (pytest := sys.modules.get("pytest")) is not None:  # so that a failed assertion of the suite shows what it compared
    pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("conformance", "calls", "harness")))


def __getattr__(name: str) -> object:
    """Import the suite when it is asked for: it needs pytest, which a program under test may not have."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    home = "stores" if name in ("Stores", "override") else "conformance"
    return getattr(import_module(f"{__name__}.{home}"), name)
