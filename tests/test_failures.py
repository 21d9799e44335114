"""What a lookup can come to, and what the chain, the load and the errors make of it."""

from __future__ import annotations

import json
import pickle
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pytest
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

import secretsource
from secretsource import (
    AccessDenied,
    Backend,
    ConfigurationError,
    From,
    InvalidSecret,
    Outcome,
    ResolutionError,
    SecretNotFound,
    SecretValue,
    Settings,
    SettingsConfigDict,
    Unavailable,
    explain,
)
from secretsource.backends.memory import MemoryBackend
from secretsource.clock import Deadline
from secretsource.errors import error_for
from secretsource.redaction import MASK
from secretsource.ref import Ref

CANARY = "not-a-real-password"

STOPS = [outcome for outcome in Outcome if outcome not in (Outcome.FOUND, Outcome.MISSING)]


class Two(Settings):
    """A chain of two stores; the first may fail."""

    model_config = SettingsConfigDict(chain=("memory://first#{name}", "memory://second#{name}"))
    a: str = "default"


@pytest.fixture(autouse=True)
def _second() -> None:
    MemoryBackend().set("second", '{"a": "second"}')


@pytest.mark.parametrize("outcome", STOPS)
def test_only_missing_goes_on(outcome: Outcome) -> None:
    """Every other outcome stops the chain: neither the next source nor the default stands in."""
    MemoryBackend().fail("first", outcome)
    with pytest.raises(ResolutionError) as caught:
        Two()
    (problem,) = caught.value.problems
    assert (problem.field, problem.outcome, str(problem.ref)) == ("a", outcome, "memory://first#a")
    assert str(caught.value).splitlines()[1].startswith(f"  a: {outcome.name} memory://first#a:")


def test_missing_goes_on_to_the_next_and_then_to_the_default() -> None:
    """When every source says so, and only then, the default applies."""
    assert Two().a == "second"
    MemoryBackend().delete("second")
    secretsource.clear_cache()
    settings = Two()
    assert settings.a == "default"
    assert settings.resolution("a").backend == "default"
    assert [attempt.outcome for attempt in settings.resolution("a").trail] == [Outcome.MISSING] * 2


@pytest.mark.parametrize("outcome", STOPS)
def test_a_lookup_by_hand_raises_the_outcomes_own_error(outcome: Outcome) -> None:
    """With ref, outcome and message."""
    MemoryBackend().fail("first", outcome)
    with pytest.raises(error_for(outcome)) as caught:
        secretsource.get("memory://first#a")
    assert (str(caught.value.ref), caught.value.outcome) == ("memory://first#a", outcome)


def test_a_lookup_by_hand_of_what_is_not_there_raises_secret_not_found() -> None:
    """For a secret and for a key in one."""
    for ref in ("memory://nowhere", "memory://second#nowhere"):
        with pytest.raises(SecretNotFound) as caught:
            secretsource.get(ref)
        assert str(caught.value.ref) == ref


@pytest.mark.parametrize(
    ("key", "outcome", "goes_on"),
    [
        ("on_denied", Outcome.DENIED, True),
        ("on_denied", Outcome.UNAVAILABLE, False),
        ("on_denied", Outcome.UNAUTHENTICATED, False),
        ("on_unavailable", Outcome.UNAVAILABLE, True),
        ("on_unavailable", Outcome.THROTTLED, True),
        ("on_unavailable", Outcome.DENIED, False),
        ("on_unavailable", Outcome.INVALID, False),
    ],
)
def test_going_on_after_a_failure_is_a_choice(key: str, outcome: Outcome, goes_on: bool) -> None:
    """`on_denied` is for denials, `on_unavailable` for outages, and neither for anything else."""

    class S(Two):
        model_config = {key: "next"}  # type: ignore[misc]  # noqa: RUF012 - a config

    MemoryBackend().fail("first", outcome)
    if not goes_on:
        with pytest.raises(ResolutionError):
            S()
        return
    settings = S()
    assert settings.a == "second"
    assert [attempt.outcome for attempt in settings.resolution("a").trail] == [outcome, Outcome.FOUND]


