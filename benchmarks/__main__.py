"""`python -m benchmarks [--quick] [TOPIC...]`: measure, print the table, and write it to RESULTS.md.

Each topic runs in a process of its own, so that none finds what another has imported or left in the cache.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.harness import RUNS, Line, run

TOPICS: Final = {
    "imports": "Importing",
    "startup": "Process start",
    "cli": "Command line",
    "environment": "Environment",
    "dotenv_files": "`.env`",
    "warm": "Warm reads",
    "live": "Live",
    "expiry": "At expiry, and in an outage",
    "workers": "Workers of gunicorn",
    "flask_requests": "Flask: requests",
    "flask_rotation": "Flask: rotation under gunicorn",
    "flask_start": "Flask: start of an app",
    "aws": "AWS Secrets Manager",
    "vault": "Vault",
    "azure": "Azure Key Vault",
    "gcp": "Google Secret Manager",
    "chain": "Several stores",
    "cold": "Cold process to first value",
}
_QUICK: Final = 3
_ROOT: Final = Path(__file__).parents[1]


def main() -> None:
    """Measure what is asked for."""
    options = _options()
    if options.lines:
        print(json.dumps([asdict(line) for line in import_module(f"benchmarks.{options.lines}").measure(options.runs)]))
        return
    compileall.compile_dir(_ROOT / "src", quiet=1)  # as an installed package is
    topics = options.topics or list(TOPICS)
    tables = {topic: _measured(topic, options.runs) for topic in topics}
    if not options.topics:
        report.write({TOPICS[topic]: lines for topic, lines in tables.items()}, options.runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure secretsource beside its peers.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"which: {', '.join(TOPICS)}; all by default")
    parser.add_argument("--quick", dest="runs", action="store_const", const=_QUICK, default=RUNS, help="fewer runs")
    parser.add_argument("--lines", help=argparse.SUPPRESS)  # one topic, in its own process
    options = parser.parse_args()
    if unknown := set(options.topics) - TOPICS.keys():
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    return options


def _measured(topic: str, runs: int) -> list[Line]:
    quick = ["--quick"] if runs == _QUICK else []
    lines = [
        Line(**line)
        for line in json.loads(run([sys.executable, "-m", "benchmarks", "--lines", topic, *quick], _environ()))
    ]
    print(report.text(TOPICS[topic], lines), flush=True)
    return lines


def _environ() -> dict[str, str]:
    """The environment without what steers Python or a store, and with the way to these modules."""
    foreign = ("PYTHON", "AWS_", "AZURE_", "GOOGLE_", "VAULT_", "BAO_", "SECRETSOURCE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "PYTHONPATH": str(_ROOT)}


if __name__ == "__main__":
    main()
