"""Variables and the files that they name: what is odd about them is told, and never taken for something else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import (
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    computed_field,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsError

import secretsource
from secretsource import From, ResolutionError, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend

CANARY = "canary-7d2f"


class Login(BaseModel):
    user: str = "nobody"
    password: SecretStr = SecretStr("none")


class App(Settings):
    model_config = SettingsConfigDict(chain=("env://",), env_nested_delimiter="__")


def test_what_a_pointer_leads_to_is_no_pointer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where it leads to itself, which would never end."""

    class S(App):
        loop: str
        two: str

    monkeypatch.setenv("LOOP", "ref+env://LOOP")
    monkeypatch.setenv("TWO", "ref+env://LOOP")
    settings = S()
    assert (settings.loop, settings.two) == ("ref+env://LOOP", "ref+env://LOOP")
    assert secretsource.get("env://TWO") == "ref+env://LOOP"


@pytest.mark.parametrize("text", [f'"{CANARY}"', "[1, 2]", "5"])
def test_a_model_that_is_no_object_is_told(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It is there, so no default may stand in for it; and it is no value of the model's fields."""

    class S(App):
        login: Login = Login()

    monkeypatch.setenv("LOGIN", text)
    with pytest.raises(ResolutionError, match=r"login\.user: INVALID env://LOGIN: what is there is not") as info:
        S()
    assert CANARY not in str(info.value)


def test_a_model_that_reads_its_own_text_is_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NoDecode` on the field of a model is what it is in pydantic-settings."""

    class Pair(BaseModel):
        a: int
        b: int

        @model_validator(mode="before")
        @classmethod
        def _split(cls, value: Any) -> Any:
            return dict(zip("ab", value.split(":"), strict=True)) if isinstance(value, str) else value

    class S(App):
        pair: Annotated[Pair, NoDecode]

    monkeypatch.setenv("PAIR", "1:2")
    assert (S().pair.a, S().pair.b) == (1, 2)


def test_a_file_that_a_variable_names_holds_what_the_variable_would(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """JSON for a list, a table and a model; bytes for bytes."""

    class S(App):
        hosts: list[str]
        ports: dict[str, int]
        login: Login
        key: bytes

    files = {"HOSTS": '["a", "b"]', "PORTS": '{"http": 80}', "LOGIN": f'{{"user": "u", "password": "{CANARY}"}}'}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    (tmp_path / "KEY").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "KEY"))
    settings = S()
    assert (settings.hosts, settings.ports, settings.key) == (["a", "b"], {"http": 80}, b"\xff\xfe")
    assert (settings.login.user, settings.login.password.get_secret_value()) == ("u", CANARY)
    assert str(settings.resolution("hosts").ref) == "env://HOSTS_FILE"


def test_a_file_may_be_named_for_one_leaf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As for a field; what it holds is never a pointer."""

    class S(App):
        login: Login
        text: str

    for name, text in {"LOGIN__PASSWORD": CANARY, "TEXT": "ref+env://HOME"}.items():
        (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    settings = S()
    assert (settings.login.password.get_secret_value(), settings.text) == (CANARY, "ref+env://HOME")
    assert str(settings.resolution("login.password").ref) == "env://LOGIN__PASSWORD_FILE"


def test_a_file_that_holds_no_json_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class S(App):
        login: Login

    (tmp_path / "login").write_text(CANARY)
    monkeypatch.setenv("LOGIN_FILE", str(tmp_path / "login"))
    with pytest.raises(ResolutionError, match=r"login\.user: INVALID env://LOGIN_FILE: not JSON") as info:
        S()
    assert CANARY not in str(info.value)


def test_a_pointer_to_a_part_of_a_value_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is one value: its text would be taken for the part's."""

    class S(App):
        table: dict[str, str]

    monkeypatch.setenv("TABLE__A", "ref+env://HOME")
    with pytest.raises(ResolutionError, match="table: INVALID env://TABLE__A: a pointer cannot stand for a part"):
        S()


def test_bytes_that_are_no_text_come_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class S(App):
        key: bytes

    monkeypatch.setitem(os.environ, "KEY", os.fsdecode(b"\xff\xfe"))
    assert S().key == b"\xff\xfe"


def test_json_that_is_too_deep_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class S(App):
        table: dict[str, Any]

    monkeypatch.setenv("TABLE", "[" * 20_000 + "]" * 20_000)
    with pytest.raises(ResolutionError, match="table: INVALID env://TABLE: the field takes JSON"):
        S()


def test_a_number_that_python_cannot_make_is_told() -> None:
    store = MemoryBackend({"shop": json.dumps({"table": {"a": 1}}).replace("1", "1" * 5000)})

    class S(Settings):
        model_config = SettingsConfigDict(chain=("mine://shop",), backends={"mine": store})
        table: dict[str, int]

    with pytest.raises(ResolutionError, match="table: INVALID mine://shop#table: a number of more than 4,000 digits"):
        S()


def test_a_variable_is_shown_as_it_is_spelt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown can be asked for."""

    class S(App):
        spelt: str

    monkeypatch.setenv("Spelt", "value")
    ref = S().resolution("spelt").ref
    assert str(ref) == "env://Spelt"
    assert secretsource.get(str(ref)) == "value"


def test_what_a_store_gave_is_masked_wherever_it_went() -> None:
    """In a list, in a table's keys, in a model by itself, and in what was computed of it."""
    secret = {"names": [CANARY], "owners": {CANARY: "alice"}, "login": {"user": CANARY}, "key": CANARY}
    store = MemoryBackend({"shop": json.dumps(secret)})

    class S(Settings):
        model_config = SettingsConfigDict(chain=("mine://shop",), backends={"mine": store})
        names: list[str]
        owners: dict[str, str]
        login: Login | None
        nested: Annotated[Login, From("mine://shop#login")]
        key: str

        @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
        @property
        def url(self) -> str:
            return f"https://{self.key}@db"

    settings = S()
    shown = [settings, settings.names, settings.owners, settings.login, settings.nested]
    assert CANARY not in "".join(f"{one!r} {one}" for one in shown)
    assert (settings.names, settings.owners) == ([CANARY], {CANARY: "alice"})
    assert settings.url == f"https://{CANARY}@db"


def test_a_missing_field_beside_all_that_is_still_pydantics_to_tell() -> None:
    class S(App):
        absent: str

    with pytest.raises(ValidationError, match="absent"):
        S()


def test_a_pointer_that_cannot_be_read_is_told_how_to_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what its store takes, and without a word of its own: it may be a secret that only begins so."""

    class S(App):
        a: str

    monkeypatch.setenv("A", f"ref+vault://kv/shop?{CANARY}=3#a")
    with pytest.raises(ResolutionError, match="options are addr, case, encoding, namespace, ttl, version") as info:
        S()
    assert CANARY not in str(info.value)
    monkeypatch.setenv("A", f"ref+{CANARY}")
    with pytest.raises(ResolutionError, match=r"a pointer is written ref\+scheme://location#key") as info:
        S()
    assert CANARY not in str(info.value)


def test_a_pointer_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """It speaks of one value, so it has no placeholder."""

    class S(App):
        a: str = "default"

    monkeypatch.setenv("A", "ref+vault://kv/{name}#a")
    with pytest.raises(ResolutionError, match="what follows is not a ref"):
        S()


def test_nested_variables_count_inside_an_alias_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a value, and for a model."""

    class S(App):
        value: int = Field(validation_alias=AliasPath("x", "k"))
        login: Login = Field(validation_alias=AliasPath("y", "k"))

    monkeypatch.setenv("X__K", "3")
    monkeypatch.setenv("Y__K__USER", "u")
    settings = S()
    assert (settings.value, settings.login.user) == (3, "u")


def test_a_field_that_has_a_place_of_its_own_is_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not into the field that its alias leads into."""

    class S(App):
        model_config = SettingsConfigDict(populate_by_name=True)
        user: str = Field(validation_alias=AliasPath("login", "user"))
        login: Login | None = None

    monkeypatch.setenv("USER", "u")
    settings = S()
    assert (settings.user, settings.login) == ("u", None)


def test_a_secrets_folder_that_is_not_read_is_told() -> None:
    """Also where the caller names it."""

    class S(App):
        a: str = "default"

    made: Any = S
    with pytest.warns(UserWarning, match="secrets_dir is not read"):
        made(_secrets_dir="/run/secrets")


def test_where_a_value_came_from_is_a_variable_that_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own, or that of a model around it: as JSON, or as a file."""

    class S(App):
        login: Login
        other: Login

    (tmp_path / "other").write_text('{"user": "filed", "password": "p"}')
    monkeypatch.setenv("LOGIN", '{"user": "u"}')
    monkeypatch.setenv("LOGIN__PASSWORD", "p")
    monkeypatch.setenv("OTHER_FILE", str(tmp_path / "other"))
    monkeypatch.setenv("OTHER__PASSWORD", "beside")
    settings = S()
    refs = {item.field: str(item.ref) for item in secretsource.explain(settings)}
    assert refs == {
        "login.user": "env://LOGIN",
        "login.password": "env://LOGIN__PASSWORD",
        "other.user": "env://OTHER_FILE",
        "other.password": "env://OTHER__PASSWORD",
    }
    assert settings.other.password.get_secret_value() == "beside"


def test_several_files_of_the_caller_are_told_apart(tmp_path: Path) -> None:
    """A value came from the last file that has it."""

    class S(App):
        a: str
        b: str

    for name, text in (("1.env", "A=1\nB=1\n"), ("2.env", "B=2\n")):
        (tmp_path / name).write_text(text)
    made: Any = S
    settings = made(_env_file=[tmp_path / "1.env", tmp_path / "2.env"])
    assert [str(item.ref) for item in secretsource.explain(settings)] == [
        f"dotenv://{tmp_path}/1.env#A",
        f"dotenv://{tmp_path}/2.env#B",
    ]


def test_a_file_that_cannot_be_read_as_text_hangs_on_no_error(tmp_path: Path) -> None:
    """pydantic-settings reads the caller's file too, and its error holds it."""

    class S(App):
        a: str = "default"

    (tmp_path / ".env").write_bytes(b"A=\xfc\nB=" + CANARY.encode())
    made: Any = S
    with pytest.raises(SettingsError, match="not utf-8 text") as info:
        made(_env_file=tmp_path / ".env")
    assert (info.value.__cause__, info.value.__context__) == (None, None)


def test_the_file_of_a_field_is_no_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even for a model that refuses all extras."""

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        user: str

    class S(App):
        login: Strict

    (tmp_path / "user").write_text("u")
    monkeypatch.setenv("LOGIN__USER_FILE", str(tmp_path / "user"))
    assert S().login.user == "u"


class Deep(BaseModel):
    login: Login = Login()
    name: str = "n"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, ("pointed", "pointed", "n")),
        ({"DEEP__LOGIN__USER": "beside"}, ("beside", "pointed", "n")),
        ({"DEEP": '{"login": {"user": "around"}, "name": "around"}'}, ("pointed", "pointed", "around")),
        ({"DEEP": "ref+memory://other"}, ("pointed", "pointed", "other")),
        ({"DEEP__LOGIN__PASSWORD": "ref+memory://other#name"}, ("pointed", "other", "n")),
    ],
)
def test_a_pointer_to_a_model_further_in_has_room_beside_it(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], found: tuple[str, ...]
) -> None:
    """What is closer to a leaf wins: its own variable, then a pointer for the model around it, then what is around."""

    class S(App):
        deep: Deep

    MemoryBackend().set("login", '{"user": "pointed", "password": "pointed"}')
    MemoryBackend().set("other", '{"name": "other", "login": {"user": "other", "password": "other"}}')
    for name, text in {"DEEP__LOGIN": "ref+memory://login", **more}.items():
        monkeypatch.setenv(name, text)
    deep = S().deep
    assert (deep.login.user, deep.login.password.get_secret_value(), deep.name) == found
