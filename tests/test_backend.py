"""What every driver is given to work with."""

from __future__ import annotations

import importlib
import pickle
import warnings

import pytest

from secretsource import MissingExtra
from secretsource.backend import needs_extra
from secretsource.errors import joined


def test_an_import_of_an_sdk_says_nothing_of_socks_proxies() -> None:
    """Though the one who asks Python not to, requests, has not been imported, or was not heard."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        with pytest.raises(MissingExtra), needs_extra("vault", "vault"):
            importlib.import_module("urllib3.contrib.socks")
    assert [str(warning.message) for warning in told] == []


def missing(what: str, extra: str, *package: str) -> MissingExtra:
    with pytest.raises(MissingExtra) as caught, needs_extra(what, extra, *package):
        importlib.import_module("secretsource_nowhere")
    return caught.value


def test_a_third_party_s_driver_names_its_own_package() -> None:
    """It is not secretsource that has the extra."""
    error = missing("shelf", "http", "shelf-secrets")
    assert str(error) == "shelf needs an SDK that is not installed: pip install 'shelf-secrets[http]'"
    assert error.extra == "http"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.requirements) == (str(error), error.requirements)


def test_what_is_missing_of_several_packages_is_one_command() -> None:
    """With every package once, and all the extras that are wanted of it."""
    ours = joined([missing("vault", "vault"), missing("aws-sm", "aws")])
    theirs = [missing("shelf", "http", "shelf-secrets"), missing("shelf", "aws", "shelf-secrets")]
    error = joined([ours, *theirs])
    assert isinstance(error, MissingExtra)
    assert str(error) == (
        "aws-sm, vault, shelf need SDKs that are not installed: "
        "pip install 'secretsource[aws,vault]' 'shelf-secrets[aws,http]'"
    )
    assert error.extra == "aws,http,vault"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
