"""What users test with: `override`, and the fixture `secretsource`."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr

import secretsource as library
from secretsource import (
    AccessDenied,
    ConfigurationError,
    From,
    Live,
    Outcome,
    ResolutionError,
    SecretNotFound,
    Settings,
    SettingsConfigDict,
    Unavailable,
)
from secretsource.backends.memory import MemoryBackend
from secretsource.testing import Stores, override


class Shop(Settings):
    """A class that no test lets reach a store."""

    model_config = SettingsConfigDict(chain=("env://", "dotenv://.env", "vault://kv/shop", "aws-sm://prod/"))
    key: SecretStr
    plain: str = "default"
    card: Annotated[str, From("azure-kv://pay-vault/card")] = "none"


class Nested(Settings):
    """A class with a field that is deeper in its secret."""

    password: Annotated[str, From("vault://kv/a#db/password")]


def test_values_stand_in_for_every_store() -> None:
    """By ref; what is not named is missing, and afterwards all is as it was."""
    with override({"vault://kv/shop#key": "from-vault", "azure-kv://pay-vault/card": "from-azure"}) as stores:
        settings = Shop()
        assert (settings.key.get_secret_value(), settings.plain, settings.card) == (
            "from-vault",
            "default",
            "from-azure",
        )
        assert settings.resolution("key").backend == "vault"
        assert "vault://kv/shop" in stores.calls
        with pytest.raises(SecretNotFound):
            library.get("gcp-sm://project/secret")
    assert "from-vault" not in repr(stores)


def test_json_and_bytes_can_be_put_in() -> None:
    """Anything but text and bytes goes in as JSON; keys of one secret stand side by side."""
    with override({"memory://a": {"n": 1.5, "o": [1]}, "memory://b": b"\xff", "memory://c#x": "1", "memory://c#y": 2}):
        assert library.get("memory://a#n") == "1.5"
        assert library.get_bytes("memory://b") == b"\xff"
        assert (library.get("memory://c#x"), library.get("memory://c#y")) == ("1", "2")


def test_the_environment_stays_and_files_do_not(
    secretsource: Stores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A developer's `.env` is nobody's business in a test; a variable is."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("KEY=mine\nPLAIN=mine\n")
    monkeypatch.setenv("KEY", "env")
    assert Shop().model_dump()["plain"] == "default"
    secretsource.set("dotenv://.env#PLAIN", "given")
    assert Shop().plain == "given"


def test_a_failure_can_be_tried(secretsource: Stores) -> None:
    """Until the secret is set again."""
    secretsource.fail("vault://kv/shop", Outcome.DENIED)
    with pytest.raises(ResolutionError, match="DENIED"):
        Shop()
    secretsource.set("vault://kv/shop#key", "good")
    assert Shop().key.get_secret_value() == "good"


def test_a_rotation_can_be_tried(secretsource: Stores) -> None:
    """At once, or as time passes."""
    secretsource.set("vault://kv/shop#key", "one")
    with Live(Shop) as live:
        secretsource.rotate("vault://kv/shop#key", "two")
        assert live.current.key.get_secret_value() == "two"
        assert live.current.resolution("key").version == "2"
        secretsource.set("vault://kv/shop#key", "three")
        assert Shop().key.get_secret_value() == "two"
        secretsource.clock.advance(300)
        assert Shop().key.get_secret_value() == "three"


PASSWORD = "aws-sm://prod/db#pw"
PREVIOUS = "aws-sm://prod/db?stage=AWSPREVIOUS#pw"
FAR = 10 * 86_400  # seconds, by which a test's clock runs ahead


def test_options_tell_secrets_apart() -> None:
    """Stages, versions and regions are values of their own, in whichever order they are given."""
    values = {PREVIOUS: "old", PASSWORD: "new", "azure-kv://v/s": "second", "azure-kv://v/s?version=1": "first"}
    for given in (values, dict(reversed(values.items()))):
        with override(given):
            assert {ref: library.get(ref) for ref in values} == values


def test_a_ref_whose_options_were_given_nothing_finds_what_was_given_without() -> None:
    """An app's own `?region=` needs no mention in a test; what the core does itself is no option of the secret."""
    with override({PASSWORD: "plain", "vault://kv/x?ttl=5#k": "kept"}):
        assert library.get("aws-sm://prod/db?region=eu-west-1#pw") == "plain"
        assert library.get("aws-sm://prod/db?ttl=60#pw") == "plain"
        assert library.get("vault://kv/x#k") == "kept"
    with override({PREVIOUS: "old"}), pytest.raises(SecretNotFound):
        library.get(PASSWORD)


