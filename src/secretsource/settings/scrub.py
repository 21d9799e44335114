"""pydantic's ValidationError, made anew without what was put in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError
from pydantic_core.core_schema import ErrorType

from secretsource.redaction import MASK, Values

if TYPE_CHECKING:
    from collections.abc import Iterable

_PYDANTICS_OWN: Final = frozenset(get_args(ErrorType))


def without_input(error: ValidationError, inputs: Iterable[object]) -> ValidationError:
    """The same error with every input taken out: of `str`, `repr`, `errors()`, `json()`, and of its context.

    Args:
        error: pydantic's own.
        inputs: All that was put in, so that a validator's own message which quotes a value can be masked too.
    """
    values = Values(inputs)
    details = [_detail(item, values) for item in error.errors(include_url=False)]
    return ValidationError.from_exception_data(error.title, details, hide_input=True)


def _detail(item: Any, values: Values) -> InitErrorDetails:
    own = Values([item.get("input")], shortest=1) if _quotes_input(item) else Values()

    def mask(text: object) -> str:
        return own.mask(values.mask(str(text)))

    context = {
        key: value if isinstance(value, int | float) else mask(value) for key, value in item.get("ctx", {}).items()
    }
    kind = PydanticCustomError(item["type"], mask(item["msg"]), context or None)
    return InitErrorDetails(type=kind, loc=item["loc"], input=MASK)


def _quotes_input(item: Any) -> bool:
    """Whether the message may be a validator's own; pydantic's messages say what is expected, not what came."""
    return "error" in item.get("ctx", {}) or item["type"] not in _PYDANTICS_OWN
