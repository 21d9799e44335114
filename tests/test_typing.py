"""Type checkers accept the public face without a plugin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_mypy_accepts_the_public_face_without_a_plugin(tmp_path: Path) -> None:
    """In strict mode, with an empty configuration."""
    (config := tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(tmp_path)]
    done = subprocess.run([*command, str(HERE / "typing" / "api.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
