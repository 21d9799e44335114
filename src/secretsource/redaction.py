"""Masks: what stands where a value must not be seen; and logs that stay free of values."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK: Final = "**********"
SHORTEST: Final = 5
"""Characters of the shortest value that is masked in running text; a shorter one would blot out ordinary words."""

_AS_SHORT_AS_A_SYLLABLE: Final = 2
_MOST_REMEMBERED: Final = 10_000


class MaskedStr(str):
    """Text whose `repr` is masked. In every other way it is the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


class MaskedBytes(bytes):
    """Bytes whose `repr` is masked. In every other way they are the bytes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)

    __str__ = __repr__


class Values:
    """Values that must not be seen in a text. Its own `repr` shows none of them."""

    def __init__(self, values: Iterable[object] = (), *, shortest: int = SHORTEST) -> None:
        self._shortest = shortest
        self._texts: dict[str, None] = {}
        self._forms: tuple[str, ...] | None = None
        for value in values:
            self.add(value)

    def add(self, value: object) -> None:
        """Add a value, and all that is inside it where it is a table, a list or a wrapped secret."""
        for text in (value,) if type(value) is str else texts_in(value):
            if len(text) >= self._shortest and text not in self._texts:
                self._texts[text] = None
                self._forms = None
                if len(self._texts) > _MOST_REMEMBERED:
                    del self._texts[next(iter(self._texts))]

    def mask(self, text: str) -> str:
        """The text with every value in it masked, also one that is quoted, escaped or encoded; longest first."""
        if self._forms is None:
            forms = {form for value in tuple(self._texts) for form in _forms(value)}
            self._forms = tuple(sorted((form for form in forms if len(form) >= self._shortest), key=len, reverse=True))
        for form in self._forms:
            if form in text:
                text = _replaced(text, form)
        return text

    def __repr__(self) -> str:
        return f"<{len(self._texts)} values>"

    def __reduce__(self) -> NoReturn:
        msg = "values that must not be seen are not pickled"
        raise TypeError(msg)


def _replaced(text: str, form: str) -> str:
    """The text with a value masked; one that is as short as parts of words are, only where it stands alone."""
    if len(form) > _AS_SHORT_AS_A_SYLLABLE:
        return text.replace(form, MASK)
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", lambda _: MASK, text)


def texts_in(value: object) -> Iterator[str]:
    """All texts in a value: numbers and bytes as text, and what is inside tables, lists, models and wrapped secrets."""
    if isinstance(value, str):
        yield str(value)
    elif isinstance(value, bytes | bytearray):
        yield bytes(value).decode(errors="backslashreplace")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    else:
        for item in inside(value):
            yield from texts_in(item)


def inside(value: object) -> Iterable[object]:
    """What a table, a list, a wrapped secret, a model or a dataclass holds."""
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset | deque):
        return value
    if hasattr(value, "get_secret_value"):
        return (value.get_secret_value(),)
    kind = type(value)
    names: Any = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__dataclass_fields__", ())
    return [getattr(value, name, None) for name in names]


def _forms(text: str) -> Iterator[str]:
    """The ways in which a value shows up in logs: as it is, in a `repr`, in JSON, in a URL, in base64 and in hex."""
    import base64
    from urllib.parse import quote

    yield text
    yield repr(text)[1:-1]
    yield repr(text.encode(errors="surrogatepass"))[2:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield quote(text, safe="", errors="replace")
    if len(text) < SHORTEST:
        return
    raw = text.encode(errors="surrogatepass")
    yield raw.hex()
    for offset in range(3):  # where a value begins inside what was encoded shifts its base64
        coded = base64.b64encode(b"\0" * offset + raw).decode()
        whole = coded[-(-offset * 8 // 6) : len(coded) - (4 if (len(raw) + offset) % 3 else 0)]
        yield whole
        yield whole.replace("+", "-").replace("/", "_")


_known: Final = Values()


def remember(value: object) -> None:
    """Note a value that was resolved, so that `redact_logs` can mask it."""
    _known.add(value)


def remember_what_is_no_word(value: object) -> None:
    """Note a value that nothing says is a secret: but for single words, which logs are made of, and for numbers."""
    if isinstance(value, str):
        if not value.isalpha():
            _known.add(value)
    else:
        for item in inside(value):
            remember_what_is_no_word(item)


def redact_logs() -> None:
    """Mask every value resolved so far, and every later one, in the final text of all log handlers.

    It covers the handlers of the root and of all other loggers, those that do not propagate too, and handlers that
    are added later. The final text is what is masked, so tracebacks and extra fields are covered. A handler that
    formats without `Handler.format` is out of reach. Calling it again does nothing.
    """
    loggers = [
        logging.root,
        *(item for item in logging.root.manager.loggerDict.values() if isinstance(item, logging.Logger)),
    ]
    for logger in loggers:
        for handler in logger.handlers:
            _mask_output(handler)
    if logging.lastResort is not None:
        _mask_output(logging.lastResort)
    if not isinstance(logging.Logger.addHandler, _AddsMasked):
        logging.Logger.addHandler = _AddsMasked(logging.Logger.addHandler)  # type: ignore[method-assign,assignment]


class _AddsMasked:
    """`Logger.addHandler`, with the handler's output masked from then on."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __get__(self, logger: logging.Logger | None, owner: type) -> Any:
        return self if logger is None else lambda hdlr: self._add(logger, hdlr)

    def _add(self, logger: logging.Logger, handler: logging.Handler) -> None:
        _mask_output(handler)
        self.original(logger, handler)

    def __call__(self, logger: logging.Logger, handler: logging.Handler) -> None:
        self._add(logger, handler)


def _mask_output(handler: logging.Handler) -> None:
    if getattr(handler.format, "masks_values", False):
        return
    original = handler.format

    def masked_format(record: logging.LogRecord) -> str:
        text: Any = original(record)
        return _known.mask(text) if isinstance(text, str) else text

    masked_format.masks_values = True  # type: ignore[attr-defined]  # so that it is not wrapped twice
    handler.format = masked_format  # type: ignore[method-assign]


class _Quieted(threading.local):
    """The logger prefixes that are quiet in this thread, and up to which level."""

    prefixes: tuple[str, ...] = ()
    below: int = logging.WARNING


_quieted = _Quieted()
_seen_loggers = 0


class _DropsDetail(logging.Filter):
    """Lets nothing below the level pass while its logger is quiet in the current thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= _quieted.below or not record.name.startswith(_quieted.prefixes or ("\0",))


_drops_detail = _DropsDetail()


@contextmanager
def quiet(*prefixes: str, below: int = logging.WARNING) -> Iterator[None]:
    """Keep an SDK's wire logs (DEBUG and INFO) of this thread to itself: they carry values and tokens.

    Args:
        prefixes: The first part of its loggers' names, such as `botocore`.
        below: The level from which on records pass; higher for an SDK that also logs what it raises.
    """
    _install_filters()
    before = _quieted.prefixes, _quieted.below
    _quieted.prefixes, _quieted.below = (*before[0], *prefixes), below
    try:
        yield
    finally:
        _quieted.prefixes, _quieted.below = before


def _install_filters() -> None:
    """A filter works only on the very logger it is on, so each logger there is gets it."""
    global _seen_loggers  # noqa: PLW0603 - how many loggers were seen tells whether there are new ones
    loggers = logging.root.manager.loggerDict
    if len(loggers) == _seen_loggers:
        return
    for logger in list(loggers.values()):
        if isinstance(logger, logging.Logger):
            logger.addFilter(_drops_detail)  # adding it twice does nothing
    _seen_loggers = len(loggers)
