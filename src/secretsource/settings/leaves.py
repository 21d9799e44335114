"""The leaves of a settings class: every value that has to be found, and what it has to be.

A nested model is taken apart, and each of its leaves is resolved by itself. A `dict`, a `list`, a union and the like
are one leaf, given as JSON text.
"""

from __future__ import annotations

import enum
import itertools
import re
import types
import typing
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel, Secret, SecretBytes, SecretStr
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic_settings import ForceDecode, NoDecode

from secretsource.document import Number, as_bytes, as_text, natural, parse_json
from secretsource.errors import InvalidSecret
from secretsource.settings.steering import From

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

_SOUNDS_SECRET = re.compile(r"pass|secret|token|key|credential|auth|dsn|pin", re.IGNORECASE)
Place = tuple[str | int, ...]

_leaves: WeakKeyDictionary[type[BaseSettings], dict[tuple[str, ...], Leaf]] = WeakKeyDictionary()
_NATIVE = (bool, int, float, complex, enum.Enum, date, time, timedelta)


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
    optional: tuple[int, ...]

    @property
    def name(self) -> str:
        """The path with dots."""
        return ".".join(self.path)

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
            return natural(value)
        text = as_text(value)
        if not self.decode:
            return text
        try:
            return natural(parse_json(text))
        except InvalidSecret:
            if self.strict:
                raise
        return text


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
        own = tuple((len(path), item) for item in _metadata(info) if isinstance(item, From))
        optional = way.optional if info.is_required() else (*way.optional, len(path))
        places_ = (*way.places, places(name, info, config))
        here = _Way(path, places_, way.steering + own, optional, (*way.models, model))
        nested = plain_type(info.annotation)
        if is_nested(nested) and nested not in here.models and NoDecode not in _metadata(info):
            yield from _walk(nested, here, decoding=decoding)
        else:
            yield _leaf(here, info, decoding=decoding)


def _leaf(way: _Way, info: FieldInfo, *, decoding: bool) -> Leaf:
    metadata, members = _metadata(info), [_inside_secret(member) for member in _members(info.annotation)]
    is_json = any(_is_complex(member) for member in members) and not _holds_json_text(metadata)
    decode = ForceDecode in metadata or (decoding and NoDecode not in metadata)
    return Leaf(
        path=way.path,
        places=way.places,
        keys=tuple(map(_keys, way.path, way.places)),
        field=info,
        steering=way.steering,
        kind="json" if is_json else _simple_kind(members),
        decode=decode,
        strict=all(_is_complex(member) for member in members if member is not type(None)),
        sensitive=_holds_secret(info.annotation) or _SOUNDS_SECRET.search(".".join(way.path)) is not None,
        optional=way.optional,
    )


def fields_of(model: type[Any]) -> Mapping[str, FieldInfo]:
    """The fields of a model or a pydantic dataclass."""
    found: Mapping[str, FieldInfo] = getattr(model, "__pydantic_fields__", {})
    return found


def is_nested(annotation: object) -> bool:
    """Whether it is a model whose leaves are resolved one by one."""
    if not isinstance(annotation, type) or issubclass(annotation, RootModel):
        return False
    return issubclass(annotation, BaseModel) or is_pydantic_dataclass(annotation)


def places(name: str, info: FieldInfo, config: Mapping[str, Any]) -> tuple[Place, ...]:
    """The keys under which pydantic takes a field: its aliases where they count, its name where that counts."""
    by_alias = config.get("validate_by_alias") is not False
    by_name = bool(config.get("validate_by_name") or config.get("populate_by_name"))
    alias = info.validation_alias if by_alias else None
    if alias is None:
        return ((name,),)
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    found = [tuple(choice.path) if isinstance(choice, AliasPath) else (choice,) for choice in choices]
    plain_first = sorted(found, key=len)
    return (*plain_first, (name,)) if by_name and (name,) not in plain_first else tuple(plain_first)


def _keys(name: str, places_: Sequence[Place]) -> tuple[str, ...]:
    return (*("/".join(map(str, place)) for place in places_ if place != (name,)), name)


def _metadata(info: FieldInfo) -> Sequence[Any]:
    annotation = _alias_value(info.annotation)
    return [*info.metadata, *get_args(annotation)[1:]] if get_origin(annotation) is Annotated else info.metadata


def _alias_value(annotation: Any) -> Any:
    while hasattr(annotation, "__value__") and type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return annotation


def plain_type(annotation: Any) -> Any:
    """The annotation without `Annotated` and type aliases around it."""
    annotation = _alias_value(annotation)
    return plain_type(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> Iterator[Any]:
    """The types that a value may have: the members of a union, or the annotation itself."""
    plain = plain_type(annotation)
    if get_origin(plain) in (typing.Union, types.UnionType):
        for member in get_args(plain):
            yield from _members(member)
    else:
        yield plain


def _is_complex(member: Any) -> bool:
    """Whether pydantic-settings takes JSON text for it."""
    if isinstance(member, type) and issubclass(member, RootModel):
        return any(_is_complex(inner) for inner in _members(fields_of(member)["root"].annotation))
    kind = get_origin(member) or member
    if not isinstance(kind, type) or issubclass(kind, str | bytes | Secret):
        return False
    containers = (BaseModel, typing.Mapping, typing.Sequence, typing.AbstractSet, set, frozenset)
    return issubclass(kind, containers) or hasattr(kind, "__dataclass_fields__")


def _is_secret(member: Any) -> bool:
    kind = get_origin(member) or member
    return isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes | Secret)


def _holds_secret(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether it is a secret, or has one in it: in a list, a table or the field of a model."""
    inside = [get_args(member) for member in _members(annotation)]
    fields = [fields_of(member).values() for member in _members(annotation) if member not in seen]
    below = [*itertools.chain(*inside), *(info.annotation for info in itertools.chain(*fields))]
    known = (*seen, *_members(annotation))
    return any(map(_is_secret, _members(annotation))) or any(_holds_secret(one, known) for one in below)


def declared_names(annotation: Any, seen: tuple[Any, ...] = ()) -> frozenset[str]:
    """The names that a type declares, and those inside it: of fields, and their aliases."""
    names: set[str] = set()
    for member in _members(annotation):
        if member in seen:
            continue
        kind = get_origin(member) or member
        fields = fields_of(kind)
        names.update(str(key) for name, info in fields.items() for place in places(name, info, {}) for key in place)
        own = getattr(kind, "__annotations__", {}) if isinstance(kind, type) else {}
        names.update(own, fields)
        inside = [*get_args(member), *(info.annotation for info in fields.values()), *own.values()]
        names.update(*(declared_names(one, (*seen, member)) for one in inside))
    return frozenset(names)


def _holds_json_text(metadata: Sequence[Any]) -> bool:
    return any(type(item).__name__ == "Json" or getattr(item, "__name__", "") == "Json" for item in metadata)


def _simple_kind(members: Sequence[Any]) -> Literal["bytes", "native", "text"]:
    if any(isinstance(member, type) and issubclass(member, bytes | bytearray | SecretBytes) for member in members):
        return "bytes"
    return "native" if any(_takes_numbers(member) for member in members) else "text"


def _inside_secret(member: Any) -> Any:
    """What a member is taken for: `Secret[int]` takes what `int` takes."""
    args = get_args(member)
    return plain_type(args[0]) if _is_secret(member) and args else member


def _takes_numbers(member: Any) -> bool:
    if member is Any or get_origin(member) is Literal or isinstance(member, typing.TypeVar):
        return True
    return isinstance(member, type) and issubclass(member, _NATIVE) and not issubclass(member, str)
