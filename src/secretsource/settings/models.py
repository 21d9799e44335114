"""What a nested model's value is beside its leaves: that it is there, and keys that belong to no field (`extra=`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secretsource.errors import Outcome
from secretsource.question import Question
from secretsource.resolver import resolve
from secretsource.settings.annotations import fields_of, nested_model
from secretsource.source import every_case

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pydantic_settings import BaseSettings

    from secretsource.access import Access
    from secretsource.clock import Deadline
    from secretsource.question import Answer, Step
    from secretsource.settings.leaves import Leaf

Path = tuple[str, ...]

FILE_SUFFIX: Final = "_FILE"
"""`X_FILE` names a file that holds the value of X."""


class NestedModel(NamedTuple):
    """A model that is taken apart.

    Attributes:
        leaf: Stands for its value as a whole.
        known: The keys that belong to its fields: their names, also in other cases, and those of their files.
        takes_extras: Whether it matters to it what else there is: it takes it, or refuses it.
    """

    leaf: Leaf
    known: frozenset[str]
    takes_extras: bool


class Beside(NamedTuple):
    """A part of a model's value that no leaf stands for.

    Attributes:
        leaf: Where it belongs.
        answer: What was found there.
    """

    leaf: Leaf
    answer: Answer


def nested_models(settings_cls: type[BaseSettings], leaves: Iterable[Leaf]) -> Sequence[NestedModel]:
    """The models of a class that are taken apart, the outer ones first."""
    below: dict[Path, list[Leaf]] = {}
    for leaf in leaves:
        for depth in range(1, len(leaf.path)):
            below.setdefault(leaf.path[:depth], []).append(leaf)
    return [_nested_model(settings_cls, path, below[path]) for path in sorted(below, key=len)]


def _nested_model(settings_cls: type[BaseSettings], path: Path, leaves: Sequence[Leaf]) -> NestedModel:
    depth, one = len(path), leaves[0]
    whole = one._replace(
        path=path,
        places=one.places[:depth],
        keys=one.keys[:depth],
        steering=tuple(item for item in one.steering if item[0] <= depth),
        kind="json",
        strict=not _judges_itself(one, depth),
    )
    keys = {key for leaf in leaves for key in leaf.keys[depth]}
    first = {key.partition("/")[0] for key in keys}
    files = {key + suffix for key in first for suffix in (FILE_SUFFIX, FILE_SUFFIX.lower())}
    known = frozenset(keys | first | files | {form for key in first for form in every_case(key)})
    return NestedModel(whole, known, _config_of(settings_cls, path).get("extra") in ("allow", "forbid"))


def _judges_itself(leaf: Leaf, depth: int) -> bool:
    """Whether the model at that depth, or one around it, has a validator that may take anything."""
    return leaf.judged_from is not None and depth >= leaf.judged_from


def _config_of(settings_cls: type[BaseSettings], path: Path) -> Mapping[str, Any]:
    model: Any = settings_cls
    for name in path:
        model = nested_model(fields_of(model)[name])
    return getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", None) or {}


def find_beside(
    models: Iterable[tuple[NestedModel, Sequence[Step]]], found: Collection[Path], access: Access, deadline: Deadline
) -> list[Beside]:
    """What is beside the leaves in all that was read for them, the earlier source winning. No store is asked.

    Args:
        models: The models, each with the places to look.
        found: The paths of the leaves that were found.
        access: How they were.
        deadline: That of the load.
    """
    as_read = replace(access, closed=True)
    beside: dict[Path, Beside] = {}
    for model, steps in models:
        path = model.leaf.path
        has_leaves = any(leaf[: len(path)] == path for leaf in found)
        if has_leaves and not model.takes_extras:
            continue
        for answer in _values(model.leaf, steps, as_read, deadline):
            for part in (*(() if has_leaves else _itself(model, answer)), *_extras(model, answer)):
                beside.setdefault(part.leaf.path, part)
    return list(beside.values())


def _itself(model: NestedModel, answer: Answer) -> Iterator[Beside]:
    """That it is there, though none of its leaves is, unless they were refused from there; all of what is no object."""
    value: Any = answer.value
    if not isinstance(value, dict):
        yield Beside(model.leaf, answer)
    elif model.known.isdisjoint(value):
        yield Beside(model.leaf, replace(answer, value={}))


def _values(leaf: Leaf, steps: Iterable[Step], access: Access, deadline: Deadline) -> Iterator[Answer]:
    """What each source has as the value of a model: a table or null; for one that judges itself, anything."""
    for step in steps:
        question = Question(leaf.path, [step], leaf.fit, leaf.keys[1:], leaf.judged)
        resolve([question], access, deadline)
        answer: Any = question.answer
        if answer.outcome is Outcome.FOUND and (not leaf.strict or isinstance(answer.value, dict | None)):
            yield answer


def _extras(model: NestedModel, answer: Answer) -> Iterator[Beside]:
    values: Any = answer.value if model.takes_extras and isinstance(answer.value, dict) else {}
    for key, value in values.items():
        if key not in model.known:
            leaf = model.leaf
            own = leaf._replace(path=(*leaf.path, key), places=(*leaf.places, ((key,),)))
            yield Beside(own, replace(answer, value=value))
