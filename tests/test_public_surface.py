"""The public names, and what importing the package costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import secretsource

PUBLIC = {
    *(
        "AccessDenied",
        "Attempt",
        "Backend",
        "BackendError",
        "CachePolicy",
        "ChainSettingsSource",
        "Change",
        "ConfigurationError",
    ),
    *(
        "Explanation",
        "From",
        "Health",
        "InactiveSecret",
        "InvalidRef",
        "InvalidSecret",
        "Lease",
        "Live",
        "MissingExtra",
    ),
    *("NotAuthenticated", "Outcome", "Problem", "Ref", "Resolution", "ResolutionError", "SecretNotFound"),
    *("SecretSourceError", "SecretValue", "Settings", "SettingsConfigDict", "Source", "Throttled", "Unavailable"),
    *("UnknownBackend", "aget", "clear_cache", "explain", "get", "get_bytes", "redact_logs"),
}
EVERY_STORE = """
import os
from secretsource import Settings
class S(Settings, chain=("env://", "vault://kv/shop", "aws-sm://shop", "gcp-sm://p", "azure-kv://v")):
    a: str
os.environ["A"] = "1"
S()
"""
HEAVY = [
    "azure",
    "boto3",
    "botocore",
    "click",
    "flask",
    "google",
    "grpc",
    "hvac",
    "keyring",
    "pydantic",
    "requests",
    "rich",
]


def test_the_public_names_are_these() -> None:
    """A new one is added on purpose; each can be had, and is listed."""
    assert set(secretsource.__all__) == PUBLIC
    assert set(secretsource.__all__) <= set(dir(secretsource))
    for name in secretsource.__all__:
        assert getattr(secretsource, name).__module__.startswith("secretsource")


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        secretsource.nothing  # noqa: B018


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh process has after running some code."""
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import secretsource", set()),
        ("import os, secretsource; os.environ['X'] = '1'; secretsource.get('env://X')", set()),
        ("from secretsource import Settings", {"pydantic"}),
        (
            EVERY_STORE,
            {"pydantic"},
        ),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str, allowed: set[str]) -> None:
    """Neither an SDK nor a framework; not even pydantic for a lookup by hand."""
    assert not modules_after(code) & set(HEAVY) - allowed


@pytest.mark.parametrize("absent", ["flask", "click", "blinker", "flask, click, blinker, itsdangerous, werkzeug"])
def test_the_flask_extension_says_what_to_install(absent: str) -> None:
    """Whichever part of its extra it misses first."""
    script = f"""
import sys
sys.modules |= dict.fromkeys({absent.split(", ")!r})
from secretsource import MissingExtra
try:
    import secretsource.flask
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("pip install 'secretsource[flask]'")


def test_a_class_without_a_chain_loads_nothing_that_a_chain_needs() -> None:
    """It is to cost what a BaseSettings costs, annotations and all."""
    code = "import sys, typing; from secretsource import Settings; typing.get_type_hints(type('S', (Settings,), {}))"
    script = f"{code}; type('S', (Settings,), {{}})(); print('secretsource.resolver' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