def test_in_production_an_outage_never_falls_to_development_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to env, not to .env, not to a default; another store may answer."""

    class S(Settings):
        model_config = SettingsConfigDict(
            on_unavailable="next", chain=("memory://first", "env://", "dotenv://.env", "memory://third")
        )
        a: str = "default"

    MemoryBackend().fail("first", Outcome.UNAVAILABLE)
    monkeypatch.setenv("A", "from-env")
    assert S().a == "from-env"
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "production")
    with pytest.raises(ResolutionError) as caught:
        S()
    assert caught.value.problems[0].outcome is Outcome.UNAVAILABLE
    MemoryBackend().set("third", '{"a": "third"}')
    secretsource.clear_cache()
    assert S().a == "third"


@pytest.mark.parametrize("order", [("denied", "down"), ("down", "denied")])
def test_in_production_an_outage_counts_whatever_else_was_passed_over(
    order: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a denial came before it, or after."""

    class S(Settings):
        model_config = SettingsConfigDict(
            on_denied="next",
            on_unavailable="next",
            profile="production",
            chain=(*(f"memory://{name}" for name in order), "env://"),
        )
        a: str = "default"

    MemoryBackend().fail("denied", Outcome.DENIED)
    MemoryBackend().fail("down", Outcome.UNAVAILABLE)
    monkeypatch.setenv("A", "from-env")
    with pytest.raises(ResolutionError) as caught:
        S()
    problem = caught.value.problems[0]
    assert (problem.outcome, str(problem.ref)) == (Outcome.UNAVAILABLE, "memory://down#a")


class _Vague(Backend):
    """Does not say what its errors mean."""

    scheme = "vague"

    def __init__(self, meaning: Any) -> None:
        self._meaning = meaning

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        return dict.fromkeys(refs, LookupError(CANARY))

    def classify(self, error: Exception) -> Outcome:
        if isinstance(self._meaning, Exception):
            raise self._meaning
        meaning: Outcome = self._meaning
        return meaning


@pytest.mark.parametrize("meaning", [None, Outcome.FOUND, "DENIED", ZeroDivisionError(CANARY)])
def test_a_backend_that_cannot_classify_its_errors_is_told(meaning: Any) -> None:
    """An error is never taken for a value, nor for "not there"."""

    class S(Settings):
        model_config = SettingsConfigDict(backends={"vague": _Vague(meaning)}, chain=("vague://x",))
        a: str = "default"

    with pytest.raises(ResolutionError, match="the backend cannot say what LookupError means") as caught:
        S()
    assert_clean(caught.value)


def test_a_required_field_passed_over_an_outage_names_the_outage() -> None:
    """That it is missing afterwards is not the whole story."""

    class S(Settings):
        model_config = SettingsConfigDict(on_unavailable="next", chain=("memory://first", "memory://third"))
        a: str

    MemoryBackend().fail("first", Outcome.UNAVAILABLE)
    with pytest.raises(ResolutionError) as caught:
        S()
    assert [problem.outcome for problem in caught.value.problems] == [Outcome.UNAVAILABLE]


class Part(BaseModel):
    """A nested model with a rule."""

    pin: int
    word: str = Field(min_length=3)


class Many(Settings):
    """Every kind of problem at once."""

    model_config = SettingsConfigDict(chain=("memory://all",))
    denied: Annotated[str, From("memory://denied")]
    down: Annotated[str, From("memory://down")] = "default"
    missing: str
    number: int
    part: Part
    notjson: Annotated[dict[str, str], From("memory://text")]
    binary: Annotated[str, From("memory://binary")]
    fine: str


