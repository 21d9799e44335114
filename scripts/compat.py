"""Run pydantic-settings' own tests with our Settings in place of its BaseSettings.

The tests come from the source distribution of the installed version, and stay in build/, which git leaves out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from collections import Counter
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pydantic_settings
import pytest

CACHE = Path(__file__).parent.parent / "build" / "compat"
FILES = ("test_settings.py", "test_precedence_and_merging.py", "test_source_nested_secrets.py")
ALLOWED = {
    # It expects an error text with the path of pydantic-settings' own class in it: no subclass can pass.
    "test_protected_namespace_defaults",
}


class Bare(pydantic_settings.BaseSettings):
    """What any subclass comes to: `--base compat:Bare`."""


class Figures:
    """A pytest plugin that counts, and keeps the names of what failed."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid.rpartition("::")[2])
        if report.when == "call" or report.skipped:
            self.outcomes[report.outcome] += 1


def fetch(release: str) -> Path:
    folder = CACHE / f"pydantic_settings-{release}"
    if not folder.exists():
        # Without isolation pip needs no build tools from elsewhere: hatchling is in the environment.
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--no-build-isolation"]
        wanted = ["--no-binary", "pydantic-settings", f"pydantic-settings=={release}"]
        subprocess.run([*pip, "--dest", CACHE, *wanted], check=True)
        with tarfile.open(f"{folder}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return folder


def load(target: str) -> type:
    module, _, name = target.partition(":")
    found: type = getattr(import_module(module), name)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="secretsource:Settings", help="MODULE:CLASS to put in place of BaseSettings")
    parser.add_argument("pytest", nargs="*", help="options for pytest, after --")
    options = parser.parse_args()

    release = version("pydantic-settings")
    folder = fetch(release)
    # The name that the tests import. Inside pydantic-settings BaseSettings stays what it is: our base.
    pydantic_settings.BaseSettings = load(options.base)  # type: ignore[misc, assignment]
    figures = Figures()
    tests = [str(folder / "tests" / name) for name in FILES]
    # secretsource's own plugin comes with pytest, and its module is here already: no reason to stop.
    quietly = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    status = pytest.main([*quietly, "-c", str(folder / "pyproject.toml"), *options.pytest, *tests], [figures])
    passed, failed, skipped = (figures.outcomes[outcome] for outcome in ("passed", "failed", "skipped"))
    print(f"pydantic-settings {release}, {options.base}: {passed} of {passed + failed} pass, {skipped} skipped.")
    unexpected = sorted(figures.failed - ALLOWED)
    for name in unexpected:
        print(f"  differs: {name}")
    ran = status in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    return 1 if unexpected or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
