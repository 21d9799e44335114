"""The README: what it tells a newcomer to do works, and shows what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.markdown import ROOT, blocks

README = ROOT / "README.md"


def text_of(language: str) -> str:
    """The first block in a language."""
    return next(block.text for block in blocks(README) if block.language == language)


def test_the_first_example_prints_what_is_shown(tmp_path: Path) -> None:
    """As a file of its own, with the `.env` beside it."""
    (tmp_path / "shop.py").write_text(text_of("python"), encoding="utf-8")
    (tmp_path / ".env").write_text(text_of("dotenv"), encoding="utf-8")
    command = [sys.executable, "shop.py"]
    result = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True)
    assert result.stdout == text_of("text")


def test_it_opens_with_the_two_commands() -> None:
    """And make has them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^make (\w+)", text_of("sh"), re.MULTILINE)
    assert commands == ["demo", "test"]
    assert README.read_text(encoding="utf-8").index("```sh") < README.read_text(encoding="utf-8").index("## ")
    for target in re.findall(r"`make ([\w-]+)", README.read_text(encoding="utf-8")):
        assert f"\n{target}:" in makefile


def test_every_extra_is_told_of() -> None:
    """With the name under which pip knows it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = README.read_text(encoding="utf-8")
    assert all(f"| `{extra}` |" in text for extra in project["optional-dependencies"])
