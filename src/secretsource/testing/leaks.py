"""A canary: a value that must not be seen, and the places where it could be."""

from __future__ import annotations

import base64
import logging
import secrets
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Canary:
    """A value that nobody could write by chance, and the ways in which it may be written."""

    def __init__(self) -> None:
        self.value = f"canary{secrets.token_hex(12)}"
        raw = self.value.encode()
        shifted = (base64.b64encode(bytes(offset) + raw).decode() for offset in range(3))
        self._forms = (self.value, self.value.upper(), raw.hex(), *(text[4:-4] for text in shifted))

    def is_in(self, text: str) -> bool:
        """Whether the text shows it, as it is, in hex or in base64."""
        return any(form in text for form in self._forms)

    def __repr__(self) -> str:
        return "Canary()"


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Collect what any logger says, at DEBUG: texts, tracebacks, arguments and extras.

    A logger that does not propagate, or has a level of its own, is heard too, and one that is made meanwhile.
    """
    texts: list[str] = []
    heads: list[logging.Logger] = []
    handler, before = _Collector(texts), logging.getLogRecordFactory()

    def listen(name: str, *arguments: Any, **named: Any) -> logging.LogRecord:
        head = _head(logging.getLogger(name))
        if handler not in head.handlers:
            heads.append(head)
            head.addHandler(handler)
        return before(name, *arguments, **named)

    logging.setLogRecordFactory(listen)
    try:
        with _everything_said():
            yield texts
    finally:
        logging.setLogRecordFactory(before)
        for head in heads:
            head.removeHandler(handler)


def _head(logger: logging.Logger) -> logging.Logger:
    """The last logger that a record of this one gets to."""
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
    return logger


@contextmanager
def _everything_said() -> Iterator[None]:
    """While inside, no logger that there is keeps anything to itself."""
    named = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    levels = {logger: logger.level for logger in (logging.root, *named)}
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


class _Collector(logging.Handler):
    def __init__(self, texts: list[str]) -> None:
        super().__init__(logging.NOTSET)
        self.texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{self.format(record)}\n{vars(record)}")


def all_of(error: BaseException) -> str:
    """Everything that can be read off an error, its cause and context and the variables of its frames."""
    texts = []
    open_ones: list[BaseException | None] = [error]
    seen: set[int] = set()
    while open_ones:
        current = open_ones.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        texts += [str(current), repr(current), repr(current.args), repr(vars(current)), _frames(current)]
        open_ones += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]
    return "\n".join(texts)


def _frames(error: BaseException) -> str:
    """The variables along the traceback, without the outermost frame: that one is the test's own."""
    inner = error.__traceback__ and error.__traceback__.tb_next
    return "".join(traceback.StackSummary.extract(traceback.walk_tb(inner), capture_locals=True).format())