def test_rotations_and_failures_are_for_the_options_that_they_name(secretsource: Stores) -> None:
    """The secret without them stays as it is, and a key that is put in joins what was found there so far."""
    secretsource.set("aws-sm://prod/db", {"pw": "new", "user": "u"})
    secretsource.fail(PREVIOUS, Outcome.DENIED)
    assert library.get(PASSWORD) == "new"
    with pytest.raises(AccessDenied):
        library.get(PREVIOUS)
    secretsource.rotate(PREVIOUS, "old")
    assert (library.get(PASSWORD), library.get(PREVIOUS)) == ("new", "old")
    assert library.get("aws-sm://prod/db?stage=AWSPREVIOUS#user") == "u"
    secretsource.fail(PASSWORD, Outcome.DENIED)
    library.clear_cache()
    assert library.get(PREVIOUS) == "old"


def test_a_first_value_for_options_is_newer_than_what_was_found_without(secretsource: Stores) -> None:
    """Else the cache would take it for a replica's that lags behind."""
    other = "aws-sm://prod/db?region=eu-west-1#pw"
    for value in ("one", "two"):
        secretsource.set(PASSWORD, value)
    assert library.get(other) == "two"
    secretsource.set(other, "three")
    secretsource.clock.advance(301)
    assert library.get(other) == "three"


def test_a_scheme_that_stays_real_is_refused(secretsource: Stores) -> None:
    """It would be set to no avail; the message says what to do."""
    for refused in (
        lambda: secretsource.set("env://SHOP_KEY", "x"),
        lambda: secretsource.rotate("ENV://SHOP_KEY", "x"),
        lambda: secretsource.fail("env://SHOP_KEY", Outcome.DENIED),
        lambda: override({"env://SHOP_KEY": "x"}).__enter__(),
    ):
        with pytest.raises(ConfigurationError, match=r"env://.*monkeypatch\.setenv"):
            refused()


@pytest.mark.parametrize("text", ['{"k": "j", "n": 1.50}', b'{"k": "j", "n": 1.50}'])
def test_a_key_is_put_beside_those_of_a_json_text(secretsource: Stores, text: str | bytes) -> None:
    """As beside those of a dict; what is no object has none."""
    secretsource.set("vault://kv/raw", text)
    secretsource.set("vault://kv/raw#q", "w")
    assert [library.get(f"vault://kv/raw#{key}") for key in "kqn"] == ["j", "w", "1.50"]
    for other in ("text", "[1]", b"\xff"):
        secretsource.set("vault://kv/other", other)
        secretsource.rotate("vault://kv/other#q", "w")
        assert library.get("vault://kv/other#q") == "w"


def test_a_key_inside_an_object_is_put_there(secretsource: Stores) -> None:
    """Where a ref with that key looks: a literal key wins, and what is no object has nothing inside."""
    secretsource.set("vault://kv/a", {"db": {"password": "one", "user": "u"}, "x/y": "literal", "x": {"y": 1}, "t": ""})
    with Live(Nested) as live:
        secretsource.rotate("vault://kv/a#db/password", "two")
        assert live.current.password == "two"
    assert library.get("vault://kv/a#db") == '{"password": "two", "user": "u"}'
    secretsource.rotate("vault://kv/a#db/host/name", "h")
    assert library.get("vault://kv/a#db/host/name") == "h"
    secretsource.rotate("vault://kv/a#x/y", "new")
    assert (library.get("vault://kv/a#x/y"), library.get("vault://kv/a#x")) == ("new", '{"y": 1}')
    secretsource.rotate("vault://kv/a#t/z", "beside")
    assert (library.get("vault://kv/a#t/z"), library.get("vault://kv/a#t")) == ("beside", "")


def test_what_a_test_has_put_in_is_a_copy(secretsource: Stores) -> None:
    """So that one test does not change another's values."""
    given = {"db": {"password": "one"}}
    secretsource.set("vault://kv/a", given)
    secretsource.set("vault://kv/a#db/password", "two")
    assert given == {"db": {"password": "one"}}
    given["db"]["password"] = "three"
    secretsource.clock.advance(301)
    assert library.get("vault://kv/a#db/password") == "two"


HOLDS_ITSELF: dict[str, object] = {}
HOLDS_ITSELF["me"] = HOLDS_ITSELF


