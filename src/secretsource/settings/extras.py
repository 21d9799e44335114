"""What a nested model's value holds beside its fields: for a model that takes it, or refuses it (`extra=`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from secretsource.errors import Outcome
from secretsource.question import Question
from secretsource.resolver import resolve
from secretsource.settings.leaves import fields_of, plain_type
from secretsource.source import every_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic_settings import BaseSettings

    from secretsource.access import Access
    from secretsource.clock import Deadline
    from secretsource.question import Answer, Step
    from secretsource.settings.leaves import Leaf

Path = tuple[str, ...]


class OpenModel(NamedTuple):
    """A nested model to which it matters what else its value holds.

    Attributes:
        leaf: Stands for its value as a whole.
        known: The keys that belong to its fields.
    """

    leaf: Leaf
    known: frozenset[str]


class Extra(NamedTuple):
    """What one key that is no field's holds.

    Attributes:
        leaf: Where it belongs.
        answer: What was found there.
    """

    leaf: Leaf
    answer: Answer


def open_models(settings_cls: type[BaseSettings], leaves: Iterable[Leaf]) -> Sequence[OpenModel]:
    """The nested models of a class whose config has `extra="allow"` or `extra="forbid"`."""
    below: dict[Path, list[Leaf]] = {}
    for leaf in leaves:
        for depth in range(1, len(leaf.path)):
            below.setdefault(leaf.path[:depth], []).append(leaf)
    return [
        _open_model(len(path), inside)
        for path, inside in below.items()
        if _config_of(settings_cls, path).get("extra") in ("allow", "forbid")
    ]


def _config_of(settings_cls: type[BaseSettings], path: Path) -> Mapping[str, Any]:
    model: Any = settings_cls
    for name in path:
        model = plain_type(fields_of(model)[name].annotation)
    return getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", None) or {}


def _open_model(depth: int, leaves: Sequence[Leaf]) -> OpenModel:
    one = leaves[0]
    whole = one._replace(
        path=one.path[:depth],
        places=one.places[:depth],
        keys=one.keys[:depth],
        steering=tuple(item for item in one.steering if item[0] <= depth),
        kind="json",
    )
    keys = {key for leaf in leaves for key in leaf.keys[depth]}
    first = {key.partition("/")[0] for key in keys}
    return OpenModel(whole, frozenset(keys | first | {form for key in first for form in every_case(key)}))


def find_extras(models: Iterable[tuple[OpenModel, Sequence[Step]]], access: Access, deadline: Deadline) -> list[Extra]:
    """All extras in what was read for the models' fields, the earlier source winning key by key. No store is asked."""
    as_read = replace(access, closed=True)
    found: dict[Path, Extra] = {}
    for model, steps in models:
        for step in steps:
            for extra in _extras_at(step, model, as_read, deadline):
                found.setdefault(extra.leaf.path, extra)
    return list(found.values())


def _extras_at(step: Step, model: OpenModel, access: Access, deadline: Deadline) -> Iterator[Extra]:
    leaf = model.leaf
    question = Question(leaf.path, [step], leaf.fit, leaf.keys[1:])
    resolve([question], access, deadline)
    answer: Any = question.answer
    if answer.outcome is not Outcome.FOUND or not isinstance(answer.value, dict):
        return
    for key, value in answer.value.items():
        if key not in model.known:
            beside = leaf._replace(path=(*leaf.path, key), places=(*leaf.places, ((key,),)))
            yield Extra(beside, replace(answer, value=value))
