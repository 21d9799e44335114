"""Logging is of the whole process: what a test does to it is undone."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


def _loggers() -> dict[str, logging.Logger]:
    named = logging.root.manager.loggerDict.items()
    return {name: logger for name, logger in named if isinstance(logger, logging.Logger)}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Handlers and levels, of which an app under test has its own, and the masks of `redact_logs`."""
    add, handlers = logging.Logger.addHandler, list(logging.root.handlers)
    formats = {handler: handler.__dict__.get("format") for handler in handlers}
    levels = {name: logger.level for name, logger in _loggers().items()}
    yield
    logging.Logger.addHandler = add  # type: ignore[method-assign]
    logging.root.handlers[:] = handlers
    for handler in handlers:
        if formats[handler] is None:
            handler.__dict__.pop("format", None)
    for name, logger in _loggers().items():
        if logger.level != (before := levels.get(name, logging.NOTSET)):
            logger.setLevel(before)
