"""Remake docs/images from the example app as it is in production: `python -m scripts.screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import get_args

from tests.example.chromium import WIDTHS, Scheme, chromium, visit
from tests.example.front import front
from tests.example.production import production

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nginx").mkdir()
        with (
            production(folder) as app,
            front(folder / "nginx", app.url.removeprefix("http://")) as site,
            chromium() as browser,
        ):
            for width in WIDTHS:
                for scheme in get_args(Scheme):
                    with visit(browser, width, scheme) as admin:
                        admin.log_in(site.url, "admin", app.admin.password)
                        admin.page.goto(f"{site.url}/status")
                        admin.page.screenshot(
                            path=IMAGES / f"status-{width}-{scheme}.png", full_page=width == "desktop"
                        )
    print(f"Remade {IMAGES.relative_to(Path.cwd())}.")


if __name__ == "__main__":
    main()
