"""What is wrong with a declaration is told before anything is asked, and all of it at once."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Annotated, Any

import pytest

from secretsource import (
    ConfigurationError,
    From,
    InvalidRef,
    MissingExtra,
    Settings,
    SettingsConfigDict,
    UnknownBackend,
    explain,
)
from secretsource.backends.memory import MemoryBackend
from secretsource.errors import joined
from secretsource.testing import override


def test_all_unknown_backends_are_told_at_once() -> None:
    """Of the chain and of the fields; one that is but mistyped among them."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "nowhere://a", "vlt://b"))
        a: Annotated[str, From("elsewhere://x")]

    with pytest.raises(UnknownBackend) as info:
        S()
    lines = str(info.value).splitlines()
    assert [line.split()[5].partition(":")[0] for line in lines] == ["nowhere", "vlt", "elsewhere"]
    assert "did you mean 'vault'?" in lines[1]


def test_an_unknown_backend_is_told_in_tests_too() -> None:
    """A store of a test stands in for a backend that there is."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("vlt://kv/shop",))
        a: str = "default"

    with override({}), pytest.raises(UnknownBackend, match="did you mean 'vault'"):
        S()


def test_faults_of_every_kind_are_told_at_once() -> None:
    """Keys of the config, sources and steering."""
    config: Any = {"chain": ("aws-sm://x?nonsense=1", "nowhere://a"), "timeout": 0, "on_denied": "ignore", "cache": 5}

    class S(Settings):
        model_config = config
        a: Annotated[str, From(only="valt")]

    with pytest.raises(ConfigurationError) as info:
        S()
    lines = str(info.value).splitlines()
    for line, about in zip(lines, ("cache", "timeout", "on_denied", "nonsense", "nowhere", "valt"), strict=True):
        assert about in line


def test_faults_of_one_kind_keep_their_class() -> None:
    """And of several kinds are what all of them are; the same fault is told once."""
    assert type(joined([InvalidRef("a"), InvalidRef("b")])) is InvalidRef
    assert type(joined([InvalidRef("a"), UnknownBackend("b")])) is ConfigurationError
    assert str(joined([InvalidRef("a"), UnknownBackend("b\na")])) == "a\nb"


def test_all_missing_extras_are_told_in_one_command() -> None:
    """With the exact pip install; to be caught as an ImportError too, and to be pickled."""
    error = joined([MissingExtra("vault", "vault"), MissingExtra("aws-sm", "aws"), MissingExtra("aws-ssm", "aws")])
    assert isinstance(error, ImportError)
    assert (
        str(error) == "aws-sm, aws-ssm, vault need SDKs that are not installed: pip install 'secretsource[aws,vault]'"
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_backends_without_their_sdks_are_told_at_once() -> None:
    """All that one load needs."""
    script = """
import sys
sys.modules |= dict.fromkeys(("botocore", "botocore.session", "boto3", "hvac"))
from typing import Annotated
from secretsource import From, MissingExtra, Settings
class S(Settings):
    a: Annotated[str, From("vault://kv/a#b")]
    b: Annotated[str, From("aws-sm://b")]
try:
    S()
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("pip install 'secretsource[aws,vault]'")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("aws-sm://x?stage={name}", "only {profile}"),
        ("vault://kv/x?namespace={path}#{name}", "only {profile}"),
        ("dotenv://", "the path of a file"),
        ("env://?version=3", "env has no versions"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(source: str, reason: str) -> None:
    """And not found out when it is first used."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=(source,))
        a: str = "default"

    with pytest.raises(InvalidRef, match=reason):
        S()


@pytest.mark.parametrize("steer", [{"name": 5}, {"name": "a\nb"}, {"name": "/"}, {"only": 5}, {"never": (1,)}])
def test_steering_that_makes_no_sense_is_refused(steer: Any) -> None:
    """Where it is written, in a line."""
    with pytest.raises(ConfigurationError, match="From"):
        From(**steer)


def test_a_scheme_of_ones_own_is_one() -> None:
    """In whatever case it is written; what can be none is refused, all of them at once."""
    store = MemoryBackend({"a": "value"})
    own: Any = {"Mine": store, "not one": store, 5: store, "wrong": "no backend"}

    class S(Settings):
        model_config = SettingsConfigDict(chain=("MINE://{name}",), backends={"Mine": store})
        a: str

    class Wrong(S):
        model_config = {"backends": own}  # noqa: RUF012 - a config

    assert S().a == "value"
    with pytest.raises(ConfigurationError) as info:
        Wrong()
    told = str(info.value).splitlines()
    assert all(word in line for word, line in zip(("'not one'", "5", "wrong"), told, strict=True))


@pytest.mark.parametrize("what", [5, None, int, "ShopSettings"])
def test_only_settings_are_explained(what: Any) -> None:
    """An object, or its class."""
    with pytest.raises(TypeError, match="explain takes a settings object or its class"):
        explain(what)
