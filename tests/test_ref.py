"""Refs: the grammar, its round trip, and what it refuses."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secretsource.errors import ConfigurationError, InvalidRef, UnknownBackend
from secretsource.grammar import SCHEMES
from secretsource.ref import Ref

CANARY = "not-a-real-password"

WHOLE = [
    "aws-sm://prod/db?region=eu-west-1#password",
    "aws-sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf#password",
    "aws-sm://rds!db-1234?stage=AWSPREVIOUS&version=abc",
    "aws-ssm:///prod/shop/key?label=live",
    "azure-kv://pay-vault/stripe-key?version=0123&cloud=china",
    "azure-kv://localhost:8443/stripe-key",
    "gcp-sm://my-project/shop?version=3&location=europe-west3&transport=rest#a/b",
    "gcp-sm://-/shop",
    "vault://kv/shop#database/password",
    "vault://kv/a%20b?namespace=team/one&addr=https://vault.example:8200#key%20with%20blanks",
    "env://SHOP_DEBUG",
    "dotenv://.env#SHOP_DEBUG",
    "dotenv://../.env?interpolate=false#X",
    "file:///run/secrets/key?strip=false&encoding=base64",
    "keyring://service/name",
    "memory://anything at all/?ttl=0.5",
    "vault://kv/ключ#пароль",
    "corporate-store://some/where?own=option#key",
]

text = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40)


@pytest.mark.parametrize("ref", WHOLE)
def test_the_text_of_a_ref_round_trips(ref: str) -> None:
    """What was parsed is what `str` gives back, and a ref made of the same parts equals it."""
    parsed = Ref.parse(ref)
    assert str(parsed) == ref
    rebuilt = Ref(parsed.scheme, parsed.location, parsed.options, parsed.key)
    assert Ref.parse(str(rebuilt)) == parsed == rebuilt
    assert hash(rebuilt) == hash(parsed)


@given(location=text, key=st.none() | text, version=st.none() | text)
@example(location="a+b c%20?#", key="x#y?z%", version="&=#?")
def test_any_name_can_be_written_as_a_ref(location: str, key: str | None, version: str | None) -> None:
    """Names with every kind of character survive being written down and read again."""
    ref = Ref("memory", location, {} if version is None else {"version": version}, key)
    if ".." not in location.split("/") and "@" not in location:  # these are refused, see below
        assert Ref.parse(str(ref)) == ref


@given(st.text(max_size=60))
@example("vault://%ff")
@example("memory://%")
@example("://")
def test_nonsense_is_refused_by_the_named_errors_alone(nonsense: str) -> None:
    """Whatever the text, parsing gives a ref or a ConfigurationError."""
    for candidate in (nonsense, f"memory://{nonsense}", f"vault://kv/{nonsense}", f"aws-sm://a?{nonsense}"):
        try:
            Ref.parse(candidate)
        except ConfigurationError:
            continue


def test_a_ref_is_taken_apart() -> None:
    """Scheme, location, options and key are what they are called."""
    ref = Ref.parse("AWS-SM://prod/db?region=eu-west-1&stage=AWSPREVIOUS#user/name")
    assert (ref.scheme, ref.location, ref.key) == ("aws-sm", "prod/db", "user/name")
    assert ref.options == {"region": "eu-west-1", "stage": "AWSPREVIOUS"}


def test_a_plus_is_a_plus() -> None:
    """A `+` is no blank, and needs no encoding."""
    assert Ref.parse("aws-sm://a+b").location == "a+b"


def test_the_order_of_options_does_not_matter() -> None:
    """Two refs with the same options are the same ref."""
    assert Ref.parse("aws-sm://a?region=r&stage=s") == Ref.parse("aws-sm://a?stage=s&region=r")


def test_the_document_is_the_secret_without_what_the_core_does_with_it() -> None:
    """Key, ttl, encoding and case do not change which secret is asked for; the version does."""
    ref = Ref.parse("memory://a?ttl=5&encoding=base64&case=kebab&version=2#key")
    assert ref.document == Ref.parse("memory://a?version=2")


def test_a_ref_cannot_be_changed_and_pickles() -> None:
    """It is safe as a key, and travels with what holds it."""
    ref = Ref.parse("vault://kv/shop#a")
    with pytest.raises(AttributeError, match="immutable"):
        ref.key = "b"
    assert pickle.loads(pickle.dumps(ref)) == ref


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_climbing_out_of_a_store_is_refused(scheme: str) -> None:
    """`..` in the middle of a location is nobody's name."""
    with pytest.raises(InvalidRef):
        Ref.parse(f"{scheme}://a/../b")


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@pytest.mark.parametrize("bad", ["\n", "\x00", "\x7f", "%00", "%0a", "\u2028"])
def test_control_characters_are_refused(scheme: str, bad: str) -> None:
    """Written out or encoded, they are never part of a name."""
    with pytest.raises(InvalidRef):
        Ref.parse(f"{scheme}://kv/a{bad}b")


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_an_encoded_slash_is_refused(scheme: str) -> None:
    """`%2f` could mean another place than it says."""
    with pytest.raises(InvalidRef, match="%2f"):
        Ref.parse(f"{scheme}://kv/a%2Fb")


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_unknown_options_are_refused_with_the_known_ones_named(scheme: str) -> None:
    """The message says what there is to choose from."""
    with pytest.raises(InvalidRef, match=f"unknown option 'colour'; {scheme} knows .*version"):
        Ref.parse(f"{scheme}://kv/a?colour=red")


