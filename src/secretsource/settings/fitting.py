"""A store's JSON as pydantic takes it for a type: a number stays text where text is wanted, at any depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import RootModel, SecretStr

from secretsource.document import Number
from secretsource.settings.annotations import fields_of, inside_secret, members


def fitted(annotation: Any, document: object) -> object:
    """The document with its numbers as Python numbers, but as they were written where the type is text.

    >>> fitted(dict[str, str], {"pin": Number("0.10")}), fitted(dict[str, float], {"rate": Number("0.10")})
    ({'pin': '0.10'}, {'rate': 0.1})
    """
    if isinstance(document, Number):
        return str(document) if _is_text(annotation) else document.native()
    if isinstance(document, Mapping):
        return {key: fitted(_type_at(annotation, key), value) for key, value in document.items()}
    if isinstance(document, list):
        return [fitted(_type_at(annotation, position), value) for position, value in enumerate(document)]
    return document


def _is_text(annotation: Any) -> bool:
    kinds = [inside_secret(member) for member in members(annotation) if member is not type(None)]
    return bool(kinds) and all(isinstance(kind, type) and issubclass(kind, str | SecretStr) for kind in kinds)


def _type_at(annotation: Any, key: str | int) -> Any:
    """What is wanted under a key or at a position; Any where that cannot be told."""
    found = [_part(inside_secret(member), key) for member in members(annotation)]
    known = [part for part in found if part is not None]
    return known[0] if len(known) == 1 else Any


def _part(member: Any, key: str | int) -> Any:
    fields = fields_of(member)
    if isinstance(member, type) and issubclass(member, RootModel):
        return _type_at(fields["root"].annotation, key)
    if fields:
        named = (info for name, info in fields.items() if key in (name, info.alias, info.validation_alias))
        return next((info.annotation for info in named), None)
    arguments = get_args(member)
    if isinstance(key, str):
        return arguments[1] if len(arguments) == 2 and _is_kind(member, Mapping) else None  # noqa: PLR2004 - key, value
    if _is_kind(member, tuple) and Ellipsis not in arguments:
        return arguments[key] if key < len(arguments) else None
    return arguments[0] if arguments and not _is_kind(member, Mapping) else None


def _is_kind(member: Any, kind: type) -> bool:
    origin = get_origin(member)
    return isinstance(origin, type) and issubclass(origin, kind)
