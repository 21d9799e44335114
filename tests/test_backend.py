"""What every driver is given to work with."""

from __future__ import annotations

import importlib
import warnings

import pytest

from secretsource import MissingExtra
from secretsource.backend import needs_extra


def test_an_import_of_an_sdk_says_nothing_of_socks_proxies() -> None:
    """Though the one who asks Python not to, requests, has not been imported, or was not heard."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        with pytest.raises(MissingExtra), needs_extra("vault", "vault"):
            importlib.import_module("urllib3.contrib.socks")
    assert [str(warning.message) for warning in told] == []
