"""The example app's pages in a real browser: what it draws, asks for and complains about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

Scheme = Literal["light", "dark"]
WIDTHS = {"phone": (390, 844), "desktop": (1280, 800)}

_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1 || element.scrollWidth > innerWidth)
    .map(element => element.outerHTML.slice(0, 100))"""
# The contrast of WCAG 2.2 (1.4.3), of every element with text of its own against the nearest background.
_TOO_PALE = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => numbers(colour).slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const opaque = element => (numbers(getComputedStyle(element).backgroundColor)[3] ?? 1) > 0;
    const behind = element => !element || opaque(element) ? element : behind(element.parentElement);
    const contrast = element => {
        const pair = [getComputedStyle(element).color, getComputedStyle(behind(element)).backgroundColor].map(light);
        return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    };
    const written = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    return [...document.querySelectorAll("body *")]
        .filter(element => written(element) && element.checkVisibility() && contrast(element) < 4.5)
        .map(element => `${contrast(element).toFixed(2)} ${element.outerHTML.slice(0, 100)}`);
}"""


@dataclass
class Visit:
    """Somebody with a browser of one width and one colour scheme.

    Attributes:
        page: The page that is open.
        complaints: What the browser wrote into its console, and what could not be loaded.
        hosts: Where it has sent requests to.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # by us, who went on to another page
            self.complaints.append(f"{request.failure}: {request.url}")

    def log_in(self, url: str, name: str, password: str) -> None:
        """Fill in the form."""
        self.page.goto(f"{url}/login")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", password)
        self.page.click("main button")

    def too_wide(self) -> list[str]:
        """What does not fit into the window."""
        return list(self.page.evaluate(_TOO_WIDE))

    def too_pale(self) -> list[str]:
        """Text that does not stand out."""
        return list(self.page.evaluate(_TOO_PALE))


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError("chromium is not installed: scripts/system-packages chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, width: str, scheme: Scheme, cookies: Any = None) -> Iterator[Visit]:
    """A visit with nothing from others but the cookies that are given (`page.context.storage_state()`).

    The certificate is not checked: its authority is not one of the system's.
    """
    across, down = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": across, "height": down}, color_scheme=scheme, storage_state=cookies, ignore_https_errors=True
    )
    try:
        yield Visit(context.new_page())
    finally:
        context.close()
