"""One field as pydantic makes it in its class, without the other fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic_core import InitErrorDetails, PydanticCustomError, SchemaValidator

from secretsource.cli.alone import FIELDS, field_in

if TYPE_CHECKING:
    from collections.abc import Mapping


def validated(owner: type[Any], name: str, data: Mapping[str, Any]) -> object:
    """Validate one field of a model: with its own validators, without those of the class.

    Args:
        owner: The model.
        name: The field's name.
        data: What the model would get; of the other fields nothing is needed.

    Raises:
        ValidationError: The field is missing or invalid.
    """
    schema: Any = TypeAdapter(owner).core_schema
    definitions: list[Any] = []
    config: Any = {}
    while schema["type"] not in FIELDS:
        definitions += schema.get("definitions", ())
        config = schema.get("config", config)
        schema = schema.get("schema") or next(item for item in definitions if item["ref"] == schema["schema_ref"])
    alone: Any = {"type": "model-fields", "fields": {name: {**field_in(schema, name), "type": "model-field"}}}
    whole: Any = {"type": "definitions", "schema": alone, "definitions": definitions} if definitions else alone
    others_ignored: Any = {**config, "extra_fields_behavior": "ignore"}
    return SchemaValidator(whole, others_ignored).validate_python(data)[0][name]


def moved(item: Any, path: tuple[str, ...]) -> InitErrorDetails:
    """The same error, told of the whole class instead of the model that the field is in."""
    kind = PydanticCustomError(item["type"], item["msg"], item.get("ctx"))
    return InitErrorDetails(type=kind, loc=(*path, *item["loc"]), input=item["input"])
