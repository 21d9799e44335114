"""The leaves of a settings class: every value that has to be found, and what it has to be.

A nested model is taken apart, and each of its leaves is resolved by itself. A `dict`, a `list`, a union and the like
are one leaf, given as JSON text.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, AliasPath
from pydantic_settings import ForceDecode, NoDecode

from secretsource.document import Number, as_bytes, as_text, natural, parse_json
from secretsource.errors import InvalidSecret
from secretsource.settings.annotations import (
    fields_of,
    holds_json_text,
    holds_secret,
    inner_metadata,
    inside_secret,
    is_complex,
    judges_itself,
    members,
    metadata,
    nested_model,
    simple_kind,
)
from secretsource.settings.fitting import fitted
from secretsource.settings.steering import From

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

_SOUNDS_SECRET = re.compile(r"pass|secret|token|key|credential|auth|dsn|pin", re.IGNORECASE)
Place = tuple[str | int, ...]

_leaves: WeakKeyDictionary[type[BaseSettings], dict[tuple[str, ...], Leaf]] = WeakKeyDictionary()


class Leaf(NamedTuple):
    """One value that has to be found.

    Attributes:
        path: The fields' names, outermost first.
        places: For each name of the path, the keys under which pydantic takes it; the first is the one to give.
        keys: For each name of the path, the keys that may stand for it in a model's value: its aliases, then its name.
        field: The innermost field.
        steering: What `From`s say, outermost first, each with how many names of the path its field takes.
        kind: How text becomes a value: `json`, `bytes`, `native` (numbers as numbers) or `text`.
        decode: Whether JSON text is decoded (`NoDecode` turns it off).
        strict: Whether JSON that cannot be decoded is an error (in a union it may be plain text).
        sensitive: Whether its type or its name says that it is a secret, or that there is one in it.
        judged_from: How many names lead to the outermost model around it that may take something else than an object.
        steered_inside: Whether there is a `From` inside of its type, where it steers nothing.
        optional: How many names of the path lead to a field with a default: the leaf itself, or a model around it.
    """

    path: tuple[str, ...]
    places: tuple[tuple[Place, ...], ...]
    keys: tuple[tuple[str, ...], ...]
    field: FieldInfo
    steering: tuple[tuple[int, From], ...]
    kind: Literal["json", "bytes", "native", "text"]
    decode: bool
    strict: bool
    sensitive: bool
    judged_from: int | None
    steered_inside: bool
    optional: tuple[int, ...]

    @property
    def name(self) -> str:
        """The path with dots."""
        return ".".join(self.path)

    @property
    def judged(self) -> int:
        """For how many of its last names the models around it may take something else than an object."""
        return 0 if self.judged_from is None else max(0, len(self.path) - self.judged_from)

    def fit(self, value: object) -> object:
        """Make what a store gave fit the field, so that pydantic takes it as it would take a variable's text.

        Raises:
            InvalidSecret: It cannot be, such as bytes that are not text.
        """
        if value is None:
            return None
        if self.kind == "json":
            return self._fit_json(value)
        if self.kind == "bytes":
            return as_bytes(value)
        if self.kind == "native" and not isinstance(value, bytes):
            return natural(value)
        return as_text(value)

    def _fit_json(self, value: object) -> object:
        if not isinstance(value, str | bytes) or isinstance(value, Number):
            return fitted(self.field.annotation, value)
        text = as_text(value)
        if not self.decode:
            return text
        try:
            document = parse_json(text)
        except InvalidSecret:
            if self.strict:
                raise
            return text
        is_text = not (self.strict or isinstance(document, dict | list))
        return text if is_text else fitted(self.field.annotation, document)


class _Way(NamedTuple):
    """How far down the models we are."""

    path: tuple[str, ...] = ()
    places: tuple[tuple[Place, ...], ...] = ()
    steering: tuple[tuple[int, From], ...] = ()
    optional: tuple[int, ...] = ()
    models: tuple[type, ...] = ()


def leaves_by_path(settings_cls: type[BaseSettings]) -> Mapping[tuple[str, ...], Leaf]:
    """The class's leaves, found once."""
    if not settings_cls.__pydantic_complete__:
        return {leaf.path: leaf for leaf in leaves_of(settings_cls)}
    if settings_cls not in _leaves:
        _leaves[settings_cls] = {leaf.path: leaf for leaf in leaves_of(settings_cls)}
    return _leaves[settings_cls]


