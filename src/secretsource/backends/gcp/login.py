"""Application Default Credentials: found once a process, within bounds, and the headers that they give a call.

Google's search takes 3 to 14 seconds where there is nothing to be found. It runs in a thread of its own, so that a
lookup waits for it no longer than `SEARCH`; what it finds later serves the next one.
"""

from __future__ import annotations

import threading
from functools import partial
from http import HTTPStatus
from logging import ERROR
from os import environ
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secretsource.backend import needs_extra, seconds_of_retry_after
from secretsource.backends.gcp.bounds import bound
from secretsource.clock import SYSTEM_CLOCK
from secretsource.concurrency import Task
from secretsource.errors import InvalidSecret, NotAuthenticated, Throttled, Unavailable
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

_ODD: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the SDK's code raises where it meets JSON of another shape than it expects."""


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
        """The credentials' own project, if they have one. Those of a foreign identity have to ask Google for it.

        Raises:
            LoginTimeout: It takes too long.
        """
        found = self._found(deadline)
        if found.project is not None or not hasattr(found.credentials, "get_project_id"):
            return found.project
        asked = Task(partial(_ask_for_project, found))
        if not asked.wait(min(PATIENCE, deadline.remaining())):
            raise LoginTimeout
        return asked.result()

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
    """The headers of a call, with a new token if there has to be one.

    Raises:
        NotAuthenticated: A file of the login cannot be read.
        InvalidSecret: The answer to the login is none.
        google.auth.exceptions.GoogleAuthError: The SDK's own.
    """
    from google.auth.exceptions import GoogleAuthError

    headers: dict[str, str] = {}
    failure: Exception | None = None
    try:
        with quiet(*LOGGERS):
            found.credentials.before_request(found.request, "POST", url, headers)
    except GoogleAuthError:  # some are ValueErrors as well
        raise
    except OSError as error:
        failure = NotAuthenticated(f"a file of the login cannot be read ({type(error).__name__})")
    except _ODD as error:  # it may hold the answer
        failure = InvalidSecret(f"the answer to the login is not one of Google's ({type(error).__name__})")
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        failure = InvalidSecret("the answer to the login has no token in it")
    if failure:
        raise failure
    return {name.lower(): value for name, value in headers.items()}


def _ask_for_project(found: Found) -> str | None:
    credentials: Any = found.credentials
    try:
        with quiet(*LOGGERS):
            project = credentials.get_project_id(found.request)
    except (OSError, *_ODD):  # an answer that is none, or a file of the login that cannot be read
        return None
    return project if isinstance(project, str) else None


def _nobody(_under_way: Callable[[], None]) -> Found:
    from google.auth.credentials import AnonymousCredentials

    return Found(AnonymousCredentials(), None, lambda *_, **__: None)


def _search(under_way: Callable[[], None]) -> Found:
    with needs_extra("gcp-sm", "gcp"):
        import google.auth  # noqa: F401 - here, and not after the others were told that all is imported
        from google.auth.transport.requests import Request
    under_way()
    with quiet(*LOGGERS, below=ERROR):  # it warns of a project that it does not find, and nobody may want
        sender = Request()
        bound(sender.session)
        request = partial(_bounded, sender)
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
        NotAuthenticated: They are in a file that cannot be read, or makes no sense.
    """
    import google.auth
    from google.auth.credentials import with_scopes_if_required
    from google.auth.exceptions import GoogleAuthError

    fault = ""
    try:
        credentials, project = google.auth.default(request=request)  # type: ignore[arg-type] # any callable will do
        # With scopes already there, Google would be asked for the project of a foreign identity.
        return with_scopes_if_required(credentials, None, default_scopes=SCOPES), project
    except GoogleAuthError:  # some are ValueErrors as well
        raise
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, *_ODD) as error:
        fault = type(error).__name__
    hint = UNUSABLE_FILE if environ.get(FILE) else "see the file that gcloud left for this user"
    raise NotAuthenticated(f"the credentials file cannot be used ({fault})", hint=hint)


def _bounded(
    request: Callable[..., Any], url: str, method: str = "GET", *, timeout: float = PATIENCE, **options: Any
) -> Any:
    """Make one of google-auth's requests, whose own limit is two minutes.

    Raises:
        Throttled, Unavailable: A login server refuses nobody; google-auth's error would not tell that from a refusal.
    """
    response = request(url, method, timeout=min(timeout or PATIENCE, PATIENCE), **options)
    wait = seconds_of_retry_after(response.headers.get("retry-after", ""), SYSTEM_CLOCK.time())
    if method == "POST" and response.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Throttled("too many requests to the login server", retry_after=wait)
    if method == "POST" and response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"the login server had an error ({response.status})", retry_after=wait)
    return response
