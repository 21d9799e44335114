"""The table from errors to outcomes is whole."""

from __future__ import annotations

import inspect
import ssl

import hvac.exceptions
import pytest
import urllib3.exceptions

from secretsource.backend import Outcome
from secretsource.backends.vault import VaultBackend
from secretsource.backends.vault.outcomes import OUTCOMES
from secretsource.errors import InactiveSecret


def errors_of(module: object, root: type[Exception]) -> list[type[Exception]]:
    classes = [kind for _, kind in inspect.getmembers(module, inspect.isclass)]
    return [kind for kind in classes if issubclass(kind, root)]


@pytest.mark.parametrize("kind", errors_of(hvac.exceptions, hvac.exceptions.VaultError))
def test_each_error_of_hvac_has_an_outcome_of_its_own(kind: type[Exception]) -> None:
    """One that a new hvac adds fails here, not in production. UnexpectedError goes by its status."""
    assert kind in OUTCOMES or kind is hvac.exceptions.UnexpectedError


def test_each_error_of_urllib3_that_can_come_has_an_outcome() -> None:
    """None is MISSING, and all but what is wrong with an answer or an address is UNAVAILABLE."""
    outcomes = {kind.__name__: outcome(kind) for kind in errors_of(urllib3.exceptions, urllib3.exceptions.HTTPError)}
    invalid = {name for name, one in outcomes.items() if one is Outcome.INVALID}
    assert set(outcomes.values()) == {Outcome.INVALID, Outcome.UNAVAILABLE}
    assert invalid == {
        "DecodeError",
        "LocationParseError",
        "LocationValueError",
        "ProxySchemeUnknown",
        "URLSchemeUnknown",
    }


def outcome(kind: type[Exception]) -> Outcome:
    return VaultBackend({}).classify(kind.__new__(kind))


@pytest.mark.parametrize("error", [ssl.SSLError(), ConnectionResetError(), TimeoutError(), RuntimeError("?")])
def test_what_is_not_known_is_unavailable(error: Exception) -> None:
    """Python's own network errors, and those that nobody thought of."""
    assert VaultBackend({}).classify(error) is Outcome.UNAVAILABLE


def test_our_own_errors_mean_what_they_say() -> None:
    """And what they say is handed on."""
    error = InactiveSecret("version 1 was destroyed", hint="write a new one")
    vault = VaultBackend({})
    assert vault.classify(error) is Outcome.INACTIVE
    assert (vault.advise(error).detail, vault.advise(error).hint) == ("version 1 was destroyed", "write a new one")
