"""The driver contract: all that the author of a backend has to read.

A driver is small. It asks its SDK, hands back what came, raw, and says what an error means. Chain, cache, retry,
deadline, redaction and provenance are the core's, and live once.
"""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, NoReturn

from secretsource.errors import MissingExtra, Outcome
from secretsource.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from datetime import datetime

    from secretsource.clock import Deadline
    from secretsource.ref import Ref

__all__ = [
    "DENIED_OR_HIDDEN",
    "Advice",
    "Backend",
    "Lease",
    "Leasing",
    "Outcome",
    "SecretValue",
    "Upkeep",
    "needs_extra",
    "seconds_of_retry_after",
]


DENIED_OR_HIDDEN: Final = "denied, or absent and hidden by policy"
"""What a driver says of DENIED where its store does not tell the two apart."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A promise of a store to keep a value good for a while.

    Attributes:
        id: The store's name for it.
        seconds: How long it holds, from the moment it was handed out.
        renewable: Whether the store lets it be prolonged.
    """

    id: str
    seconds: float
    renewable: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class SecretValue:
    """What a store holds under one name, with what it says about it. Its `repr` shows no value; it does not pickle.

    Attributes:
        raw: The whole secret as it came: text, bytes, or a mapping where the store itself keeps key and value pairs.
        version: The store's own name for the version that was read.
        created: When that version was made (aware datetime).
        expires: When the store says that it ends (aware datetime); it is information, and stops nothing.
        lease: The lease that came with it.
        warning: Something worth telling about a value that is good all the same ("expired on 2026-01-31").
        content_type: What the store says that the value is, such as `application/x-pem-file`.
    """

    raw: str | bytes | Mapping[str, Any]
    version: str | None = None
    created: datetime | None = None
    expires: datetime | None = None
    lease: Lease | None = None
    warning: str | None = None
    content_type: str | None = None

    def __repr__(self) -> str:
        return f"SecretValue({MASK!r}, version={self.version!r})"

    def __reduce__(self) -> NoReturn:
        msg = "a SecretValue does not pickle: the value would leave in the clear"
        raise TypeError(msg)


class Advice(NamedTuple):
    """What a driver can say about an error beyond its outcome. Never a value.

    Attributes:
        detail: What happened, in a few words of our own; it goes into the trail and into error texts.
        hint: What to do next.
        retry_after: Seconds that the store asked us to wait.
    """

    detail: str | None = None
    hint: str | None = None
    retry_after: float | None = None


class Backend(ABC):
    """A driver that speaks to one kind of store.

    Making one makes no call and imports no SDK. Its methods are called from several threads at once. Clients belong
    to one process: keep them in a `secretsource.concurrency.PerProcess`, which a forked child finds empty.
    """

    scheme: ClassVar[str]
    """The scheme of its refs, such as `aws-sm`."""
    options: ClassVar[frozenset[str]] = frozenset()
    """The options that its refs take, besides the common ones (`version`, `ttl`, `encoding`, `case`)."""
    local: ClassVar[bool] = False
    """It answers at once, from this process or machine, and needs neither cache nor thread."""
    secret: ClassVar[bool] = True
    """What it holds is secret: masked in `repr` even in a field typed `str`."""

    @abstractmethod
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        """Read whole secrets.

        Args:
            refs: Distinct refs of this scheme, without a key.
            deadline: When the answer has to be there. What takes longer is abandoned by the caller.

        Returns:
            For each ref its value, or the SDK's own error for that ref. A ref that the store says it does not have is
            not in the mapping.

        Raises:
            Exception: The SDK's own error, where it concerns all refs. No retries here: the caller does that.
        """

    @abstractmethod
    def classify(self, error: Exception) -> Outcome:
        """What an error out of `fetch_many` means. Never FOUND. What is not known is UNAVAILABLE, not MISSING."""

    def advise(self, error: Exception) -> Advice:  # noqa: ARG002 - the signature is the contract
        """What to tell the user about an error. Never a value, and no text of an SDK that may hold one."""
        return Advice()

    def identity(self, ref: Ref) -> Hashable:  # noqa: ARG002 - the signature is the contract
        """Whose answer it is: account, address, namespace, login. One cache entry serves one identity.

        It is asked on every lookup: read environment variables at most, make no call. No credential goes into it.
        """
        return ()

    def identities(self, refs: Sequence[Ref]) -> Sequence[Hashable]:
        """`identity` of each ref; to be overridden where most of the work is the same for all of a load."""
        return [self.identity(ref) for ref in refs]

    def close(self) -> None:  # noqa: B027 - a driver without clients has nothing to close
        """Let go of clients and connections. May be called twice; the backend may be used again afterwards."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Leasing(ABC):
    """What a driver adds to `Backend` where its store hands out leases that can be prolonged and given back."""

    @abstractmethod
    def renew_lease(self, ref: Ref, lease: Lease, deadline: Deadline) -> Lease:
        """Prolong a lease.

        Returns:
            The lease as it is now; its seconds count from now.

        Raises:
            Exception: It cannot be prolonged.
        """

    @abstractmethod
    def revoke_lease(self, ref: Ref, lease: Lease, deadline: Deadline) -> None:
        """Give a lease back: what came with it ends at once.

        Raises:
            Exception: The store refused, or could not be reached.
        """


class Upkeep(ABC):
    """What a driver adds to `Backend` where its login ends by itself, and can be prolonged.

    A login that can only be made anew needs none of it: that is done with the next read.
    """

    @abstractmethod
    def upkeep(self, deadline: Deadline) -> float | None:
        """Prolong the logins that are due for it. Live objects call it, after a load and when its time has come.

        Returns:
            Seconds until it wants to be called again, at the latest; None for never.

        Raises:
            Exception: It did not work; it is called again soon.
        """


@contextmanager
def needs_extra(what: str, extra: str, package: str = "secretsource") -> Iterator[None]:
    """Turn a failed SDK import into a MissingExtra that says what to install.

    >>> with needs_extra("aws-sm", "aws"):
    ...     import json

    Args:
        what: What needs the SDK.
        extra: The extra that brings it.
        package: The package that has this extra: that of the backend, where it is somebody else's.
    """
    _silence_what_requests_silences()
    try:
        yield
    except MissingExtra:
        raise
    except ImportError as error:
        raise MissingExtra(what, extra, f"{package}[{extra}]") from error


def seconds_of_retry_after(text: str, now: float) -> float | None:
    """What a header `Retry-After` asks for, which is a number of seconds or a date. None where it is neither.

    Args:
        text: The header's value.
        now: Seconds since the epoch. A date that has passed asks for no wait.

    >>> seconds_of_retry_after("7", now=0.0)
    7.0
    >>> seconds_of_retry_after("Thu, 01 Jan 1970 00:01:30 GMT", now=60.0)
    30.0
    """
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text.strip()):
        return float(text)
    from datetime import UTC
    from email.utils import parsedate_to_datetime  # which takes a while to import, and few need

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, LookupError, OverflowError):  # it is not strict about what it raises
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)  # one of the three forms that HTTP knows names no zone
    return max(0.0, aware.timestamp() - now)


def _silence_what_requests_silences() -> None:
    """Keep requests, which hvac and google-auth import, from warning that it cannot use SOCKS proxies.

    It asks for silence itself while it is imported, but what it asks is lost when another SDK, imported in another
    thread meanwhile, puts the filters back that it found.
    """
    warnings.filterwarnings("ignore", module=r"urllib3\.contrib\.socks")
