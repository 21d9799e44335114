"""The certificate authority of the loopback servers: one for the whole test session."""

from __future__ import annotations

import atexit
import functools
import ssl
import tempfile
import threading
from pathlib import Path

import trustme

_making = threading.RLock()  # servers may start at the same time, and there is to be one authority


def authority() -> trustme.CA:
    """The authority that all servers' certificates come from."""
    with _making:
        return _authority()


@functools.cache
def _authority() -> trustme.CA:
    return trustme.CA(organization_name="secretsource tests")


def bundle() -> str:
    """The path of its certificate, for `REQUESTS_CA_BUNDLE` and the like."""
    with _making:
        return _bundle()


@functools.cache
def _bundle() -> str:
    folder = tempfile.TemporaryDirectory(prefix="secretsource-ca-")
    atexit.register(folder.cleanup)
    path = Path(folder.name, "ca.pem")
    authority().cert_pem.write_to_path(str(path))
    return str(path)


def server_context(*names: str) -> ssl.SSLContext:
    """What a server needs that is reached by these names; `localhost` and 127.0.0.1 always go."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost", "127.0.0.1", *names).configure_cert(context)
    return context
