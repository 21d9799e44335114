"""The example app in its production profile, with a stand-in for each store: `python -m examples.production`.

PostgreSQL, OpenBao, moto and servers that speak Key Vault's and Secret Manager's protocols are started on loopback and
filled; then gunicorn serves the app as it would in earnest, until somebody presses Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
from pathlib import Path

from tests.example.client import FLOWER
from tests.example.production import production


def main() -> None:
    """Serve until interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the servers, too, would take a Ctrl-C for theirs
    print("Starting PostgreSQL, four stores and gunicorn ...", flush=True)
    with tempfile.TemporaryDirectory() as folder, production(Path(folder)) as app:
        url = app.url.replace("127.0.0.1", "localhost")  # where browsers keep secure cookies without TLS, too
        print(f"\nIris is on {url}")
        print(f"Log in as admin with the password {app.admin.password}")
        print(f"         or as viewer with {app.viewer.password}")
        print(f"Its log: tail -f {app.log}")
        print("A program's request:\n")
        print(f"  curl {url}/api/predict -H 'Authorization: Bearer {app.viewer.token}' \\")
        print(f"    --json '{json.dumps(FLOWER)}'\n")
        print("Ctrl-C stops all of it.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            signal.pause()


if __name__ == "__main__":
    main()