@pytest.mark.parametrize(
    ("ref", "value", "reason"),
    [
        ("vault://kv/shop#pem", b"\xff", "type bytes"),
        ("vault://kv/shop#key", SecretStr("canary"), "type SecretStr"),
        ("vault://kv/shop", SecretStr("canary"), "type SecretStr"),
        ("vault://kv/shop", {"a": {"b": b"canary"}}, "type bytes"),
        ("vault://kv/shop", {"a": float("nan")}, "NaN"),
        ("vault://kv/shop", HOLDS_ITSELF, "it holds itself"),
    ],
)
def test_what_no_store_could_hold_is_refused(secretsource: Stores, ref: str, value: object, reason: str) -> None:
    """When it is put in, and what was there stays."""
    secretsource.set("vault://kv/shop#key", "good")
    for put_in in (secretsource.set, secretsource.rotate):
        with pytest.raises(TypeError, match=f"only text, or bytes.*{reason}") as caught:
            put_in(ref, value)
        assert "canary" not in str(caught.value)
    assert library.get("vault://kv/shop#key") == "good"


def test_only_what_a_test_says_is_said_to_be_said(secretsource: Stores) -> None:
    """Another error goes by its own name."""
    stand_in = secretsource.backend("vault")
    assert stand_in is not None
    secretsource.fail("vault://kv/shop", Outcome.UNAVAILABLE)
    with pytest.raises(Unavailable, match="the test says so"):
        library.get("vault://kv/shop#key")
    assert stand_in.advise(RuntimeError()).detail is None


def test_a_file_that_a_variable_names_is_stood_in_for(secretsource: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nothing was set for is told of by name; to a source of the chain it is but missing."""
    monkeypatch.setenv("KEY_FILE", __file__)
    with pytest.raises(ResolutionError, match=r"in this test nothing was set for it \(set\('file:///"):
        Shop()
    secretsource.set(f"file://{__file__}", "from-file")
    assert Shop().key.get_secret_value() == "from-file"
    with pytest.raises(SecretNotFound):
        library.get("file:///etc/hostname")


def test_a_mistyped_scheme_is_told_of() -> None:
    """Where nothing has asked for it: the value is somewhere else than the test believes."""
    with pytest.warns(UserWarning, match="valt://.*did you mean 'vault'"), override({"valt://kv/shop#key": "x"}):
        pass
    with pytest.warns(UserWarning, match="valt://.*did you mean 'vault'"), override({}) as stores:
        stores.fail("valt://kv/shop", Outcome.DENIED)


def test_a_scheme_of_the_user_s_own_is_good_as_it_is() -> None:
    """Though it looks like a built-in one."""

    class TwoVaults(Settings):
        model_config = SettingsConfigDict(backends={"vault2": MemoryBackend({})}, chain=("vault2://kv/shop",))
        key: str

    with override({"vault2://kv/shop#key": "x", "shelf://nobody": "asks"}):
        assert TwoVaults().key == "x"


def test_only_an_outcome_that_fails_is_a_failure(secretsource: Stores) -> None:
    """Another would be taken for one that it is not."""
    secretsource.set("vault://kv/shop#key", "good")
    with pytest.raises(TypeError, match=r"Outcome\.DENIED"):
        secretsource.fail("vault://kv/shop", "DENIED")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="FOUND is no failure"):
        secretsource.fail("vault://kv/shop", Outcome.FOUND)
    assert library.get("vault://kv/shop#key") == "good"
    for outcome in set(Outcome) - {Outcome.FOUND}:
        secretsource.fail("vault://kv/shop", outcome)


def test_a_live_follows_on_after_a_clock_that_ran_ahead() -> None:
    """In the next test, in one inside, and with the real clock; its health is of the present again, too."""
    with override({"vault://kv/shop#key": "one"}) as stores, Live(Shop) as live:
        stores.clock.advance(FAR)
        stores.rotate("vault://kv/shop#key", "two")
        with override({"vault://kv/shop#key": "three"}) as inner:
            inner.rotate("vault://kv/shop#key", "four")
            assert live.current.key.get_secret_value() == "four"
            last = live.health().last_success
            assert last is not None
            assert last <= datetime.now(UTC)
            inner.clock.advance(FAR)
            inner.rotate("vault://kv/shop#key", "five")
            assert live.current.key.get_secret_value() == "five"


def test_the_fixture_comes_with_the_package(tmp_path: Path) -> None:
    """Without a conftest, and without being imported."""
    (tmp_path / "test_it.py").write_text(
        "import secretsource as library\n"
        "def test_it(secretsource):\n"
        "    secretsource.set('vault://kv/pay#stripe', 'x')\n"
        "    assert library.get('vault://kv/pay#stripe') == 'x'\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout
