"""The guide to Django: its lines in a new project, under gunicorn, on a real Vault and a real database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides import SECRET, Account, Shop, Site, put_down, python, serving, shop_in, until
from tests.servers.openbao import OpenBao
from tests.servers.postgres import Postgres

DJANGO_OWN = """
DATABASES["default"].update(HOST="127.0.0.1", PORT={port}, NAME="postgres")
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
"""
DJANGO_URLS = """
import os
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def home(request):
    request.session["count"] = request.session.get("count", 0) + 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (user,) = cursor.fetchone()
    keys = ",".join(key[-1] for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
    return HttpResponse(f"{request.session['count']} {user} {os.getpid()} {keys}")

urlpatterns = [path("", home)]
"""


@pytest.fixture
def shop(openbao: OpenBao) -> Shop:
    """Version 1 of the shop's secret."""
    return shop_in(openbao)


class Visitor:
    """Somebody with a session.

    Attributes:
        count: How many visits the session has.
        keys: The signing keys of each process at the last visit.
    """

    def __init__(self, site: Site, user: str) -> None:
        self.site, self.user = site, user
        self.cookie, self.count = "", 0
        self.keys: dict[str, str] = {}

    def visit(self) -> None:
        """Once more: the session goes on, and the database lets the app in."""
        status, text, headers = self.site.get("/", Cookie=self.cookie)
        self.cookie, self.count = headers["Set-Cookie"].partition(";")[0], self.count + 1
        count, user, process, keys = text.split()
        assert (status, count, user) == (200, str(self.count), self.user)
        self.keys[process] = keys

    def sees(self, keys: str) -> bool:
        """Whether both processes have these keys now."""
        self.visit()
        return list(self.keys.values()) == [keys] * 2


@pytest.fixture
def django_project(tmp_path: Path) -> Path:
    """A new project, with what the guide adds to it."""
    assert python(tmp_path, "-m", "django", "startproject", "mysite", ".").returncode == 0
    put_down("django", tmp_path)
    return tmp_path


def test_the_test_of_the_guide_to_django_passes(django_project: Path) -> None:
    """Under Django's own runner."""
    done = python(django_project, "manage.py", "test", "--settings", "mysite.settings_for_tests")
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


def test_django_follows_passwords_and_keys_under_gunicorn(shop: Shop, postgres: Postgres, django_project: Path) -> None:
    """Loaded before the fork, in both workers; no request fails, and the session outlives every step of the guide."""
    account = Account(postgres, shop)
    with (django_project / "mysite" / "settings.py").open("a", encoding="utf-8") as file:
        file.write(DJANGO_OWN.format(port=postgres.port))
    (django_project / "mysite" / "urls.py").write_text(DJANGO_URLS, encoding="utf-8")
    gunicorn = ("-m", "gunicorn", "--bind=127.0.0.1:{port}", "--workers=2", "--preload", "--no-control-socket")
    with serving(django_project, [*gunicorn, "mysite.wsgi"], shop.environ) as site:
        visitor = Visitor(site, account.user)
        until(lambda: visitor.sees("1"))
        account.rotate()
        for key, fallbacks in ("1", "2"), ("2", "1"), ("2", ""):
            names = [f"{SECRET}key-{number}" for number in fallbacks]
            shop.put(int(key), secret_key_fallbacks=names, database=account.login)
            until(lambda: visitor.sees(",".join([key, *fallbacks])))  # noqa: B023 - called at once
        assert SECRET not in site.log.read_text(encoding="utf-8")


def test_a_command_can_do_without_a_store(django_project: Path) -> None:
    """With made-up values in its environment, as while an image is built."""
    login = {"SHOP_DATABASE__USERNAME": "", "SHOP_DATABASE__PASSWORD": "", "SHOP_BROKER_PASSWORD": ""}
    made_up = {"SHOP_SECRET_KEY": "made up", "SECRETSOURCE_CHAIN": "env://", **login}
    done = python(django_project, "manage.py", "check", environ=made_up)
    assert done.returncode == 0, done.stderr


def test_django_does_not_start_on_settings_that_fail(shop: Shop, django_project: Path) -> None:
    """It says why, without a value."""
    token = shop.vault.token_for('path "secret/data/other" { capabilities = ["read"] }')
    done = python(django_project, "manage.py", "check", environ={**shop.environ, "VAULT_TOKEN": token})
    assert done.returncode == 1
    assert "secret_key: DENIED" in done.stderr
    assert SECRET not in done.stderr + done.stdout
