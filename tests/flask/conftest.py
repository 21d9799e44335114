"""What the tests of the Flask extension share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import secretsource.flask
from secretsource.testing import Stores
from tests.flask.shop import SHOP, stored


@pytest.fixture
def stores(secretsource: Stores) -> Stores:
    """Stores that hold a shop's secrets."""
    secretsource.set(SHOP, stored())
    return secretsource


@pytest.fixture(autouse=True)
def _close_all_apps() -> Iterator[None]:
    """No app of a test is refreshed after it."""
    yield
    for state in list(secretsource.flask._states):
        state.live.close()
