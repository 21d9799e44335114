"""Classes that choose their sources: the chain is one among others, and what the others supply is told as theirs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from secretsource import ChainSettingsSource, Outcome, ResolutionError, Settings, SettingsConfigDict, explain
from secretsource.testing import override


class Fixed(PydanticBaseSettingsSource):
    """A source of one's own."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return {"theirs": "fixed", "asked": "late"}


def _chosen(
    settings_cls: type[BaseSettings], sources: dict[str, PydanticBaseSettingsSource]
) -> tuple[PydanticBaseSettingsSource, ...]:
    chain = ChainSettingsSource(settings_cls, chain=("memory://shop",))
    return sources["init_settings"], sources["env_settings"], chain, Fixed(settings_cls)


class Plain(BaseSettings):
    asked: str
    token: SecretStr
    variable: str
    theirs: str
    given: str = "by default"

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return _chosen(settings_cls, sources)


class Ours(Settings):
    model_config = SettingsConfigDict(chain=("memory://shop",))
    asked: str
    token: SecretStr
    variable: str
    theirs: str
    given: str = "by default"

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return _chosen(settings_cls, sources)


SHOP = {"memory://shop": '{"asked": "a", "token": "t"}'}
ORIGINS = {"asked": "memory", "token": "memory", "variable": "env", "theirs": "Fixed", "given": "default"}


@pytest.fixture(autouse=True)
def _variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VARIABLE", "v")


@pytest.mark.parametrize("settings_cls", [Plain, Ours])
def test_a_class_that_chooses_its_sources_is_explained_by_them(settings_cls: type[BaseSettings]) -> None:
    """In their order, without making an object of it."""
    with override(SHOP):
        found = {resolution.field: resolution.backend for resolution in explain(settings_cls)}
    assert found == ORIGINS


def test_an_object_says_which_source_supplied_what() -> None:
    """Also of what came after the chain, with the chain's own trail; a keyword argument is `init`."""
    with override(SHOP):
        settings = Ours(given="here")
        found = {resolution.field: resolution.backend for resolution in explain(settings)}
        assert found == {**ORIGINS, "given": "init"}
        theirs = settings.resolution("theirs")
    assert (theirs.outcome, theirs.trail[0].outcome) == (Outcome.FOUND, Outcome.MISSING)


def test_failures_are_in_the_table() -> None:
    """As they are for a class that leaves its sources as they are."""
    with override(SHOP) as stores:
        stores.fail("memory://shop", Outcome.DENIED)
        assert [item.outcome for item in explain(Plain)][:2] == [Outcome.DENIED, Outcome.DENIED]
        with pytest.raises(ResolutionError):
            Plain()


def test_a_class_without_the_chain_among_its_sources_is_explained_too() -> None:
    """By what its sources have."""

    class Theirs(Plain):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return sources["env_settings"], Fixed(settings_cls)

    found = [(item.field, item.outcome, item.backend) for item in explain(Theirs)]
    assert found == [
        ("asked", Outcome.FOUND, "Fixed"),
        ("token", Outcome.MISSING, None),
        ("variable", Outcome.FOUND, "env"),
        ("theirs", Outcome.FOUND, "Fixed"),
        ("given", Outcome.MISSING, "default"),
    ]


def test_a_class_with_two_chains_tells_of_both() -> None:
    """The second is asked for what the first has not; where the first failed, it is not."""

    class Two(BaseSettings):
        one: str
        two: str
        other: str = "default"

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *_: Any,
            **sources: Any,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(ChainSettingsSource(settings_cls, chain=(f"memory://{name}/",)) for name in ("a", "b"))

    with override({"memory://a/one": "1", "memory://b/two": "2"}) as stores:
        stores.fail("memory://a/other", Outcome.DENIED)
        found = {item.field: item for item in explain(Two)}
        assert "memory://b/other" not in stores.calls
    assert [str(attempt.ref) for attempt in found["two"].trail] == ["memory://a/two", "memory://b/two"]
    assert [item.outcome for item in found.values()] == [Outcome.FOUND, Outcome.FOUND, Outcome.DENIED]


def test_the_chain_heeds_what_the_caller_says_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does where the class leaves its sources as they are."""

    class Prefixed(Settings):
        model_config = SettingsConfigDict(chain=("env://",))
        asked: str = "default"

        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any) -> Any:
            return sources["init_settings"], ChainSettingsSource(settings_cls)

    monkeypatch.setenv("SHOP_ASKED", "with the prefix")
    assert Prefixed().asked == "default"
    made: Any = Prefixed
    assert made(_env_prefix="SHOP_").asked == "with the prefix"
