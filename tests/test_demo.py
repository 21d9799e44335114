"""`make demo`: the main job against real servers, told as a shell session, with nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from examples.session import Session
from tests.markdown import blocks

ROOT = Path(__file__).parent.parent
DEMO = [sys.executable, "-m", "examples.demo"]


@pytest.fixture(scope="module")
def demo() -> subprocess.CompletedProcess[str]:
    """One run of the demo, for all tests that look at what it prints."""
    return subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


def test_everything_comes_out_as_expected(demo: subprocess.CompletedProcess[str]) -> None:
    """Its exit status tells of any step that does not."""
    assert (demo.returncode, demo.stderr) == (0, "")
    assert re.search(r"\nAll of it came out as expected, in \d+\.\d s\.\n$", demo.stdout)


def test_it_shows_a_denied_and_a_missing_case(demo: subprocess.CompletedProcess[str]) -> None:
    """With the exit status that a deployment would see."""
    assert "stripe_key: DENIED vault://kv/pay#stripe_key" in demo.stdout
    assert "(exit status 3)" in demo.stdout
    assert "smtp_password: MISSING" in demo.stdout
    assert "(exit status 1)" in demo.stdout


def test_it_tells_nothing_of_the_machine(demo: subprocess.CompletedProcess[str]) -> None:
    """No path, no address, no traceback, and no secret that was not asked for."""
    for foreign in (str(ROOT), tempfile.gettempdir(), sys.prefix, "127.0.0.1", "Traceback", "not-a-real-smtp-password"):
        assert foreign not in demo.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_its_servers_when_it_is_stopped(how: signal.Signals) -> None:
    """Whatever ends it early, nothing goes on running."""
    process = psutil.Popen(DEMO, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        servers = _servers_of(process)
        process.send_signal(how)
        process.wait(60)
        _, alive = psutil.wait_procs(servers, timeout=20)
        assert not alive
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(20)


def _servers_of(process: psutil.Popen) -> Sequence[psutil.Process]:
    """Two of its servers, once they have been started."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "the demo ended by itself"
        children = [child for child in process.children(recursive=True) if _is_server(child)]
        if len(children) >= 2:
            return children
        time.sleep(0.02)
    pytest.fail("the demo did not start two servers")


def _is_server(process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return "moto.server" in command or "server -dev" in command


def test_a_step_that_comes_out_otherwise_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A demo that shows something else than it says is a failure."""
    session = Session(tmp_path)
    session.run("env", "no such text")
    session.run("false")
    assert session.unexpected == ["env: no 'no such text' in its output", "false: exit status 1 instead of 0"]
    assert "(exit status 1)" in capsys.readouterr().out


def test_commands_see_nothing_of_the_users_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has AWS_PROFILE or VAULT_TOKEN set sees the same demo."""
    monkeypatch.setenv("AWS_PROFILE", "somebodys-own")
    session = Session(tmp_path)
    session.export("SHOWN", "a b")
    session.run("env", "SHOWN=a b", f"HOME={tmp_path}")
    shown = capsys.readouterr().out
    assert not session.unexpected
    assert "somebodys-own" not in shown
    assert "$ export SHOWN='a b'\n$ env\n" in shown
    assert os.environ["AWS_PROFILE"] == "somebodys-own"


def test_the_readme_shows_it(demo: subprocess.CompletedProcess[str]) -> None:
    """All but the class, and but for times and versions."""
    shown = next(block.text for block in blocks(ROOT / "README.md") if block.language == "console")
    _, _, printed = demo.stdout.partition("# Development")
    assert _without_chance(f"# Development{printed}") == _without_chance(shown)


def _without_chance(text: str) -> list[str]:
    """The lines without what is different each time."""
    varying = re.sub(r"\b[0-9a-f]{8}\b|\b\d+(\.\d+)?(?= ?m?s\b)|\d+(?= predictions)", "#", text)
    return [" ".join(line.split()) for line in varying.strip().splitlines()]