def test_all_problems_of_all_fields_come_at_once() -> None:
    """Failed, missing and invalid ones in one error, one line each."""
    backend = MemoryBackend()
    backend.set("all", json.dumps({"number": CANARY, "part": {"pin": CANARY}, "fine": "x"}))
    backend.set("text", CANARY)
    backend.set("binary", b"\xff" + CANARY.encode())
    backend.fail("denied", Outcome.DENIED)
    backend.fail("down", Outcome.UNAVAILABLE)
    with pytest.raises(ResolutionError) as caught:
        Many()
    found = {problem.field: problem.outcome for problem in caught.value.problems}
    assert found == {
        "denied": Outcome.DENIED,
        "down": Outcome.UNAVAILABLE,
        "notjson": Outcome.INVALID,
        "binary": Outcome.INVALID,
        "missing": Outcome.MISSING,
        "number": Outcome.INVALID,
        "part.pin": Outcome.INVALID,
        "part.word": Outcome.MISSING,
    }
    lines = str(caught.value).splitlines()
    assert lines[0] == "8 problems in Many"
    assert len(lines) == 9
    assert_clean(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def assert_clean(error: BaseException) -> None:
    """No value in an error: not in its text, its traceback, its attributes, its cause or context."""
    seen = [str(error), repr(error), "".join(traceback.format_exception(error)), repr(vars(error)), repr(error.args)]
    if isinstance(error, ValidationError):
        seen += [repr(error.errors()), error.json(), repr(error.errors(include_input=True, include_context=True))]
    for text in seen:
        assert CANARY not in text
    assert error.__cause__ is None
    assert error.__context__ is None


class Checked(Settings):
    """Fields whose validators quote what they were given."""

    model_config = SettingsConfigDict(chain=("env://", "memory://all"))
    short: SecretStr = Field(min_length=100)
    quoted: str
    number: int
    unknown: str
    absent: str

    @field_validator("quoted")
    @classmethod
    def _quote(cls, value: str) -> str:
        msg = f"{value!r} is no good"
        raise ValueError(msg)

    @field_validator("unknown")
    @classmethod
    def _int(cls, value: str) -> int:
        return int(value)


def test_missing_and_invalid_fields_raise_pydantics_error_without_its_inputs() -> None:
    """Own values, others' values and validators' quotations are taken out; notes say where was searched."""
    MemoryBackend().set("all", json.dumps(dict.fromkeys(("short", "quoted", "number", "unknown"), CANARY)))
    with pytest.raises(ValidationError) as caught:
        Checked()
    error = caught.value
    assert_clean(error)
    kinds = {item["loc"][0]: item["type"] for item in error.errors()}
    assert kinds == {
        "short": "too_short",
        "quoted": "value_error",
        "number": "int_parsing",
        "unknown": "value_error",
        "absent": "missing",
    }
    assert "'**********' is no good" in str(error)
    assert error.title == "Checked"
    notes = {note.partition(":")[0]: note for note in error.__notes__}
    assert notes["absent"] == (
        "absent: searched env://ABSENT (MISSING), memory://all#absent (MISSING: the secret has no key 'absent')"
    )
    assert "memory://all#number (FOUND)" in notes["number"]


def test_a_model_validator_that_quotes_everything_is_masked() -> None:
    """Also where no field is named."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://all",))
        a: str
        b: SecretStr

        @model_validator(mode="before")
        @classmethod
        def _all(cls, data: Any) -> Any:
            msg = f"bad: {data}"
            raise ValueError(msg)

    MemoryBackend().set("all", json.dumps({"a": CANARY, "b": CANARY + "2"}))
    with pytest.raises(ValidationError) as caught:
        S()
    assert_clean(caught.value)


def test_a_validator_that_stumbles_over_a_failure_does_not_hide_it() -> None:
    """What it does not find is what the store did not give; with the store well, its own error is raised."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://",))
        user: str
        password: str
        host: str = "localhost"
        absent: str

        @field_validator("password")
        @classmethod
        def _look(cls, value: str, info: ValidationInfo) -> str:
            return f"{value}{info.data['user']}{info.data['nobody']}"

    MemoryBackend().set("password", "p")
    MemoryBackend().fail("user", Outcome.DENIED)
    with pytest.raises(ResolutionError) as caught:
        S()
    told = [(problem.field, problem.outcome) for problem in caught.value.problems]
    assert told == [("user", Outcome.DENIED), ("absent", Outcome.MISSING)]
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    with pytest.raises(KeyError, match="nobody"):
        S(user="u")


def test_a_short_value_leaves_the_message_readable() -> None:
    """It is masked where it stands alone, not inside the words of the message."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://all",))
        a: str

        @field_validator("a")
        @classmethod
        def _refuse(cls, value: str) -> str:
            msg = f"a value is not {value}"
            raise ValueError(msg)

    MemoryBackend().set("all", '{"a": "is"}')
    with pytest.raises(ValidationError) as caught:
        S()
    assert caught.value.errors()[0]["msg"] == "Value error, a value ********** not **********"


class Address(BaseModel):
    street: int = Field(alias="Street")


def test_keys_of_a_secret_table_are_input_too() -> None:
    """They do not show where an error is; the names that types declare do, and so do the members of a union."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://all",))
        table: dict[str, int]
        addresses: dict[str, list[Address]]
        either: int | list[int]

    held = {"table": {CANARY: "x"}, "addresses": {CANARY: [{"Street": "x"}]}, "either": ["x"]}
    MemoryBackend().set("all", json.dumps(held))
    with pytest.raises(ValidationError) as caught:
        S()
    assert_clean(caught.value)
    assert [item["loc"] for item in caught.value.errors()] == [
        ("table", MASK),
        ("addresses", MASK, 0, "Street"),
        ("either", "int"),
        ("either", "list[int]", 0),
    ]


def test_keyword_arguments_are_taken_out_too() -> None:
    """What the caller gave is as secret as what a store gave."""
    with pytest.raises(ValidationError) as caught:
        Two(a=[CANARY])
    assert_clean(caught.value)


def test_a_class_can_be_explained_with_its_failures() -> None:
    """Without making one, and without raising."""
    MemoryBackend().fail("first", Outcome.DENIED)
    table = explain(Two)
    (resolution,) = table
    assert (resolution.outcome, resolution.backend) == (Outcome.DENIED, "memory")
    assert resolution.detail == "told to be DENIED"
    assert "DENIED" in str(table)


class Stuck(Backend):
    """A store that never answers."""

    scheme = "stuck"

    def __init__(self) -> None:
        self.release = threading.Event()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        self.release.wait(60)
        return {}

    def classify(self, error: Exception) -> Outcome:
        return Outcome.UNAVAILABLE


