"""Type checkers know what `secrets.current` is, without a plugin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

API = Path(__file__).with_name("api.py")


def run_mypy(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """In strict mode, with an empty configuration."""
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    (folder / "code.py").write_text(code)
    command = [sys.executable, "-m", "mypy", "--config-file", str(folder / "mypy.ini")]
    command += ["--cache-dir", str(folder), str(folder / "code.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_mypy_accepts_the_extension_and_knows_the_class(tmp_path: Path) -> None:
    """What is right is accepted, and a field that is not there is told."""
    code = API.read_text(encoding="utf-8")
    done = run_mypy(tmp_path, code)
    assert done.returncode == 0, done.stdout
    done = run_mypy(tmp_path, code.replace("secrets.current.database.password", "secrets.current.database.pasword"))
    assert '"Database" has no attribute "pasword"' in done.stdout
