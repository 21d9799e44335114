"""One load of a settings class: ask for its leaves, place what was found, and tell what was not."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from secretsource.access import Access
from secretsource.clock import Deadline
from secretsource.errors import Outcome, Problem, ResolutionError
from secretsource.redaction import remember, remember_what_is_no_word
from secretsource.resolver import resolve
from secretsource.settings.declaration import declaration
from secretsource.settings.leaves import declared_names, leaves_by_path
from secretsource.settings.models import find_beside
from secretsource.settings.placement import is_required_in, leaves_at, place_values, supplied
from secretsource.settings.plan import PRODUCTION, Plan, warn_of_ignored
from secretsource.settings.provenance import Record, searched
from secretsource.settings.renewal import current_renewal
from secretsource.settings.scrub import without_input
from secretsource.settings.sources import env_source, suppliers
from secretsource.settings.variables import LazyNames

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pydantic_settings import BaseSettings

    from secretsource.question import Answer, Question
    from secretsource.settings.config import LoadConfig
    from secretsource.settings.leaves import Leaf

Path = tuple[str, ...]

current_load: ContextVar[Load | None] = ContextVar("current_load", default=None)
"""The load that a Settings object in the making is waiting for."""


class Load:
    """One load. Its values are in the settings it fills, not in what is left of it.

    Attributes:
        secret_paths: The leaves that came out of a secret store.

    Args:
        settings_cls: The class.
        given: The keyword arguments that it was called with.
        only: The leaves to find, where not all are wanted.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        given: Mapping[str, Any] | None = None,
        only: Collection[Path] | None = None,
    ) -> None:
        self.settings_cls = settings_cls
        self.env_settings: Any = None
        self.sources: Mapping[str, Mapping[str, Any]] = {}
        self._given, self._only = given or {}, only
        self._renewal = current_renewal.get()
        self._inputs: list[object] = [self._given]
        self._plan: Plan | None = None
        self._questions: dict[Path, Question] = {}
        self._nulls: dict[Path, str] = {}
        self.secret_paths: frozenset[Path] = frozenset()

    def run(self, chain: object, state: Mapping[str, Any]) -> dict[str, Any]:
        """Find every leaf that is not in the state of the earlier sources.

        Raises:
            ConfigurationError: The declaration makes no sense, or an SDK is missing.
        """
        with_dotenv = self._given.get("_env_file") is not None
        config, self._plan = declaration(self.settings_cls, chain, with_dotenv=with_dotenv)
        warn_of_ignored(self.settings_cls, self._plan, self._given)
        questions = self._open_questions(self._plan, state)
        access = self._access(self._plan, config)
        deadline = Deadline(config.timeout, access.cache.clock)
        resolve(questions.values(), access, deadline)
        read = [leaf.path for leaf, _ in self._found(questions)]
        beside = find_beside(self._plan.models, read, access, deadline) if self._plan.models else []
        if self._renewal is not None:
            self._renewal.settle(questions.values(), {leaf.path: answer for leaf, answer in beside}, access)
        self._nulls |= {leaf.path: answer.ref.scheme for leaf, answer in beside if answer.value is None and answer.ref}
        found = [*beside, *self._found(questions)]
        values = place_values((leaf, answer.value) for leaf, answer in found)
        self.secret_paths |= self._note_secrets(found, access)
        self._inputs += [state, values]
        self._take(questions)
        return values

    def _open_questions(self, plan: Plan, state: Mapping[str, Any]) -> dict[Path, Question]:
        """What is to be asked: all that no earlier source has, and in which no earlier chain has failed."""
        stage = None if self._renewal is None else self._renewal.stage
        failed = {path for path, question in self._questions.items() if _has_failed(question)}
        wanted = plan.leaves.keys() if self._only is None else self._only
        leaves = [leaf for path, leaf in plan.leaves.items() if path in wanted and path not in failed]
        return {leaf.path: plan.question(leaf.path, stage) for leaf in leaves if not state or not supplied(leaf, state)}

    def _take(self, questions: Mapping[Path, Question]) -> None:
        """Keep what became of the questions, without the values; where another chain was asked before, after that."""
        for path, question in questions.items():
            question.forget_value()
            if path in self._questions:
                question.trail[:0] = self._questions[path].trail
        self._questions |= questions

    def _access(self, plan: Plan, config: LoadConfig) -> Access:
        access = Access(
            own=config.backends,
            policy=config.cache,
            on_denied=config.on_denied,
            on_unavailable=config.on_unavailable,
            production=plan.profile == PRODUCTION,
        )
        if self._renewal is not None:
            access.renew = self._renewal.renew
            if self._renewal.before:  # an error must not move a field to another source
                access.on_denied = access.on_unavailable = "raise"
        like = self.env_settings or env_source(self.settings_cls, self._given)
        access.names = LazyNames(plan, like, access, self._given)
        return access

    def _found(self, questions: Mapping[Path, Question]) -> Iterable[tuple[Leaf, Answer]]:
        leaves = leaves_by_path(self.settings_cls)
        for path, question in questions.items():
            if question.answer is not None and question.answer.outcome is Outcome.FOUND:
                yield leaves[path], question.answer

    def _note_secrets(self, found: Iterable[tuple[Leaf, Answer]], access: Access) -> frozenset[Path]:
        """Which leaves came out of a secret store. All values are noted, so that they can be kept out of logs."""
        paths = set()
        for leaf, answer in found:
            if answer.value in (None, {}):
                continue
            if answer.ref is not None and answer.entry is not None and access.backend(answer.ref.scheme).secret:
                paths.add(leaf.path)
                remember(answer.value)
            elif leaf.sensitive:
                remember(answer.value)
            else:
                remember_what_is_no_word(answer.value)
        return frozenset(paths)

    def failure(self, raised: Exception | None) -> Exception | None:
        """What to raise: all problems of all fields at once, or what was raised without inputs, or nothing.

        Args:
            raised: What the making of the object raised, if anything.
        """
        if raised is not None and not isinstance(raised, ValidationError):
            return self._failure_beneath() or self._of_another_source(raised)
        clean = None if raised is None else without_input(raised, self._inputs, declared_names(self.settings_cls))
        if problems := self.problems(() if clean is None else clean.errors()):
            return ResolutionError(problems, title=self.settings_cls.__name__)
        if clean is not None:
            self._add_notes(clean)
        return clean

    def _of_another_source(self, raised: Exception) -> Exception:
        """An error of a source beside the chain, without what it could not read; any other as it is."""
        if isinstance(raised, SettingsError):
            return SettingsError(*raised.args)  # its cause holds the text
        if isinstance(raised, UnicodeDecodeError) and self._plan is None:  # it is no validator's, and holds a file
            return SettingsError(f"a file cannot be read: it is not {raised.encoding} text")
        return raised

    def _failure_beneath(self) -> ResolutionError | None:
        """What failed, where a validator stumbled over what it did not find, so that nothing else was validated."""
        failed = self.problems(())
        missing = [
            _missing(leaf.name, question)
            for path, leaf in leaves_by_path(self.settings_cls).items()
            if (question := self._questions.get(path)) is not None
            and question.answer is not None
            and question.answer.outcome is Outcome.MISSING
            and not (leaf.optional or _has_failed(question))
        ]
        return ResolutionError([*failed, *missing], title=self.settings_cls.__name__) if failed else None

    def problems(self, errors: Sequence[Any]) -> list[Problem]:
        """The problems of a load in which a source failed; none where all there is is pydantic's to tell.

        Args:
            errors: What validation found wrong, without inputs.
        """
        failed = {path: _problem(question) for path, question in self._questions.items() if _has_failed(question)}
        beside = [problem for item in errors for problem in self._validation_problems(item, failed)]
        passed_over = any(question.answer and question.answer.setback for question in self._questions.values())
        stopped = failed or (passed_over and any(problem.outcome is not Outcome.MISSING for problem in beside))
        return [*failed.values(), *beside] if stopped else []

    def _validation_problems(self, item: Any, failed: Mapping[Path, Problem]) -> Iterable[Problem]:
        leaves = [] if self._plan is None else leaves_at(item["loc"], self._plan.leaves.values())
        if any(leaf.path in failed for leaf in leaves):
            return
        if item["type"] == "missing" and leaves:
            needed = [leaf for leaf in leaves if is_required_in(leaf, len(item["loc"]))]
            yield from (_missing(leaf.name, self._question(leaf)) for leaf in needed)
            if not needed:
                yield _missing(".".join(map(str, item["loc"])), self._question(leaves[0]))
            return
        question = self._question(leaves[0]) if leaves else None
        ref = question.answer.ref if question is not None and question.answer is not None else None
        yield Problem(".".join(map(str, item["loc"])) or "settings", Outcome.INVALID, ref, item["msg"])

    def _question(self, leaf: Leaf) -> Question | None:
        return self._questions.get(leaf.path)

    def _add_notes(self, error: ValidationError) -> None:
        """Say for each field that is missing or invalid where it was searched, and what each place said (PEP 678)."""
        leaves = (
            []
            if self._plan is None
            else [leaf for item in error.errors() for leaf in leaves_at(item["loc"], self._plan.leaves.values())]
        )
        for leaf in dict.fromkeys(leaves):
            error.add_note(f"{leaf.name}: {searched(self._question(leaf))}")

    def record(self) -> Record:
        """Where each value came from, without the values."""
        profile = "" if self._plan is None else self._plan.profile
        leaves = leaves_by_path(self.settings_cls)
        others = suppliers(leaves.values(), self.sources) if self.sources else {}
        for null, scheme in self._nulls.items():
            others |= {path: scheme for path in leaves if path[: len(null)] == null}
        return Record(self.settings_cls, profile, self._questions.values(), self.secret_paths, others)


def _has_failed(question: Question) -> bool:
    """Whether a source failed; or said MISSING of what it had, where nothing may stand in for it."""
    answer = question.answer
    if answer is None or answer.outcome is Outcome.FOUND:
        return False
    return answer.outcome is not Outcome.MISSING or answer.ref is not None


def _problem(question: Question) -> Problem:
    answer = question.answer
    assert answer is not None  # noqa: S101 - for mypy; only failed questions come here
    return Problem(".".join(question.path), answer.outcome, answer.ref, answer.detail or "no reason given", answer.hint)


def _missing(name: str, question: Question | None) -> Problem:
    answer = question.answer if question is not None else None
    if answer is not None and answer.setback is not None:
        setback = answer.setback
        return Problem(name, setback.outcome, answer.setback_ref, setback.detail, setback.hint)
    ref = question.trail[-1].ref if question is not None and question.trail else None
    return Problem(name, Outcome.MISSING, ref, searched(question))
