"""Every error of the library, and the outcomes that one lookup can have.

    SecretSourceError
    ├── ConfigurationError        wrong before anything is asked
    │   ├── InvalidRef            (also ValueError)
    │   ├── UnknownBackend
    │   └── MissingExtra          (also ImportError)
    ├── BackendError              one lookup's failure: .ref .outcome .hint
    │   ├── SecretNotFound        MISSING
    │   ├── InactiveSecret        INACTIVE
    │   ├── AccessDenied          DENIED
    │   ├── NotAuthenticated      UNAUTHENTICATED
    │   ├── Throttled             THROTTLED
    │   ├── Unavailable           UNAVAILABLE
    │   └── InvalidSecret         INVALID
    └── ResolutionError           a load's failure: .problems, one line each in str()

No error carries a value: not in its text, its attributes, its cause or its context.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secretsource.ref import Ref


class Outcome(Enum):
    """What one lookup came to. The set is closed, and the same for every backend."""

    FOUND = "found"
    MISSING = "missing"
    """The store says that it does not exist. The only outcome after which a chain goes on."""
    INACTIVE = "inactive"
    """It exists, but is disabled, destroyed or pending deletion."""
    DENIED = "denied"
    """We are known, but may not read it; or it is absent, and a policy hides that."""
    UNAUTHENTICATED = "unauthenticated"
    """No credentials, or a login that was refused."""
    THROTTLED = "throttled"
    """Too many requests for now."""
    UNAVAILABLE = "unavailable"
    """No usable answer: network, time-out, server error, sealed."""
    INVALID = "invalid"
    """An answer that cannot be used: not text, not JSON, too large, checksum wrong."""

    @property
    def transient(self) -> bool:
        """Whether asking again a little later may help."""
        return self in _TRANSIENT

    def __str__(self) -> str:
        return self.name


_TRANSIENT = frozenset({Outcome.THROTTLED, Outcome.UNAVAILABLE})


class SecretSourceError(Exception):
    """The root of the family: catch this one to catch them all."""


class ConfigurationError(SecretSourceError):
    """Something is wrong with the declaration, found before any store is asked."""


class InvalidRef(ConfigurationError, ValueError):
    """A ref or source that does not follow the grammar."""


class UnknownBackend(ConfigurationError):
    """A scheme that no built-in backend, plug-in or `backends=` entry answers to."""


class MissingExtra(ConfigurationError, ImportError):
    """An SDK is not installed. `.extra` names the extra that brings it; several, separated by commas.

    Args:
        what: What needs it.
        extra: The extra that brings it.
        requirements: What pip is to install, such as `shelf-secrets[http]`; by default that extra of secretsource.
    """

    def __init__(self, what: str, extra: str, *requirements: str) -> None:
        self.what, self.extra = what, extra
        self.requirements = requirements or (f"secretsource[{extra}]",)
        needs = "need SDKs that are" if "," in extra else "needs an SDK that is"
        packages = " ".join(f"'{one}'" for one in self.requirements)
        super().__init__(f"{what} {needs} not installed: pip install {packages}")

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, ...]]:
        return type(self), (self.what, self.extra, *self.requirements)


def joined(errors: Sequence[ConfigurationError]) -> ConfigurationError:
    """One error that says what all of them say, a line each; of their class, where they have one in common."""
    distinct = list({str(error): error for error in errors}.values())
    lines = dict.fromkeys(line for error in distinct for line in str(error).splitlines())
    kinds = {type(error) for error in distinct}
    if len(distinct) == 1:
        return distinct[0]
    if kinds == {MissingExtra}:
        return _one_install([error for error in distinct if isinstance(error, MissingExtra)])
    kind = kinds.pop() if len(kinds) == 1 and kinds <= {InvalidRef, UnknownBackend} else ConfigurationError
    return kind("\n".join(lines))


def _one_install(errors: Sequence[MissingExtra]) -> MissingExtra:
    """All that is missing, in one command; each package once, with all the extras that are wanted of it."""
    extras: dict[str, set[str]] = {}
    for requirement in (one for error in errors for one in error.requirements):
        package, _, wanted = requirement.rstrip("]").partition("[")
        extras.setdefault(package, set()).update(wanted.split(","))
    requirements = [f"{package}[{','.join(sorted(wanted))}]" for package, wanted in sorted(extras.items())]
    what = ", ".join(sorted({error.what for error in errors}))
    return MissingExtra(what, ",".join(sorted(set().union(*extras.values()))), *requirements)


class BackendError(SecretSourceError):
    """One lookup failed.

    Attributes:
        ref: The ref that was asked for, or None where there was none yet.
        outcome: What the lookup came to.
        hint: What to do next, in a sentence, or None.
        retry_after: Seconds that the store asked us to wait, or None.
    """

    outcome: ClassVar[Outcome]

    def __init__(
        self, message: str, *, ref: Ref | None = None, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.ref = ref
        self.hint = hint
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = f"{self.ref}: " if self.ref is not None else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.outcome}: {self.args[0]}{hint}"


class SecretNotFound(BackendError):
    """The store says that it does not exist."""

    outcome = Outcome.MISSING


class InactiveSecret(BackendError):
    """It exists, but is disabled, destroyed or pending deletion."""

    outcome = Outcome.INACTIVE


class AccessDenied(BackendError):
    """The store knows us and refuses."""

    outcome = Outcome.DENIED


class NotAuthenticated(BackendError):
    """No credentials, or a login that was refused."""

    outcome = Outcome.UNAUTHENTICATED


class Throttled(BackendError):
    """The store asks for fewer requests."""

    outcome = Outcome.THROTTLED


class Unavailable(BackendError):
    """The store did not answer, or not in time."""

    outcome = Outcome.UNAVAILABLE


class InvalidSecret(BackendError):
    """The store answered with something that cannot be used."""

    outcome = Outcome.INVALID


_ERROR_OF: dict[Outcome, type[BackendError]] = {kind.outcome: kind for kind in BackendError.__subclasses__()}


def error_for(outcome: Outcome) -> type[BackendError]:
    """The error class that stands for an outcome other than FOUND."""
    return _ERROR_OF[outcome]


class Problem:
    """One field that a load could not fill: what failed, where, and what to do next. Never a value.

    Attributes:
        field: The field's path, with dots: `database.password`.
        outcome: What the deciding lookup came to.
        ref: The ref that decided, or None where no source was asked.
        message: Why, in words.
        hint: What to do next, or None.
    """

    __slots__ = ("field", "hint", "message", "outcome", "ref")

    def __init__(self, field: str, outcome: Outcome, ref: Ref | None, message: str, hint: str | None = None) -> None:
        self.field = field
        self.outcome = outcome
        self.ref = ref
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        where = f" {self.ref}" if self.ref is not None else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.field}: {self.outcome}{where}: {self.message}{hint}"

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"


class ResolutionError(SecretSourceError):
    """A load failed. `.problems` lists every field's problem; `str()` has one line for each."""

    problems: Sequence[Problem]

    def __init__(self, problems: Iterable[Problem], *, title: str = "settings") -> None:
        self.problems = tuple(problems)
        self.title = title
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in {self.title}"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_resolution_error, (self.problems, self.title)


def _rebuild_resolution_error(problems: Sequence[Problem], title: str) -> ResolutionError:
    return ResolutionError(problems, title=title)
