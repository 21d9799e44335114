"""A hermetic environment, set before any SDK is imported: no account of this machine, and no way out of it."""

from __future__ import annotations

import atexit
import errno
import ipaddress
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator

import pytest

import secretsource
from secretsource.backends.memory import MemoryBackend

pytest_plugins = [  # a line for each module in tests/servers that has fixtures
    "tests.servers.moto",  # before awsfront, which imports it
    "tests.servers.awsfront",
    "tests.servers.azurecloud",
    "tests.servers.keyrings",
    "tests.servers.gcpsm",
    "tests.servers.openbao",
    "tests.servers.postgres",
    "tests.servers.vaultfront",
    "tests.commandline",
    "tests.files",
    "tests.loggers",
    "tests.simulation",
]

_FOREIGN = re.compile(
    r"(AWS|AZURE|BAO|CLOUDSDK|DBUS|GCE|GCLOUD|GOOGLE|GRPC|IDENTITY|KEYRING|MSI|PYTHON_KEYRING|REQUESTS|SECRETSOURCE"
    r"|SSL_CERT|VAULT|XDG)_|BOTO|NETRC$|CURL_CA_BUNDLE$|(HTTPS?|ALL|NO)_PROXY$"
)
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
        if _FOREIGN.match(name.upper()):
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
    """The environment, the cache and `memory://` are for each test as they were before."""
    before = dict(os.environ)
    yield
    secretsource.clear_cache()
    MemoryBackend().clear()
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)
