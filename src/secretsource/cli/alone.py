"""Whether a field's value can be told from what is found for it alone: pydantic's schema says who else has a say."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import unwrap
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic_settings import BaseSettings

from secretsource.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIELDS: Final = ("model-fields", "dataclass-args")
"""The parts of a schema that have the fields of a model, or of a dataclass."""
_NO_PART: Final = frozenset({"definitions", "fields", "computed_fields", "default", "metadata", "serialization"})
"""What stands in a schema beside the parts that make the value; fields are looked at one by one."""
_INITS: Final[tuple[Any, ...]] = (BaseModel.__init__, BaseSettings.__init__, Settings.__init__)
_POST_INITS: Final[tuple[Any, ...]] = (BaseModel.model_post_init, unwrap(Settings.model_post_init))


def stands_alone(settings_cls: type[BaseSettings], path: Sequence[str]) -> bool:
    """Whether nothing but what is found for a field decides on its value.

    It does not where something sees more than the field: a validator of the class or around a model that the field is
    in, a `model_post_init` or an `__init__` of their own, a validator of the field that takes `info`, or a default's
    factory that takes the other fields' values.
    """
    schema: Any = TypeAdapter(settings_cls).core_schema
    known = {item["ref"]: item for item in schema.get("definitions", ())}
    for name in path:
        parts = list(_parts(schema, known))
        model = next((part for part in parts if part.get("type") in FIELDS), None)
        if model is None or any(map(_has_a_say, parts)):
            return False
        schema = field_in(model, name)
    return not any(map(_looks_around, _parts(schema, known)))


def field_in(schema: Mapping[str, Any], name: str) -> Any:
    """The schema of one field, in that of a model's or a dataclass's fields."""
    fields: Any = schema["fields"]
    return fields[name] if isinstance(fields, Mapping) else next(item for item in fields if item["name"] == name)


def _parts(schema: object, known: Mapping[str, Any], seen: tuple[object, ...] = ()) -> Iterator[Mapping[str, Any]]:
    """The parts of a schema, down to the fields of a model, and not into them."""
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from _parts(item, known, seen)
    elif isinstance(schema, Mapping):
        yield schema
        ref: Any = schema.get("schema_ref")
        inner = [part for key, part in schema.items() if key not in _NO_PART]
        elsewhere = [known[ref]] if ref in known and ref not in seen else []
        yield from _parts([*inner, *elsewhere], known, (*seen, ref))


def _has_a_say(part: Mapping[str, Any]) -> bool:
    """Whether it is a validator of a whole model, or the model has more to do when it is made."""
    kind = str(part.get("type"))
    if kind == "model":
        model = part["cls"]
        return model.__init__ not in _INITS or unwrap(model.model_post_init) not in _POST_INITS
    return kind.startswith("function-") or bool(part.get("post_init"))


def _looks_around(part: Mapping[str, Any]) -> bool:
    """Whether it may read the other fields' values; pydantic's own types do not."""
    if part.get("type") == "with-info":
        return not getattr(part["function"], "__module__", "").startswith("pydantic.")
    return bool(part.get("default_factory_takes_data"))