@pytest.mark.parametrize(
    "ref",
    [
        f"vault://root:{CANARY}@kv/shop",
        f"vault://{CANARY}@kv/shop",
        f"aws-sm://key:{CANARY}@prod/db",
        f"azure-kv://{CANARY}@vault/name",
        f"gcp-sm://me%40:{CANARY}@project/secret",
        f"vault://kv/shop?token={CANARY}",
        f"vault://kv/shop?addr=https://root:{CANARY}@vault.example",
        f"aws-sm://prod/db?endpoint_url=http://u:{CANARY}@localhost",
        CANARY,
        f"file://u:{CANARY}@host/a",
    ],
)
def test_credentials_are_refused_and_not_repeated(ref: str) -> None:
    """A ref carries none, and the error does not quote what was written."""
    with pytest.raises(InvalidRef) as caught:
        Ref.parse(ref)
    assert CANARY not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("vault:/kv/shop", "scheme://"),
        ("", "scheme://"),
        ("vault://kv", "mount/path"),
        ("vault://kv/shop#", "nothing follows"),
        ("vault://kv//shop", "mount/path"),
        ("vault://kv/shop?version", "name=value"),
        ("vault://kv/shop?version=", "no value"),
        ("vault://kv/shop?version=1&version=2", "twice"),
        ("vault://kv/shop?ttl=soon", "seconds"),
        ("vault://kv/shop?encoding=rot13", "base64"),
        ("gcp-sm://p/s?transport=pigeon", "grpc or rest"),
        ("azure-kv://vault", "vault-name-or-host/secret"),
        ("azure-kv://vault/a/b", "vault-name-or-host/secret"),
        ("gcp-sm://p/a b", "project/secret"),
        ("aws-sm://a b", "name or ARN"),
        ("memory://%zz", "percent-encoding"),
        ("memory://%ff", "percent-encoding"),
    ],
)
def test_what_is_wrong_is_said(ref: str, reason: str) -> None:
    """Each mistake has a message of its own."""
    with pytest.raises(InvalidRef, match=reason):
        Ref.parse(ref)


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [("valt", "vault"), ("vualt", "vault"), ("aws-sn", "aws-sm"), ("dotnev", "dotenv"), ("awssm", "aws-sm")],
)
def test_a_mistyped_scheme_is_answered_with_the_one_that_was_meant(mistyped: str, meant: str) -> None:
    """A near miss of a built-in scheme is no plug-in."""
    with pytest.raises(UnknownBackend, match=f"did you mean '{meant}'"):
        Ref.parse(f"{mistyped}://kv/a")


def test_a_scheme_of_the_callers_own_is_no_mistake() -> None:
    """Two Vaults side by side may be called so."""
    assert Ref.parse("vault2://kv/a", schemes=["vault2"]).scheme == "vault2"
