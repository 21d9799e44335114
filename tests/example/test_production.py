"""The example app as it is run in production: nginx, gunicorn with preload, PostgreSQL, and a store for each secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import LiteralString

import requests

from secretsource.redaction import MASK, Values
from tests.example.client import FLOWER, Browser, predict
from tests.example.conftest import Site
from tests.example.production import APP, SOURCES
from tests.load import Load, until
from tests.servers.keyvault import DOWN

_OLDEST_LOGIN: LiteralString = "SELECT min(backend_start) FROM pg_stat_activity WHERE usename = 'iris'"
LIE = "203.0.113.7"


def words(page: str) -> str:
    """A page without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def status_rows(browser: Browser) -> dict[str, str]:
    """What the status page tells of each setting, without the marks."""
    rows = re.findall(r'<tr>\s*<th scope="row">(.*?)</tr>', browser.get("/status").text, re.DOTALL)
    return {field: rest for field, _, rest in (words(row).partition(" ") for row in rows)}


def test_the_app_knows_its_stores_by_itself() -> None:
    """The chain that is set here differs from its own in how long values are kept, and in the name of a project."""
    settings = (APP / "iris" / "settings.py").read_text()
    assert all(f'"{source}"' in settings for source in SOURCES[:-1])
    assert '"gcp-sm://iris-project"' in settings


def test_somebody_logs_in_and_predicts(site: Site) -> None:
    """All the way through: nginx, gunicorn, the session, PostgreSQL, the encrypted model."""
    browser = site.browser()
    answer = browser.log_in("viewer", site.app.viewer.password)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    name, *flags = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(flags)
    assert "Iris setosa" in browser.post("/", **FLOWER).text
    assert browser.get("/status").status_code == 403


def test_a_program_predicts_with_its_token(site: Site) -> None:
    """And is turned away without one."""
    assert predict(site.nginx.url, site.app.viewer.token).json()["species"] == "setosa"
    assert predict(site.nginx.url, "not-a-real-token").status_code == 401


def test_the_admin_sees_each_field_come_from_its_own_store(admin: Browser) -> None:
    """One store for each, and what is not secret from the environment or the class itself."""
    rows = status_rows(admin)
    assert "azure-kv://iris-vault/secret-key" in rows["secret_key"]
    assert "aws-sm://production/iris" in rows["token_pepper"]
    assert "gcp-sm://demo-project/model_key" in rows["model_key"]
    assert "vault://kv/iris" in rows["database_login.password"]
    assert "env://IRIS_DATABASE_URL" in rows["database_url"]
    assert "default Built in not in gcp-sm" in rows["model_key_previous"].replace("env, ", "")
    assert 'profile <span class="badge">production</span>' in admin.get("/status").text


def test_nobody_gets_past_the_limits_by_lying(site: Site, tmp_path: Path) -> None:
    """First the app has enough of one name, then nginx of one address; the logs have the true one."""
    refused: list[requests.Response] = []
    with site.another_nginx(tmp_path) as nginx:
        for number in range(60):
            answer = _wrong_login(site, nginx.url, f"{LIE}{number}")
            refused += [answer] if answer.status_code == 429 else []
            if refused and "X-Request-ID" not in refused[-1].headers:  # which the app's own answers have
                break
        assert len(refused) > 1
        assert "X-Request-ID" in refused[0].headers
        assert "X-Request-ID" not in refused[-1].headers
        assert LIE not in nginx.log.read_text()
    assert LIE not in site.app.log.read_text()


def _wrong_login(site: Site, url: str, claimed: str) -> requests.Response:
    browser = Browser(url, **{"X-Forwarded-For": claimed})
    site.browsers.append(browser)
    return browser.log_in("somebody", "not-a-real-password")


def test_a_store_that_is_down_shows_and_harms_nobody(site: Site, admin: Browser) -> None:
    """The last good value is served, the page says so, and all is well again by itself."""
    with site.app.azure.vault.failing("", DOWN):
        until(lambda: "serving the last good values" in admin.get("/status").text)
        assert "stale" in status_rows(admin)["secret_key"]
        assert "secret_key: UNAVAILABLE" in admin.get("/status").text
        assert predict(site.nginx.url, site.app.viewer.token).status_code == 200
    until(lambda: all("all well" in admin.get("/status").text for _ in range(10)))


def test_every_secret_rotates_under_load(site: Site, admin: Browser) -> None:
    """No request fails, sessions and tokens stay good, and no connection of the old password is left."""
    app, programs = site.app, (site.app.viewer.token, site.app.admin.token) * 2
    visitor = site.browser()
    assert visitor.log_in("viewer", app.viewer.password).status_code == 302
    predictions = [partial(predict, site.nginx.url, token) for token in programs]
    pages = [partial(admin.get, "/status"), partial(visitor.get, "/")]
    with Load(*(partial(_served, request) for request in [*predictions, *pages])) as load:
        for _ in range(3):
            load.go_on(50)
            before = app.database.run("SELECT now()")[0][0]
            app.wait_until_followed("database_login.password", app.rotate_database_password())
            app.wait_until_followed("secret_key", app.rotate_session_key())
        app.wait_until_followed("token_pepper", app.rotate_token_pepper())
        app.wait_until_followed("model_key", app.rotate_model_key())
        load.go_on(50)
        until(lambda: app.database.run(_OLDEST_LOGIN)[0][0] > before)
    assert load.failures == []
    assert "Iris setosa" in visitor.post("/", **FLOWER).text
    assert site.browser().log_in("viewer", app.viewer.password).status_code == 302


def _served(request: Callable[[], requests.Response]) -> None:
    answer = request()
    assert answer.status_code == 200, words(answer.text)


def test_no_secret_was_seen_by_anybody(site: Site) -> None:
    """Not in a page, a header or a log of all that the tests before have done; nothing had to be masked in a log."""
    logs = "\n".join(path.read_text() for path in site.app.folder.rglob("*.log"))
    pages = "\n".join(text for browser in site.browsers for text in browser.shown)
    assert "secrets changed" in logs
    assert "Status" in pages
    assert MASK not in logs
    assert Values(site.app.values).mask(logs + pages) == logs + pages
