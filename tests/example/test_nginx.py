"""The example's nginx.conf in a real nginx, before an upstream that tells what it was sent."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.example.front import Front, front
from tests.load import until
from tests.servers import tls
from tests.servers.loopback import LoopbackServer, Reply, Request

LIES = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Request-ID": "not-the-real-one",
    "Forwarded": "for=203.0.113.9",
}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "Set-Cookie": "a=b; Secure; HttpOnly; SameSite=Lax",
    "Strict-Transport-Security": "max-age=1",
}


class Upstream(LoopbackServer):
    """Takes everything."""

    def answer(self, request: Request) -> Reply:
        return Reply(body={"ok": True}, headers=HEADERS)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def site(upstream: Upstream, tmp_path: Path) -> Iterator[Front]:
    with front(tmp_path, f"127.0.0.1:{upstream.port}") as running:
        yield running


def ask(site: Front, path: str = "/", method: str = "GET", **options: Any) -> requests.Response:
    """One request over TLS, trusting the tests' authority."""
    return requests.request(
        method, f"{site.url}{path}", verify=tls.bundle(), timeout=20, allow_redirects=False, **options
    )


def test_it_serves_https_with_a_certificate_that_is_checked(site: Front) -> None:
    """A client that trusts the authority gets an answer, one that does not gets none."""
    assert ask(site).json() == {"ok": True}
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(site.url, timeout=20)


@pytest.mark.parametrize(
    ("version", "accepted"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)], ids=["1.1", "1.2", "1.3"]
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_tls_is_refused(site: Front, version: str, accepted: bool) -> None:
    """1.2 and newer are spoken, even to a client who would take any cipher."""
    context = ssl.create_default_context(cafile=tls.bundle())
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    name, _, port = site.host.partition(":")
    with socket.create_connection((name, int(port)), 20) as plain:
        if accepted:
            with context.wrap_socket(plain, server_hostname=name) as connection:
                assert connection.version() == version.replace("_", ".")
        else:
            with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
                context.wrap_socket(plain, server_hostname=name)


def test_plain_http_leads_to_https(site: Front, upstream: Upstream) -> None:
    """With path and query, to the site's own name whatever the client calls it; the app hears nothing of it."""
    plain = f"http://127.0.0.1:{site.plain}/login?next=/status"
    answer = requests.post(plain, data="x", headers={"Host": "evil.example"}, timeout=20, allow_redirects=False)
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"{site.url}/login?next=/status"
    assert upstream.log == []


def test_every_answer_has_the_headers_that_guard_a_browser(site: Front) -> None:
    """Once, and nginx's own errors as well; cookies and the policy for a page's content are the app's own."""
    page, error = ask(site), ask(site, "/login", "POST", data=b"x" * 20_000)
    assert error.status_code == 413
    for answer in (page, error):
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "nginx"
    for own in ("Content-Security-Policy", "Set-Cookie"):
        assert page.headers[own] == HEADERS[own]


def test_a_client_cannot_say_who_it_is(site: Front, upstream: Upstream) -> None:
    """What the app trusts is set anew, not added to; what it does not know is taken away."""
    ask(site, headers=LIES)
    seen = upstream.log[-1].headers
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == seen["host"] == site.host
    assert not {"forwarded", "x-forwarded-port"} & set(seen)
    assert re.fullmatch("[0-9a-f]{32}", seen["x-request-id"])


def test_too_many_logins_are_turned_away(site: Front, upstream: Upstream) -> None:
    """By address, whatever address the client claims; and only those who send the form are counted."""
    statuses = [
        ask(site, "/login", "POST", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(16)
    ]
    assert statuses[:11] == [200] * 11
    assert statuses[-1] == 429
    assert ask(site, "/login").status_code == 200
    assert len(upstream.log) < 17


def test_the_log_has_no_query_and_no_claimed_address(site: Front) -> None:
    """One line a request: who, when, what, the outcome, and the number by which the app's log knows it."""
    ask(site, "/page?token=not-a-real-token", headers={**LIES, "Referer": "https://localhost/?token=not-a-real-token"})
    until(lambda: site.log.read_text().endswith("\n"))  # it is written after the answer
    (line,) = site.log.read_text().splitlines()
    assert re.fullmatch(r"127\.0\.0\.1 \[\S+\] GET /page 200 \d+ \d+\.\d+s [0-9a-f]{32}", line)
