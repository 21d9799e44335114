"""The example's pages in Chromium, light and dark, on a phone and on a desk."""

from __future__ import annotations

from typing import get_args

from tests.example.chromium import WIDTHS, Scheme, chromium, visit
from tests.example.conftest import Site


def test_the_pages_look_right_everywhere(site: Site) -> None:
    """Nothing is too wide or too pale, nothing is asked of anybody else, and the browser has nothing to say."""
    with chromium() as browser:
        with visit(browser, "desktop", "light") as first:
            first.log_in(site.nginx.url, "admin", site.app.admin.password)
            assert first.page.url == f"{site.nginx.url}/"
            cookies = first.page.context.storage_state()
        for width in WIDTHS:
            for scheme in get_args(Scheme):
                with visit(browser, width, scheme, cookies) as admin, visit(browser, width, scheme) as stranger:
                    for somebody, path in ((admin, "/status"), (admin, "/"), (stranger, "/login"), (stranger, "/no")):
                        somebody.page.goto(f"{site.nginx.url}{path}")
                        assert somebody.too_wide() == []
                        assert somebody.too_pale() == []
                    assert admin.complaints == []
                    assert admin.hosts | stranger.hosts == {site.nginx.host}


def test_the_status_page_has_no_value_and_all_that_is_told_of_each(site: Site) -> None:
    """As the browser shows it, a value is eight dots."""
    with chromium() as browser, visit(browser, "phone", "light") as admin:
        admin.log_in(site.nginx.url, "admin", site.app.admin.password)
        admin.page.click("text=Status")
        rows = admin.page.locator(".listing tbody tr")
        assert rows.count() == admin.page.locator(".mask").count() > 5
        key = rows.filter(has_text="secret_key").inner_text()
        assert all(text in key for text in ("••••••••", "found", "Azure Key Vault", "azure-kv://iris-vault/", "ago"))
