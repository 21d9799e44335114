"""Build the wheel, install it into an empty environment, and see that what users get is whole and light."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES_OF_OTHERS = "azure boto3 botocore click flask google grpc hvac keyring pydantic_settings redis requests rich"
IMPORT = f"""
import sys
import secretsource
loaded = sorted(set({MODULES_OF_OTHERS!r}.split()) & set(sys.modules))
sys.exit("import secretsource loads " + ", ".join(loaded) if loaded else 0)
"""


def run(*command: str | Path) -> None:
    finished = subprocess.run(command, check=False)
    if finished.returncode:
        sys.exit(f"Failed: {command[0]} {command[1]} ...")


def build(folder: Path) -> Path:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_content(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.py")}
    if missing := sorted((expected | {"secretsource/py.typed"}) - names):
        sys.exit(f"Not in the wheel: {', '.join(missing)}")
    if foreign := sorted(name for name in names if not name.startswith("secretsource")):
        sys.exit(f"Should not be in the wheel: {', '.join(foreign)}")


def check_import(wheel: Path, folder: Path) -> None:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-qq", "-c", ROOT / "constraints.txt", wheel)
    for interpreter in (python, sys.executable):  # with nothing else installed, and with everything
        run(interpreter, "-I", "-c", IMPORT)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel = build(folder)
        check_content(wheel)
        check_import(wheel, folder / "venv")
        print(f"{wheel.name}: whole, and imports alone.")


if __name__ == "__main__":
    main()
