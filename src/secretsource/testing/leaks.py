"""A canary: a value that must not be seen, and the places where it could be."""

from __future__ import annotations

import base64
import logging
import secrets
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    """Collect all that reaches the root logger, at DEBUG: texts, tracebacks, arguments and extras."""
    texts: list[str] = []
    handler = _Collector(texts)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield texts
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


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
