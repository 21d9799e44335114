"""The guides: each shows the same settings class, and tests that pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides import GUIDES, files_of, put_down, python

PAGES = sorted(page.stem for page in GUIDES.glob("*.md"))


def test_all_guides_have_the_same_settings_class() -> None:
    """Word for word."""
    assert len({files_of(guide)["shop.py"] for guide in PAGES}) == 1


@pytest.mark.parametrize("guide", [guide for guide in PAGES if guide != "django"])
def test_the_tests_of_a_guide_pass(guide: str, tmp_path: Path) -> None:
    """Under pytest, in a folder with the files of the page and nothing else."""
    put_down(guide, tmp_path)
    done = python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
