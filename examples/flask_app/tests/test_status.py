"""The status page: where each setting comes from, what is wrong, and never a value."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from iris import status
from iris.extensions import secrets

from secretsource import Outcome, ResolutionError
from secretsource.testing import Stores

KEY = "azure-kv://iris-vault/secret-key"


def test_only_an_admin_may_see_it(browser: FlaskClient, viewer: FlaskClient) -> None:
    """A stranger is led to the login, a viewer is refused."""
    assert browser.get("/status").location == "/login"
    assert viewer.get("/status").status_code == HTTPStatus.FORBIDDEN


def test_it_tells_where_each_setting_comes_from(admin: FlaskClient) -> None:
    """The store by its name, the ref, and a mask in the place of the value."""
    page = admin.get("/status").text
    for text in ("production", KEY, "Azure Key Vault", "all well", "••••••••", "not in env"):
        assert text in page
    assert "not-a-real-" not in page


def test_it_tells_what_is_stale(stores: Stores, app: Flask, admin: FlaskClient) -> None:
    """While a store is down, the last good value is served."""
    stores.fail(KEY, Outcome.UNAVAILABLE)
    with app.app_context():
        secrets.live.refresh(force=True)
    page = admin.get("/status").text
    assert "serving the last good values" in page
    assert '<span class="badge warn">stale</span>' in page
    assert "secret_key: UNAVAILABLE" in page


def test_it_tells_what_may_not_be_used(stores: Stores, app: Flask, admin: FlaskClient) -> None:
    """There is no table then, but there are the problems."""
    stores.fail(KEY, Outcome.DENIED)
    with app.app_context(), pytest.raises(ResolutionError):
        secrets.live.refresh(force=True)
    page = admin.get("/status").text
    for text in ("Settings that may not be used now", KEY, "denied", "not served"):
        assert text in page
    assert "<table" not in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (5, "5 s ago"), (-240, "in 4 min"), (7_200, "2 h ago"), (-260_000, "in 3 d")],
    ids=["now", "seconds", "minutes", "hours", "days"],
)
def test_times_are_told_from_now(seconds: float, text: str) -> None:
    """In their largest fitting unit."""
    assert status.ago(datetime.now(UTC) - timedelta(seconds=seconds)) == text