def leaves_of(settings_cls: type[BaseSettings]) -> tuple[Leaf, ...]:
    """All leaves of a class, in the order of its fields."""
    decoding = settings_cls.model_config.get("enable_decoding") is not False
    return tuple(_walk(settings_cls, _Way(), decoding=decoding))


def _walk(model: type[Any], way: _Way, *, decoding: bool) -> Iterator[Leaf]:
    config = getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", None) or {}
    for name, info in fields_of(model).items():
        path = (*way.path, name)
        own = tuple((len(path), item) for item in metadata(info) if isinstance(item, From))
        optional = way.optional if info.is_required() else (*way.optional, len(path))
        places_ = (*way.places, places(name, info, config))
        here = _Way(path, places_, way.steering + own, optional, (*way.models, model))
        nested = nested_model(info)
        if nested is not None and fields_of(nested) and nested not in here.models and NoDecode not in metadata(info):
            yield from _walk(nested, here, decoding=decoding)
        else:
            yield _leaf(here, info, decoding=decoding)


def _leaf(way: _Way, info: FieldInfo, *, decoding: bool) -> Leaf:
    beside, found = metadata(info), [inside_secret(member) for member in members(info.annotation)]
    is_json = any(map(is_complex, found)) and not holds_json_text(info)
    decode = ForceDecode in beside or (decoding and NoDecode not in beside)
    return Leaf(
        path=way.path,
        places=way.places,
        keys=tuple(map(_keys, way.path, way.places)),
        field=info,
        steering=way.steering,
        kind="json" if is_json else simple_kind(found),
        decode=decode,
        strict=all(is_complex(member) for member in found if member is not type(None)),
        sensitive=holds_secret(info.annotation) or _SOUNDS_SECRET.search(".".join(way.path)) is not None,
        judged_from=next((depth for depth, model in enumerate(way.models) if depth and judges_itself(model)), None),
        steered_inside=any(isinstance(item, From) for item in inner_metadata(info.annotation)),
        optional=way.optional,
    )


def places(name: str, info: FieldInfo, config: Mapping[str, Any]) -> tuple[Place, ...]:
    """The keys under which pydantic takes a field: its aliases where they count, its name where that counts."""
    by_alias = config.get("validate_by_alias") is not False
    by_name = bool(config.get("validate_by_name") or config.get("populate_by_name"))
    alias = info.validation_alias if by_alias else None
    if alias is None:
        return ((name,),)
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    found = [tuple(choice.path) if isinstance(choice, AliasPath) else (choice,) for choice in choices]
    by_itself = [(name,)] if by_name and (name,) not in found else []
    return tuple(sorted([*found, *by_itself], key=len))  # a place of its own before one inside another field's


def _keys(name: str, places_: Sequence[Place]) -> tuple[str, ...]:
    return (*("/".join(map(str, place)) for place in places_ if place != (name,)), name)


def _dataclass_types(kind: type[Any]) -> Mapping[str, Any]:
    return {field.name: field.type for field in fields(kind)} if is_dataclass(kind) else {}


def declared_names(annotation: Any, seen: tuple[Any, ...] = ()) -> frozenset[str]:
    """The names that a type declares, and those inside it: of fields, and their aliases."""
    names: set[str] = set()
    for member in members(annotation):
        if member in seen:
            continue
        kind = get_origin(member) or member
        fields = fields_of(kind)
        names.update(str(key) for name, info in fields.items() for place in places(name, info, {}) for key in place)
        own = {**getattr(kind, "__annotations__", {}), **_dataclass_types(kind)} if isinstance(kind, type) else {}
        names.update(own, fields)
        inside = [*get_args(member), *(info.annotation for info in fields.values()), *own.values()]
        names.update(*(declared_names(one, (*seen, member)) for one in inside))
    return frozenset(names)
