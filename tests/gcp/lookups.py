"""Lookups in a process of their own: google-auth reads its environment when it is imported, and only once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.servers.tls import bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = """
import json, sys, time, urllib.request
import secretsource

def look_up(ref):
    start = time.monotonic()
    try:
        said = {"value": secretsource.get(ref)}
    except secretsource.BackendError as error:
        said = {"outcome": error.outcome.name, "hint": error.hint, "text": str(error)}
    return {**said, "seconds": time.monotonic() - start}

for step in json.loads(sys.argv[1]):
    if isinstance(step, str):
        secretsource.clear_cache()
        print(json.dumps(look_up(step)))
    else:
        address, order = step
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(address, json.dumps(order).encode()).read()
"""


@dataclass(frozen=True)
class Said:
    """What came of one lookup."""

    seconds: float
    value: str | None = None
    outcome: str | None = None
    hint: str | None = None
    text: str = ""


def looked_up(*steps: str | tuple[str, object], **environment: str) -> list[Said]:
    """Look up refs, one after the other, in a new process; a step that is no ref is an order to the service."""
    trusted = {"REQUESTS_CA_BUNDLE": bundle(), "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": bundle()}
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM, json.dumps(steps)]
    environ: Mapping[str, str] = {**os.environ, **paths, **trusted, **environment}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return [Said(**json.loads(line)) for line in done.stdout.splitlines()]
