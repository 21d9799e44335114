"""What a field's annotation says: which model it is, whether it takes JSON, numbers or bytes, whether it is secret."""

from __future__ import annotations

import enum
import itertools
import types
import typing
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, RootModel, Secret, SecretBytes, SecretStr
from pydantic.dataclasses import is_pydantic_dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

_NATIVE = (bool, int, float, complex, enum.Enum, date, time, timedelta)
_CONTAINERS = (BaseModel, typing.Mapping, typing.Sequence, typing.AbstractSet, set, frozenset)


def fields_of(model: type[Any]) -> Mapping[str, FieldInfo]:
    """The fields of a model or a pydantic dataclass."""
    found: Mapping[str, FieldInfo] = getattr(model, "__pydantic_fields__", {})
    return found


def nested_model(info: FieldInfo) -> Any:
    """The model whose leaves are resolved one by one where a field is one, or one or None; else None."""
    found = [member for member in members(info.annotation) if member is not type(None)]
    one = found[0] if len(found) == 1 else None
    if not isinstance(one, type) or issubclass(one, RootModel) or holds_json_text(info):
        return None
    return one if issubclass(one, BaseModel) or is_pydantic_dataclass(one) else None


def judges_itself(model: type[Any]) -> bool:
    """Whether a model has a validator of its own that may take anything, such as the text of an address."""
    decorators = getattr(model, "__pydantic_decorators__", None)
    validators = decorators.model_validators.values() if decorators is not None else ()
    return any(validator.info.mode in ("before", "wrap") for validator in validators)


def metadata(info: FieldInfo) -> Sequence[Any]:
    """All that is annotated to a field; also inside of an optional one."""
    return [*info.metadata, *_annotated(info.annotation)]


def _annotated(annotation: Any) -> Iterator[Any]:
    plain = _alias_value(annotation)
    if get_origin(plain) is Annotated:
        yield from get_args(plain)[1:]
        yield from _annotated(get_args(plain)[0])
    elif _is_union(plain) and len(some := [item for item in get_args(plain) if item is not type(None)]) == 1:
        yield from _annotated(some[0])


def inner_metadata(annotation: Any, seen: tuple[Any, ...] = ()) -> Iterator[Any]:
    """All that is annotated inside of a type: to members of a union, what a list or table holds, fields of a model."""
    plain = plain_type(annotation)
    if plain in seen:
        return
    for info in fields_of(plain).values():
        yield from metadata(info)
        yield from inner_metadata(info.annotation, (*seen, plain))
    optional = _is_union(plain) and len([part for part in get_args(plain) if part is not type(None)]) == 1
    for part in get_args(plain):
        if not optional:
            yield from _annotated(part)
        yield from inner_metadata(part, (*seen, plain))


def _alias_value(annotation: Any) -> Any:
    while hasattr(annotation, "__value__") and type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (typing.Union, types.UnionType)


def plain_type(annotation: Any) -> Any:
    """The annotation without `Annotated` and type aliases around it."""
    annotation = _alias_value(annotation)
    return plain_type(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def members(annotation: Any) -> Iterator[Any]:
    """The types that a value may have: the members of a union, or the annotation itself."""
    plain = plain_type(annotation)
    if _is_union(plain):
        for member in get_args(plain):
            yield from members(member)
    else:
        yield plain


def is_complex(member: Any) -> bool:
    """Whether pydantic-settings takes JSON text for it."""
    if isinstance(member, type) and issubclass(member, RootModel):
        return any(is_complex(inner) for inner in members(fields_of(member)["root"].annotation))
    kind = get_origin(member) or member
    if not isinstance(kind, type) or issubclass(kind, str | bytes | Secret):
        return False
    return issubclass(kind, _CONTAINERS) or hasattr(kind, "__dataclass_fields__")


def _is_secret(member: Any) -> bool:
    kind = get_origin(member) or member
    return isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes | Secret)


def inside_secret(member: Any) -> Any:
    """What a member is taken for: `Secret[int]` takes what `int` takes."""
    args = get_args(member)
    return plain_type(args[0]) if _is_secret(member) and args else member


def holds_secret(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether it is a secret, or has one in it: in a list, a table or the field of a model."""
    inside = [get_args(member) for member in members(annotation)]
    fields = [fields_of(member).values() for member in members(annotation) if member not in seen]
    below = [*itertools.chain(*inside), *(info.annotation for info in itertools.chain(*fields))]
    known = (*seen, *members(annotation))
    return any(map(_is_secret, members(annotation))) or any(holds_secret(one, known) for one in below)


def holds_json_text(info: FieldInfo) -> bool:
    """Whether it is pydantic's `Json`, which takes the text itself."""
    return any(type(item).__name__ == "Json" or getattr(item, "__name__", "") == "Json" for item in metadata(info))


def simple_kind(found: Sequence[Any]) -> Literal["bytes", "native", "text"]:
    """What these members take that are no containers."""
    if any(isinstance(member, type) and issubclass(member, bytes | bytearray | SecretBytes) for member in found):
        return "bytes"
    return "native" if any(map(_takes_numbers, found)) else "text"


def _takes_numbers(member: Any) -> bool:
    if member is Any or member is object or get_origin(member) is Literal or isinstance(member, typing.TypeVar):
        return True
    return isinstance(member, type) and issubclass(member, _NATIVE) and not issubclass(member, str)
