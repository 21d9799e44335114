"""The life of a token: one login for all threads, renewed in time, made anew when it has ended."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized, VaultError
from urllib3.exceptions import HTTPError

from secretsource.backends.vault.fields import Fields
from secretsource.backends.vault.login import Credentials, Grant, log_in
from secretsource.backends.vault.wire import LoginAdapter, Sender
from secretsource.errors import InvalidSecret, NotAuthenticated, SecretSourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secretsource.backends.vault.wire import Wire
    from secretsource.clock import Deadline

HOLD_SECONDS: Final = 30.0
"""After a refused login nobody tries again for so long: a login storm locks accounts."""
_RENEW_AT: Final = 2 / 3
_ASK_AFTER: Final = 1.0  # seconds; a process that loads once and ends need not know how long its token holds
_CANNOT_ASK: Final = frozenset({400, 404, 405})  # how a gateway answers that hides the question
_WORTH_LEASING: Final = 1 / 2  # of the first term: a lease that is issued to an older token would end too soon
_TOO_LITTLE: Final = 1 / 3  # of the first term: a renewal that gives less has met the token's maximum
_POLICY_SPEAKS: Final = "1 error occurred"  # how a refusal by policy begins; that of a dead token mostly does not


class Keeper:
    """Keeps one identity's token."""

    def __init__(self, wire: Wire, namespace: str | None, credentials: Credentials) -> None:
        self._wire = wire
        self._namespace = namespace
        self._credentials = credentials
        self._lock = threading.Lock()
        self._grant: Grant | None = None
        self._term = 0.0
        self._known = self._renewable = False
        self._renew_at = self._ends_at = self._former_end = self._alive_at = self._held_until = -math.inf
        self._first: Deadline | None = None  # the load that began with a token whose end nobody has told
        self._refused = ""
        self._logins = 0  # that have ended
        self._failure: Exception | None = None  # of the last of them
        self._can_tell = True

    def token(self, deadline: Deadline, *, lasting: bool = False) -> str | None:
        """A token that holds, as far as is known; None where an agent keeps it.

        Args:
            deadline: When to be done.
            lasting: It is for a lease, which ends with it: one that will end soon is prolonged, or else replaced.

        Raises:
            NotAuthenticated: There is no credential, or the login was refused.
            Exception: hvac's or urllib3's, where no answer came to a login.
        """
        grant, seen = self._grant, self._logins
        if grant is None or (deadline.clock.monotonic() >= self._renew_at and deadline is not self._first):
            with self._turn(deadline):
                if self._grant is None and self._failure is not None and self._logins > seen:
                    raise self._failure.with_traceback(None)  # of the login that this thread has been waiting for
                grant = self._tended(deadline)
        if lasting and self._fades(deadline):
            with self._turn(deadline):
                grant = self._lasting(deadline)
        return grant.token

    def remaining(self, token: str | None, deadline: Deadline) -> float:
        """Seconds until a token ends if nobody prolongs it; infinite where nobody can tell."""
        grant = self._grant
        if grant is not None and grant.token != token:
            return self._former_end - deadline.clock.monotonic()
        if token is not None and not self._known:
            with self._turn(deadline), suppress(VaultError, HTTPError, InvalidSecret):
                self._look_up(token, deadline)
        return self._ends_at - deadline.clock.monotonic()

    def upkeep(self, deadline: Deadline) -> float | None:
        """Renew the token if it is time.

        Returns:
            Seconds until it will be; None where it cannot be renewed: a new login comes with the next read.

        Raises:
            Exception: As `token`.
        """
        if self._grant is None or (self._known and not self._renewable):
            return None
        if deadline.clock.monotonic() >= self._renew_at:
            with self._turn(deadline):
                self._tended(deadline)
        return None if self._renew_at == math.inf else max(0.0, self._renew_at - deadline.clock.monotonic())

    def _fades(self, deadline: Deadline) -> bool:
        """Whether the token ends soon, and something can be done about it."""
        left = self._ends_at - deadline.clock.monotonic()
        return left < self._term * _WORTH_LEASING and (self._renewable or not self._credentials.given)

    def _lasting(self, deadline: Deadline) -> Grant:
        grant = self._tended(deadline)
        if self._renewable and self._fades(deadline):
            self._renew(grant, deadline)
        if self._fades(deadline) and not self._credentials.given:
            with suppress(SecretSourceError, VaultError, HTTPError, OSError):
                return self._log_in(deadline)
            self._grant = grant  # it is of use as long as it lasts
        return grant

    def replace(self, refused: str | None, error: VaultError, sent: float, deadline: Deadline) -> bool:
        """Get a new token in place of one that a server refused.

        Args:
            refused: The token; None where none was sent.
            error: What the server said.
            sent: When it was asked. A token that was looked up since then, and held, is not to blame.
            deadline: When to be done.

        Returns:
            Whether there is another token now. False means that this one holds: what it asked for is denied.

        Raises:
            NotAuthenticated: It has ended, and there is no other.
        """
        with self._turn(deadline):
            if self._grant is None or self._grant.token != refused:
                return True  # another thread was here first
            if _policy_speaks(error) if refused is None else not self._has_ended(refused, sent, deadline):
                return False
            self._log_in(deadline)
            if not self._credentials.given:
                self._can_tell = self._look_up(str(self._grant.token), deadline)
            return True

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.remaining()):
            msg = "the login takes too long"
            raise TimeoutError(msg)
        try:
            yield
        finally:
            self._lock.release()

    def _tended(self, deadline: Deadline) -> Grant:
        now = deadline.clock.monotonic()
        if self._grant is None or (now >= self._ends_at and not self._credentials.given):
            return self._log_in(deadline)
        if now >= self._ends_at:
            self._renew_at = math.inf  # the server has the last word on a token that was handed to us
        elif now >= self._renew_at:
            self._renew(self._grant, deadline)
        return self._grant

    def _log_in(self, deadline: Deadline) -> Grant:
        self._failure = None
        try:
            return self._new_grant(deadline)
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._logins += 1

    def _new_grant(self, deadline: Deadline) -> Grant:
        now = deadline.clock.monotonic()
        if now < self._held_until:
            raise NotAuthenticated(self._refused, hint=f"no new try for {self._held_until - now:.0f} s")
        before, self._grant = self._grant, None
        client = hvac.Client(url=self._wire.addr, token="", adapter=self._adapter(deadline))
        refusal = ""
        try:
            grant = log_in(self._credentials, client)
        except (InvalidRequest, InvalidPath, Forbidden, Unauthorized) as error:
            refusal = f"the {self._credentials.method} login was refused ({vars(error)['status']})"
        if before is not None and not refusal and grant.token == before.token:
            refusal = "the token has ended or was revoked" if grant.token else "no token, and the server wants one"
        if refusal:
            self._refused, self._held_until = refusal, now + HOLD_SECONDS
            raise NotAuthenticated(refusal, hint=self._hint())
        self._take(grant, deadline)
        return grant

    def _adapter(self, deadline: Deadline) -> Any:
        return lambda **_: LoginAdapter(self._wire, self._namespace, deadline)

    def _hint(self) -> str:
        method, mount = self._credentials.method, self._credentials.mount
        if self._credentials.given:
            return "set VAULT_TOKEN, or VAULT_AUTH_METHOD with what it needs"
        return f"see the credentials of the method {method} at auth/{mount}/, and VAULT_NAMESPACE"

    def _take(self, grant: Grant, deadline: Deadline) -> None:
        now = deadline.clock.monotonic()
        self._grant = grant
        self._first = deadline if grant.seconds is None else None
        self._alive_at, self._term, self._former_end = -math.inf, 0.0, self._ends_at
        self._known = self._renewable = False
        if grant.seconds is None:
            self._ends_at, self._renew_at = math.inf, now + _ASK_AFTER if grant.token else math.inf
        else:
            self._schedule(grant.seconds, now, renewable=grant.renewable)

    def _schedule(self, seconds: float, now: float, *, renewable: bool) -> None:
        """Note when a token ends, and when to see to it. Zero seconds mean never."""
        self._known, self._term = True, self._term or seconds
        self._ends_at = now + seconds if seconds > 0 else math.inf
        self._renewable = renewable and 0 < seconds > self._term * _TOO_LITTLE
        self._renew_at = now + seconds * _RENEW_AT if self._renewable else self._ends_at

    def _renew(self, grant: Grant, deadline: Deadline) -> None:
        """Prolong the token, or find out how long it holds. Where that fails, it is used while it lasts."""
        now = deadline.clock.monotonic()
        self._renew_at = now + max((self._ends_at - now) * _RENEW_AT, _ASK_AFTER)  # the next try, should this one fail
        with suppress(VaultError, HTTPError, InvalidSecret):
            if grant.seconds is None and self._term == 0:
                self._look_up(str(grant.token), deadline)
                return
            sender = Sender(grant.token, self._namespace)
            answer = self._wire.ask("POST", "auth/token/renew-self", sender, deadline, body={})
            auth = Fields.inside(answer, "auth", "the answer to the renewal")
            self._schedule(auth.seconds("lease_duration"), now, renewable=auth.flag("renewable"))

    def _has_ended(self, token: str, sent: float, deadline: Deadline) -> bool:
        if deadline.clock.monotonic() >= self._ends_at:
            return True
        if sent <= self._alive_at or not self._can_tell:
            return False
        return not self._look_up(token, deadline)

    def _look_up(self, token: str, deadline: Deadline) -> bool:
        """Whether a token holds, as the server has it; and until when. Where it cannot be asked, the token holds."""
        now = deadline.clock.monotonic()
        answer: dict[str, Any] | None = None
        try:
            answer = self._wire.ask("GET", "auth/token/lookup-self", Sender(token, self._namespace), deadline)
        except (Forbidden, Unauthorized) as error:
            return self._credentials.given and _policy_speaks(error)
        except VaultError as error:
            if vars(error)["status"] not in _CANNOT_ASK:
                raise
        if answer is not None:
            data = Fields.inside(answer, "data", "the answer about the token")
            seconds, renewable = data.seconds("ttl"), data.flag("renewable")
            if self._term == 0:
                self._schedule(seconds, now, renewable=renewable)
        self._alive_at = now
        return True


def _policy_speaks(error: VaultError) -> bool:
    return any(text.startswith(_POLICY_SPEAKS) for text in error.errors or ())
