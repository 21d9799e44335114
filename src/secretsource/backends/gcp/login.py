"""Application Default Credentials: found once a process, within bounds, and the headers that they give a call.

Google's search takes 3 to 14 seconds where there is nothing to be found. It runs in a thread of its own, so that a
lookup waits for it no longer than `SEARCH`; what it finds later serves the next one.
"""

from __future__ import annotations

import threading
from functools import partial
from http import HTTPStatus
from os import environ
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secretsource.backend import needs_extra, seconds_of_retry_after
from secretsource.clock import SYSTEM_CLOCK
from secretsource.concurrency import Task
from secretsource.errors import NotAuthenticated, Throttled
from secretsource.redaction import quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.auth.credentials import Credentials

    from secretsource.clock import Clock, Deadline

SEARCH: Final = 4.0
"""Seconds that a lookup waits for credentials: a little more than it takes where the metadata server refuses."""
PATIENCE: Final = 3.0
"""Seconds that a lookup waits for a token, and a login for one answer."""
HOLD: Final = 5.0
"""Seconds for which a search that found nothing is not repeated."""
UNIVERSE: Final = "GOOGLE_CLOUD_UNIVERSE_DOMAIN"
"""The variable by which Google's SDKs are told another domain than googleapis.com."""
LOGGERS: Final = ("google", "grpc", "urllib3", "requests")
"""They may log values and tokens at DEBUG."""
FILE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
UNUSABLE_FILE: Final = f"the file that {FILE} names cannot be used: is it there, readable, and what Google gave out?"
SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)


class LoginTimeout(Exception):
    """Credentials or a token did not come in time."""


class Found(NamedTuple):
    """What a search found: credentials, their own project, and how they reach Google."""

    credentials: Credentials
    project: str | None
    request: Callable[..., Any]


class Login:
    """One search for credentials, begun when this is made; and the tokens of what it finds."""

    def __init__(self, clock: Clock, *, anonymous: bool) -> None:
        self._clock = clock
        self._find = _nobody if anonymous else _search
        self._failed: float | None = None
        self._began = clock.monotonic()
        self._under_way = threading.Event()
        self._search = Task(self._look)
        self._lock = threading.Lock()
        self._token: Task[dict[str, str]] | None = None

    def _look(self) -> Found:
        try:
            return self._find(self._under_way.set)
        except Exception:
            self._failed = self._clock.monotonic()
            raise
        finally:
            self._under_way.set()

    def wait_until_under_way(self, deadline: Deadline) -> None:
        """Come back when the search has what it needs of Python: more imports meanwhile would only hold it up."""
        self._under_way.wait(min(SEARCH, deadline.remaining()))

    @property
    def over(self) -> bool:
        """Whether the search found nothing, and long enough ago to try again."""
        return self._failed is not None and self._clock.monotonic() - self._failed >= HOLD

    def project(self, deadline: Deadline) -> str | None:
        """The credentials' own project, if they have one."""
        return self._found(deadline).project

    def headers(self, url: str, deadline: Deadline) -> dict[str, str]:
        """The headers of a call to this address: the token, and who pays.

        Raises:
            google.auth.exceptions.GoogleAuthError: There are no credentials, or they give no token.
            LoginTimeout: It takes too long.
        """
        found = self._found(deadline)
        if not found.credentials.valid:
            self._get_token(found, url, deadline)
        return _headers(found, url)

    def _found(self, deadline: Deadline) -> Found:
        patience = max(0.0, self._began + SEARCH - self._clock.monotonic())
        if not self._search.wait(min(patience, deadline.remaining())):
            raise LoginTimeout
        return self._search.result()

    def _get_token(self, found: Found, url: str, deadline: Deadline) -> None:
        """Get a token, and what else the credentials need first. Who comes meanwhile waits for the same one."""
        with self._lock:
            token = self._token
            if token is None or token.wait(0):
                token = self._token = Task(partial(_headers, found, url))
        if not token.wait(min(PATIENCE, deadline.remaining())):
            raise LoginTimeout
        token.result()


def _headers(found: Found, url: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    with quiet(*LOGGERS):
        found.credentials.before_request(found.request, "POST", url, headers)
    return {name.lower(): value for name, value in headers.items()}


def _nobody(_under_way: Callable[[], None]) -> Found:
    from google.auth.credentials import AnonymousCredentials

    return Found(AnonymousCredentials(), None, lambda *_, **__: None)


def _search(under_way: Callable[[], None]) -> Found:
    with needs_extra("gcp-sm", "gcp"):
        import google.auth  # noqa: F401 - here, and not after the others were told that all is imported
        from google.auth.transport.requests import Request
    under_way()
    with quiet(*LOGGERS):
        request = partial(_bounded, Request())
        credentials: Any
        credentials, project = _default(request)
        if hasattr(credentials, "with_always_use_jwt_access"):  # a key of one's own signs its own token, as in the SDK
            credentials = credentials.with_always_use_jwt_access(always_use_jwt_access=True)
        if type(credentials).__module__.startswith("google.auth.compute_engine"):
            # What is asked does not depend on it, and the metadata server would be asked for it once more.
            credentials = credentials.with_universe_domain(environ.get(UNIVERSE) or "googleapis.com")
    return Found(credentials, project, request)


def _default(request: Callable[..., Any]) -> tuple[Any, str | None]:
    """What Google's own search finds: credentials, and their project.

    Raises:
        NotAuthenticated: They are in a file that cannot be read.
    """
    import google.auth

    fault = ""
    try:
        return google.auth.default(default_scopes=SCOPES, request=request)  # type: ignore[arg-type] # any callable will do
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        fault = type(error).__name__
    hint = UNUSABLE_FILE if environ.get(FILE) else "see the file that gcloud left for this user"
    raise NotAuthenticated(f"the credentials file cannot be read ({fault})", hint=hint)


def _bounded(
    request: Callable[..., Any], url: str, method: str = "GET", *, timeout: float = PATIENCE, **options: Any
) -> Any:
    """Make one of google-auth's requests, whose own limit is two minutes.

    Raises:
        Throttled: A login server wants fewer of them; google-auth's error would not tell that from a refusal.
    """
    response = request(url, method, timeout=min(timeout or PATIENCE, PATIENCE), **options)
    if method == "POST" and response.status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = seconds_of_retry_after(response.headers.get("retry-after", ""), SYSTEM_CLOCK.time())
        raise Throttled("too many requests to the login server", retry_after=wait)
    return response