def test_a_load_ends_within_its_timeout_whatever_a_store_does() -> None:
    """The one that hangs is UNAVAILABLE; the others' fields are told as they are."""
    stuck = Stuck()

    class S(Settings):
        model_config = SettingsConfigDict(timeout=0.3, backends={"stuck": stuck}, chain=("stuck://x/{name}",))
        a: str
        b: Annotated[str, From("memory://denied")]

    MemoryBackend().fail("denied", Outcome.DENIED)
    start = time.monotonic()
    with pytest.raises(ResolutionError) as caught:
        S()
    assert time.monotonic() - start < 2
    stuck.release.set()
    assert {problem.field: problem.outcome for problem in caught.value.problems} == {
        "a": Outcome.UNAVAILABLE,
        "b": Outcome.DENIED,
    }
    assert "no answer in time" in str(caught.value)


class Raising(Backend):
    """A driver that raises, hands back nonsense, or too much."""

    scheme = "raising"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            return None  # type: ignore[return-value]  # as a driver of somebody's may
        return dict.fromkeys(refs, self.answer)  # type: ignore[arg-type]

    def classify(self, error: Exception) -> Outcome:
        return Outcome.DENIED if isinstance(error, PermissionError) else Outcome.UNAVAILABLE


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (PermissionError(CANARY), AccessDenied),
        (RuntimeError(CANARY), Unavailable),
        ("not wrapped " + CANARY, InvalidSecret),
        (SecretValue(CANARY * 100_000), InvalidSecret),
        (SecretValue(b"\xff" + CANARY.encode()), InvalidSecret),
        (InvalidSecret("not usable"), InvalidSecret),
        (None, InvalidSecret),
    ],
)
def test_what_a_driver_hands_back_never_shows_in_an_error(answer: object, kind: type[Exception]) -> None:
    """An SDK's error is classified, and stays behind: it may hold a value."""

    class S(Settings):
        model_config = SettingsConfigDict(backends={"raising": Raising(answer)}, chain=("raising://",))
        a: str

    with pytest.raises(ResolutionError) as caught:
        S()
    assert caught.value.problems[0].outcome is kind.outcome  # type: ignore[attr-defined]
    assert_clean(caught.value)


def test_what_fails_in_passing_is_tried_once_more() -> None:
    """One retry layer, in the core: twice in all."""

    class Flaky(Raising):
        calls = 0

        def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
            self.calls += 1
            return dict.fromkeys(refs, TimeoutError() if self.calls == 1 else SecretValue("x"))

    flaky = Flaky(None)

    class S(Settings):
        model_config = SettingsConfigDict(backends={"raising": flaky}, chain=("raising://",))
        a: str

    assert S().a == "x"
    assert flaky.calls == 2


def test_a_document_that_is_no_json_object_has_no_keys() -> None:
    """A plain text or a list asked for a key is INVALID, with a hint."""
    MemoryBackend().set("first", CANARY)
    with pytest.raises(InvalidSecret) as caught:
        secretsource.get("memory://first#a")
    assert_clean(caught.value)
    MemoryBackend().set("first", '"text"')
    secretsource.clear_cache()
    with pytest.raises(InvalidSecret, match="leave the #key out"):
        secretsource.get("memory://first#a")


class _Nameless(Raising):
    """Cannot say whose answers it gives."""

    def __init__(self, identity: object) -> None:
        super().__init__(SecretValue("value"))
        self._identity = identity

    def identities(self, refs: Sequence[Ref]) -> Sequence[Any]:
        if isinstance(self._identity, Exception):
            raise self._identity
        several: Sequence[Any] = self._identity  # type: ignore[assignment]  # as a driver of somebody's may
        return several


@pytest.mark.parametrize("identity", [ZeroDivisionError(CANARY), (), ([],), None])
def test_a_driver_that_cannot_say_whose_answer_it_is_is_told(identity: object) -> None:
    """Without an answer's owner nothing can be kept, so nothing is asked."""

    class S(Settings):
        model_config = SettingsConfigDict(backends={"raising": _Nameless(identity)}, chain=("raising://x",))
        a: str = "default"

    with pytest.raises(ConfigurationError, match="_Nameless does not say whose answer it is") as caught:
        S()
    assert_clean(caught.value)


def test_a_driver_that_fails_at_its_advice_has_said_its_outcome() -> None:
    """A denial counts, whatever there is to say of it."""

    class Mute(Raising):
        def advise(self, error: Exception) -> Any:
            raise ZeroDivisionError(CANARY) from error

    class S(Settings):
        model_config = SettingsConfigDict(backends={"raising": Mute(PermissionError())}, chain=("raising://x",))
        a: str = "default"

    with pytest.raises(ResolutionError, match="a: DENIED raising://x#a: PermissionError") as caught:
        S()
    assert_clean(caught.value)
