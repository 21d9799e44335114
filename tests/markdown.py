"""The code blocks of a Markdown page, run from top to bottom as one program."""

from __future__ import annotations

import doctest
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block.

    Attributes:
        language: What stands after the fence.
        text: What is in it.
        line: The line of the page that its text begins on.
    """

    language: str
    text: str
    line: int


def blocks(page: Path) -> Sequence[Block]:
    """The blocks of a page that name a language."""
    text = page.read_text(encoding="utf-8")
    return [Block(found[1], found[2], text.count("\n", 0, found.start(2)) + 1) for found in _BLOCK.finditer(text)]


def run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a page's Python in a folder, in which its `dotenv` blocks are the `.env`.

    A block with `>>>` in it is a doctest; any other has to run, and to hold what it asserts.
    """
    monkeypatch.chdir(folder)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    for block in blocks(page):
        if block.language == "dotenv":
            (folder / ".env").write_text(block.text, encoding="utf-8")
        elif block.language == "python" and ">>>" in block.text:
            _check(block, page, module)
        elif block.language == "python":
            code = compile("\n" * (block.line - 1) + block.text, page, "exec")
            exec(code, module.__dict__)


def _check(block: Block, page: Path, module: ModuleType) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, module.__dict__, page.name, str(page), block.line - 1)
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=told.append, clear_globs=False)
    module.__dict__.update(test.globs)
    assert not told, "".join(told)
