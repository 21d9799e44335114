"""A hermetic environment, set before any SDK is imported: no account of this machine, and no way out of it."""

from __future__ import annotations

import atexit
import errno
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator

import pytest

from secretsource.backends.memory import MemoryBackend

pytest_plugins = [  # a line for each module in tests/servers that has fixtures
    "tests.servers.moto",
    "tests.servers.awsfront",
    "tests.servers.keyrings",
]

_FOREIGN = (
    *(
        "AWS_",
        "AZURE_",
        "BAO_",
        "BOTO",
        "CLOUDSDK_",
        "DBUS_",
        "GCE_",
        "GCLOUD_",
        "GOOGLE_",
        "GRPC_",
        "IDENTITY_",
        "MSI_",
    ),
    *("KEYRING_", "PYTHON_KEYRING_", "REQUESTS_", "SECRETSOURCE_", "SSL_CERT_", "VAULT_", "XDG_"),
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CURL_CA_BUNDLE", "NETRC")
_HOME = tempfile.mkdtemp(prefix="secretsource-home-")
_CLOSED = "127.0.0.1:9"
_HERMETIC = {
    "HOME": _HOME,
    "USERPROFILE": _HOME,
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{_CLOSED}",
    "CLOUDSDK_CONFIG": "/nonexistent",
    "GCE_METADATA_DETECT_RETRIES": "1",
    "GCE_METADATA_HOST": _CLOSED,
    "GCE_METADATA_IP": _CLOSED,
    "GCE_METADATA_TIMEOUT": "1",
    "GRPC_VERBOSITY": "NONE",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
}


def _shut_in() -> None:
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.upper() in _PROXIES:
            del os.environ[name]
    os.environ.update(_HERMETIC)
    atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
    sys.addaudithook(_guard)


_reached: list[str] = []


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse to leave this machine, in words that any network code understands, and remember who tried."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not _is_loopback(arguments[1][0]):
        _reached.append(str(arguments[1]))
        raise OSError(errno.ENETUNREACH, "tests do not leave this machine")
    if event == "socket.getaddrinfo" and not _is_loopback(arguments[0]):
        _reached.append(str(arguments[0]))
        raise socket.gaierror(socket.EAI_NONAME, "tests do not leave this machine")


def _is_loopback(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


_shut_in()


@pytest.fixture(autouse=True)
def reached() -> Iterator[list[str]]:
    """The hosts outside that something tried to reach. A test that means it to happen clears the list."""
    _reached.clear()
    yield _reached
    assert not _reached, f"tried to reach {', '.join(_reached)}"


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    """The environment and `memory://` are for each test as they were before."""
    before = dict(os.environ)
    yield
    MemoryBackend().clear()
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)
