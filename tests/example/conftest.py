"""The example app in production, started once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.example.client import Browser
from tests.example.front import Front, front
from tests.example.production import Production, production


@dataclass
class Site:
    """The app behind nginx.

    Attributes:
        browsers: All that were used: what they were shown is what anybody saw.
    """

    app: Production
    nginx: Front
    browsers: list[Browser] = field(default_factory=list)

    def browser(self) -> Browser:
        """A new one, logged in nowhere."""
        self.browsers.append(Browser(self.nginx.url))
        return self.browsers[-1]

    @contextmanager
    def another_nginx(self, folder: Path) -> Iterator[Front]:
        """One more before the same app, which has counted nobody's logins yet."""
        with front(folder, self.app.url.removeprefix("http://")) as running:
            yield running


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole of it: nginx, gunicorn with two workers, PostgreSQL, four stores that are asked each second."""
    folder = tmp_path_factory.mktemp("production")
    (folder / "nginx").mkdir()
    with production(folder, ttl=1) as app, front(folder / "nginx", app.url.removeprefix("http://")) as nginx:
        yield Site(app, nginx)


@pytest.fixture(scope="package")
def admin(site: Site) -> Browser:
    """The admin, logged in."""
    browser = site.browser()
    assert browser.log_in("admin", site.app.admin.password).status_code == 302
    return browser
