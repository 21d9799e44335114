"""Files as another user meets them, for tests that may run as root, who may read everything."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from secretsource.backend import Outcome

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="secretsource-files-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def failing(path: Path, outcome: Outcome) -> Iterator[None]:
    """While inside, this process may not read the file (DENIED), or everybody may write to it (INVALID)."""
    before, user = path.stat().st_mode, os.geteuid()
    denied = outcome is Outcome.DENIED
    path.chmod(0 if denied else 0o666)
    try:
        os.seteuid(NOBODY if denied and user == 0 else user)
        yield
    finally:
        os.seteuid(user)
        path.chmod(before)
