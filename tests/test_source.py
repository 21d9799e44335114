"""Sources: placeholders, default templates, and the names that stores allow."""

from __future__ import annotations

import pytest

from secretsource.errors import InvalidRef
from secretsource.source import Source


def expand(source: str, *path: str, in_chain: bool = True, taken: int = 1) -> str:
    """The ref for a leaf in the profile `production`."""
    return str(Source(source, in_chain=in_chain).expand(path, "production", taken=taken).ref)


@pytest.mark.parametrize(
    ("source", "ref"),
    [
        ("file:///run/secrets", "file:///run/secrets/key"),
        ("azure-kv://pay-vault", "azure-kv://pay-vault/key"),
        ("azure-kv://pay-vault/bundle", "azure-kv://pay-vault/bundle#key"),
        ("gcp-sm://proj", "gcp-sm://proj/key"),
        ("gcp-sm://proj/bundle", "gcp-sm://proj/bundle#key"),
        ("keyring://shop", "keyring://shop/key"),
        ("vault://kv/shop", "vault://kv/shop#key"),
        ("vault://kv/shop/", "vault://kv/shop/key"),
        ("vault://kv/{profile}", "vault://kv/production#key"),
        ("vault://kv/shop#inner", "vault://kv/shop#inner/key"),
        ("aws-sm://prod/shop", "aws-sm://prod/shop#key"),
        ("aws-sm://prod/", "aws-sm://prod/key"),
        ("aws-sm://{profile}/shop#{name}", "aws-sm://production/shop#key"),
        ("aws-ssm:///prod/shop/", "aws-ssm:///prod/shop/key"),
        ("memory://", "memory://key"),
        ("memory://bundle", "memory://bundle#key"),
        ("aws-sm://a/{name}?region={profile}", "aws-sm://a/key?region=production"),
    ],
)
def test_a_source_without_a_placeholder_takes_its_backends_template(source: str, ref: str) -> None:
    """Each store puts a field's name where such stores have it."""
    assert expand(source, "key") == ref


@pytest.mark.parametrize(
    ("source", "ref"),
    [
        ("vault://kv/shop#{name}", "vault://kv/shop#database/password"),
        ("vault://kv/shop#{path}", "vault://kv/shop#database/password"),
        ("vault://kv/{path}", "vault://kv/database/password"),
        ("aws-sm://prod/{name}", "aws-sm://prod/database#password"),
        ("aws-sm://prod/{name}#data", "aws-sm://prod/database#data/password"),
        ("azure-kv://v/{path}", "azure-kv://v/database-password"),
        ("gcp-sm://p/{path}", "gcp-sm://p/database-password"),
        ("file:///run/secrets/{path}", "file:///run/secrets/database/password"),
    ],
)
def test_a_nested_leaf_is_found_by_walking_or_by_its_path(source: str, ref: str) -> None:
    """With a name, the rest is walked in JSON; with a path, nothing is left to walk."""
    assert expand(source, "database", "password") == ref


def test_a_nested_leaf_may_also_be_a_flat_key() -> None:
    """Under `#{name}`, walking is tried first, then the flat key."""
    keys = Source("vault://kv/shop").expand(("database", "password"), "p").keys
    assert keys == ("database/password", "database__password")


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("kebab", "db-pass-word"),
        ("snake", "db_pass_word"),
        ("upper", "DB_PASS_WORD"),
        ("pascal", "DbPassWord"),
        ("camel", "dbPassWord"),
    ],
)
def test_a_stores_way_of_writing_names_can_be_chosen(case: str, name: str) -> None:
    """`?case=` recases what is filled in, and nothing else; the ref that is asked for does not carry it."""
    assert expand(f"aws-sm://prod_x/{{name}}?case={case}", "db_pass_word") == f"aws-sm://prod_x/{name}"


def test_key_vault_has_no_underscore() -> None:
    """`db_password` is `db-password` there, and the letters stay as they are."""
    assert expand("azure-kv://vault", "DB_password") == "azure-kv://vault/DB-password"


def test_a_name_with_a_slash_is_a_path_where_the_store_has_paths() -> None:
    """`From(name="mail/password")` in a store without slashes becomes one name."""
    assert expand("vault://kv/shop", "mail/password") == "vault://kv/shop#mail/password"
    assert expand("aws-sm://prod/{name}", "mail/password") == "aws-sm://prod/mail/password"
    assert expand("azure-kv://v", "mail/password") == "azure-kv://v/mail-password"


def test_in_from_a_ref_is_taken_as_it_stands() -> None:
    """Without a key it is the whole secret; the rest of a nested leaf is walked from there."""
    assert expand("aws-sm://prod/shop-db", "key", in_chain=False) == "aws-sm://prod/shop-db"
    assert expand("aws-sm://prod/shop-db", "database", "password", in_chain=False) == "aws-sm://prod/shop-db#password"
    assert expand("aws-sm://prod/shop-db", "a", "b", in_chain=False, taken=2) == "aws-sm://prod/shop-db"


def test_what_is_filled_in_is_not_decoded_again() -> None:
    """A percent sign in a name is a percent sign; the source's own text is decoded."""
    assert Source("memory://a%20b/{name}").expand(("c%20d",), "p").ref.location == "a b/c%20d"


@pytest.mark.parametrize("source", ["vault://kv/{nmae}", "vault://kv/shop#{field}", "aws-sm://a?region={name2}"])
def test_an_unknown_placeholder_is_refused(source: str) -> None:
    """The message names those there are."""
    with pytest.raises(InvalidRef, match=r"unknown placeholder .*\{name\}, \{path\} and \{profile\}"):
        Source(source)


@pytest.mark.parametrize("name", ["..", "a/../b", "a b", "über"])
def test_a_name_that_the_store_cannot_have_is_refused(name: str) -> None:
    """A field's name never climbs out of its place, nor asks for what cannot be."""
    with pytest.raises(InvalidRef, match="does not serve"):
        expand("aws-sm://prod/{name}", name)


def test_the_environment_goes_by_pydantic_settings_names() -> None:
    """`env://` and `dotenv://.env` have no template; with a name of their own they are refs."""
    assert Source("env://").by_names
    assert Source("dotenv://.env").by_names
    assert not Source("env://SHOP_{name}?case=upper").by_names
    assert expand("env://SHOP_{name}?case=upper", "debug") == "env://SHOP_DEBUG"
    assert Source("dotenv://{profile}.env").names_ref("test") == Source("dotenv://test.env").names_ref("x")


def test_a_source_shows_its_text() -> None:
    """It is what the user wrote."""
    assert str(Source("vault://kv/shop")) == "vault://kv/shop"
    assert repr(Source("vault://kv/shop")) == "Source('vault://kv/shop')"
