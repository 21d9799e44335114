"""Somebody with a browser, and somebody with a token."""

from __future__ import annotations

import re
from typing import Any

import requests

from tests.servers import tls

FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
_FIELD = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """Keeps cookies, fills in forms, and remembers all that it was shown.

    Attributes:
        cookies: By their names. They are sent whatever the scheme, so that gunicorn itself can be asked, too.
        shown: Every answer so far, with its headers.
    """

    def __init__(self, url: str, **headers: str) -> None:
        self.url = url
        self.cookies: dict[str, str] = {}
        self.shown: list[str] = []
        self._session = requests.Session()
        self._session.trust_env, self._session.verify = False, tls.bundle()
        self._session.headers.update({"Referer": f"{url}/", **headers})

    def get(self, path: str) -> requests.Response:
        return self._ask("GET", path)

    def post(self, path: str, **fields: object) -> requests.Response:
        """Fill in and send the form of a page."""
        found = _FIELD.search(self.get(path).text)
        return self._ask("POST", path, data={**fields, "csrf_token": found[1] if found else ""})

    def log_in(self, name: str, password: str) -> requests.Response:
        return self.post("/login", name=name, password=password)

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        self._session.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self._session.request(method, f"{self.url}{path}", timeout=30, allow_redirects=False, **options)
        self.cookies |= answer.cookies.get_dict()
        self.shown.append(f"{answer.headers}\n{answer.text}")
        return answer


def predict(url: str, token: str, **options: Any) -> requests.Response:
    """Ask the API."""
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    return requests.post(f"{url}/api/predict", json=FLOWER, headers=headers, verify=tls.bundle(), timeout=30, **options)
