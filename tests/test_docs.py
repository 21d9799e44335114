"""The documentation: its examples run, its links lead somewhere, its tables are whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from secretsource.cli import main
from secretsource.errors import Outcome
from secretsource.grammar import COMMON_OPTIONS, SCHEMES
from tests import markdown
from tests.markdown import ROOT

PAGES = [ROOT / "README.md", ROOT / "examples/flask_app/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#]+)(#[^)]*)?\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All Python blocks of a page, from top to bottom, as one program."""
    markdown.run(page, tmp_path, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_lead_somewhere(page: Path) -> None:
    """To files that are there."""
    for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{target} is not there"


def test_every_scheme_is_in_the_tables_with_its_options() -> None:
    """Of the page on refs, and of the README."""
    for page in (DOCS / "refs.md", ROOT / "README.md"):
        rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
        for scheme, rules in SCHEMES.items():
            own = [row for row in rows if row.startswith(f"| `{scheme}` ")]
            assert any(all(f"`{option}`" in row for option in rules.options) for row in own), f"{scheme}, {page.name}"
    assert all(f"`{option}`" in (DOCS / "refs.md").read_text(encoding="utf-8") for option in COMMON_OPTIONS)


def test_every_backend_has_a_page() -> None:
    """One for each scheme, or for the schemes of one provider."""
    pages = {"aws-sm": "aws", "aws-ssm": "aws", "azure-kv": "azure", "gcp-sm": "gcp"}
    for scheme in SCHEMES:
        assert (DOCS / "backends" / f"{pages.get(scheme, scheme)}.md").exists()


def test_every_outcome_is_told_of() -> None:
    """On the page on failures."""
    text = (DOCS / "failures.md").read_text(encoding="utf-8")
    assert all(f"`{outcome.name}`" in text for outcome in Outcome)


def test_every_command_and_option_is_told_of() -> None:
    """On the page on the command line."""
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert f"secretsource {name}" in text
        for option in (option for parameter in command.params for option in parameter.opts):
            assert not option.startswith("--") or option in text, f"{option} of {name}"


def test_the_backend_that_is_written_there_passes_the_suite(tmp_path: Path) -> None:
    """The page's driver and its harness, as a test file of somebody else's."""
    code = [block.text for block in markdown.blocks(DOCS / "writing-a-backend.md") if block.language == "python"]
    (tmp_path / "safe.py").write_text(code[0], encoding="utf-8")
    (tmp_path / "test_safe.py").write_text(f"from safe import *\n{code[-1]}", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_safe.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
