"""`memory://anything`: values kept in this process, for tests. It takes the same way through the core as a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from secretsource.backend import Advice, Backend, Outcome, SecretValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secretsource.clock import Deadline
    from secretsource.ref import Ref


class MemoryFailure(Exception):
    """Raised for a location that was told to fail."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(f"told to be {outcome}")


class _Contents:
    """What a memory store holds. Every change is one step, so that threads need no lock."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[str, str | bytes]] = {}  # location -> version -> value, the newest last
        self.failures: dict[str, Outcome] = {}
        self.calls: list[tuple[str, ...]] = []


_SHARED = _Contents()


class MemoryBackend(Backend):
    """A store in memory. Its `repr` shows no value.

    Args:
        values: What it holds at first, by location. Without it, all such backends of the process share one store:
            what a test sets is what `memory://` refs find.
    """

    scheme = "memory"

    def __init__(self, values: Mapping[str, str | bytes] | None = None) -> None:
        self._contents = _SHARED if values is None else _Contents()
        for location, value in (values or {}).items():
            self.set(location, value)

    def __reduce__(self) -> NoReturn:
        msg = "a MemoryBackend does not pickle: its values would leave in the clear"
        raise TypeError(msg)

    @property
    def calls(self) -> Sequence[tuple[str, ...]]:
        """Every call so far: the locations that it asked for."""
        return tuple(self._contents.calls)

    def set(self, location: str, value: str | bytes, version: str | None = None) -> str:
        """Keep a value as the newest version.

        Args:
            location: Where.
            value: What.
            version: Its name; by default the versions are counted from "1".

        Returns:
            The version.
        """
        versions = self._contents.versions.get(location, {})
        version = version or str(len(versions) + 1)
        older = {name: kept for name, kept in versions.items() if name != version}
        self._contents.versions[location] = {**older, version: value}
        return version

    def delete(self, location: str) -> None:
        """Forget a location with all its versions. It need not be there."""
        self._contents.versions.pop(location, None)

    def fail(self, location: str, outcome: Outcome) -> None:
        """Answer so for a location from now on; FOUND ends that."""
        if outcome is Outcome.FOUND:
            self._contents.failures.pop(location, None)
        else:
            self._contents.failures[location] = outcome

    def clear(self) -> None:
        """Forget all values, failures and calls."""
        self._contents.versions.clear()
        self._contents.failures.clear()
        self._contents.calls.clear()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:  # noqa: ARG002 - it is there at once
        """Look all of them up, in one call."""
        if refs:
            self._contents.calls.append(tuple(ref.location for ref in refs))
        answers = {ref: self._look_up(ref.location, ref.options.get("version")) for ref in refs}
        return {ref: answer for ref, answer in answers.items() if answer is not None}

    def _look_up(self, location: str, version: str | None) -> SecretValue | Exception | None:
        if location in self._contents.failures:
            return MemoryFailure(self._contents.failures[location])
        versions = self._contents.versions.get(location, {})
        asked = version or next(reversed(versions), None)
        return SecretValue(versions[asked], version=asked) if asked in versions else None

    def classify(self, error: Exception) -> Outcome:
        """What the location was told to be."""
        return error.outcome if isinstance(error, MemoryFailure) else Outcome.UNAVAILABLE

    def advise(self, error: Exception) -> Advice:
        """That it was told to."""
        return Advice(str(error)) if isinstance(error, MemoryFailure) else Advice()
