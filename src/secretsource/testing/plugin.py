"""The pytest plugin: the fixture `secretsource`. Loaded with the package; it imports nothing before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secretsource.testing.stores import Stores


@pytest.fixture
def secretsource() -> Iterator[Stores]:
    """Stores of the test's own: `set(ref, value)`, `fail(ref, outcome)`, `rotate(ref, value)`, `clock`.

    No real backend is called while it is used; variables of the environment are what they are.
    """
    from secretsource.testing.stores import stores

    with stores() as fake:
        yield fake
