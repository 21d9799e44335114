"""Questions, and what became of them: the vocabulary between whoever wants values and the resolver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secretsource.cache import Entry, Failure
    from secretsource.errors import Outcome
    from secretsource.ref import Ref

POINTER: Final = "ref+"


class Attempt(NamedTuple):
    """One place that was searched for one field.

    Attributes:
        ref: Where.
        outcome: What it came to.
        milliseconds: How long the store took; 0 for what was in the cache or the process.
        detail: What else there is to say, or None. Never a value.
    """

    ref: Ref
    outcome: Outcome
    milliseconds: float
    detail: str | None = None


class WholePointer(str):
    """A pointer that stands for the whole model that a leaf is in.

    Attributes:
        depth: How many names of the leaf's path lead to that model.
    """

    __slots__ = ("depth",)

    depth: int

    @classmethod
    def at(cls, depth: int, text: str) -> WholePointer:
        """The pointer that the model at that depth has in its place."""
        pointer = cls(text)
        pointer.depth = depth
        return pointer


class Verbatim(str):
    """Text that begins as a pointer does, and is none."""

    __slots__ = ()


class Names(Protocol):
    """A source that goes by a field's names instead of a ref: the environment, or a `.env`."""

    def find(self, path: tuple[str, ...]) -> tuple[Ref, object]:
        """Where the leaf is or would be, and its value or ABSENT.

        Raises:
            InvalidSecret: There is something, and it cannot be read.
        """


class Step(NamedTuple):
    """One place to look: a ref with the keys that may hold the value, or a source that goes by names.

    Attributes:
        ref: Where.
        keys: The keys inside the secret that may hold the value, first choice first; empty for the whole secret.
        model: For a leaf of a nested model: the key of the model's value, empty for the whole secret.
        below: For each name that leads from there to the leaf, the keys that may stand for it.
        judged: For how many of the last names the models around may take something else than an object.
        names: The name of a source that goes by names, see `Access.names`.
    """

    ref: Ref
    keys: tuple[str, ...] = ()
    model: str | None = None
    below: tuple[tuple[str, ...], ...] = ()
    judged: int = 0
    names: str | None = None


@dataclass(slots=True, eq=False)
class Question:
    """One value that is wanted.

    Attributes:
        path: The leaf's path.
        steps: Where to look, in order.
        accept: Makes what was found fit the field; raises InvalidSecret where it cannot.
        below: For each name of the path after the first, the keys that may stand for it in a model's value.
        judged: See `Step`.
    """

    path: tuple[str, ...]
    steps: Sequence[Step]
    accept: Callable[[object], object] = lambda value: value
    below: tuple[tuple[str, ...], ...] = ()
    judged: int = 0
    # how far it has got
    position: int = 0
    pointed: Step | None = None
    trail: list[Attempt] = field(default_factory=list)
    setback: Failure | None = None
    setback_ref: Ref | None = None
    answer: Answer | None = None

    @property
    def step(self) -> Step | None:
        """Where to look now, or None when there is nowhere left."""
        return self.place if self.pointed is not None or self.position < len(self.steps) else None

    @property
    def place(self) -> Step:
        """Where to look now; only while there is somewhere left."""
        return self.pointed or self.steps[self.position]

    def forget_value(self) -> None:
        """Let go of the value, once it is where it belongs."""
        if self.answer is not None:
            self.answer.value = None

    def advance(self) -> None:
        """Go on to the next place."""
        self.pointed = None
        self.position += 1


@dataclass(slots=True, repr=False, eq=False)
class Answer:
    """What a question came to.

    Attributes:
        outcome: FOUND, MISSING (every place said so), or what stopped it.
        value: What was found.
        ref: The ref that answered or failed.
        entry: The cache's entry that it came from, where it came from a store.
        cached: Whether the store was not asked for it this time.
        detail: Why it failed.
        hint: What to do next.
        setback: A failure that was passed over on the way (`on_denied="next"`, `on_unavailable="next"`).
        stale: Why this is not the newest value, where a newer one could not be had.
    """

    outcome: Outcome
    value: object = None
    ref: Ref | None = None
    entry: Entry | None = None
    cached: bool = False
    detail: str | None = None
    hint: str | None = None
    setback: Failure | None = None
    setback_ref: Ref | None = None
    stale: Failure | None = None
