"""The plan: settings class -> leaves -> the places to look for each, in order. Pure data, made once per class.

`explain`, `check` and the resolver all read this plan; none walks the model again.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from secretsource.errors import ConfigurationError, InvalidRef, joined
from secretsource.question import Question, Step
from secretsource.ref import Ref, did_you_mean, encode
from secretsource.registry import BUILT_IN, unknown_backend
from secretsource.settings.config import own_backends
from secretsource.settings.leaves import Leaf, leaves_by_path
from secretsource.settings.models import NestedModel, nested_models
from secretsource.source import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pydantic_settings import BaseSettings


Chain = str | tuple[str, ...] | list[str]

DEVELOPMENT: Final = "development"
PRODUCTION: Final = "production"
_PROFILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Plan(NamedTuple):
    """Where every leaf of a class is looked for.

    Attributes:
        profile: The profile's name.
        leaves: The class's leaves by path, in the order of its fields.
        steps: For each path the places to look, in order.
        by_names: The sources that go by a field's names, by their text.
        optional: For each path how many of its names lead to a field with a default.
        models: The nested models, each with the places to look for its value as a whole.
    """

    profile: str
    leaves: Mapping[tuple[str, ...], Leaf]
    steps: Mapping[tuple[str, ...], Sequence[Step]]
    by_names: Mapping[str, Source]
    optional: Mapping[tuple[str, ...], tuple[int, ...]]
    models: Sequence[tuple[NestedModel, Sequence[Step]]]

    def question(self, path: tuple[str, ...], stage: str | None = None) -> Question:
        """The question that finds a leaf's value; `stage`: in that stage, where the store has stages (AWS)."""
        steps = self.steps[path]
        if stage is not None:
            steps = [one for step in steps for one in _in_stage(step, stage)]
        leaf = self.leaves[path]
        return Question(path, steps, leaf.fit, leaf.keys[1:] if len(path) > 1 else (), leaf.judged)


def _in_stage(step: Step, stage: str) -> Sequence[Step]:
    """Where to look for a value in a stage: there, and where its secret has no such stage, as ever."""
    ref = step.ref
    if ref.scheme != "aws-sm" or {"stage", "version"} & ref.options.keys():
        return [step]
    options = {**ref.options, "stage": stage, "ttl": _TTL_OF_STAGE}
    return [step._replace(ref=Ref(ref.scheme, ref.location, options, ref.key)), step]


_TTL_OF_STAGE: Final = "1"  # seconds: a rotation goes through the stages in a few of them
_plans: WeakKeyDictionary[type[BaseSettings], dict[tuple[object, ...], Plan]] = WeakKeyDictionary()


def plan_for(settings_cls: type[BaseSettings], chain: object = None, *, with_dotenv: bool = False) -> Plan:
    """The plan of a class, for the profile that is in force.

    Args:
        settings_cls: The class.
        chain: A chain in place of the one in its config.
        with_dotenv: Whether a `.env` has its place in it even if the chain names none (`_env_file=`).

    Raises:
        ConfigurationError: A source, a profile or a `From` makes no sense; one line for each that does not.
    """
    profile, texts = chain_in_force(settings_cls, chain)
    if with_dotenv:
        texts = _with_dotenv(texts)
    config: Mapping[str, Any] = settings_cls.model_config
    schemes = tuple(own_backends(config))
    leaves = leaves_by_path(settings_cls)
    cached = _plans.setdefault(settings_cls, {})
    key = (profile, texts, schemes, id(leaves))
    if key not in cached:
        models = nested_models(settings_cls, leaves.values())
        cached[key] = _Planner(profile, texts, schemes).plan(leaves, models)
    return cached[key]


def chain_in_force(settings_cls: type[BaseSettings], chain: object = None) -> tuple[str, tuple[str, ...]]:
    """The profile's name and its sources: of the environment, else of the class."""
    config: Mapping[str, Any] = settings_cls.model_config
    declared = config.get("chain") if chain is None else chain
    asked = os.environ.get("SECRETSOURCE_PROFILE") or config.get("profile")
    replaced = os.environ.get("SECRETSOURCE_CHAIN", "").split()
    profile = _profile(asked, declared, replaced=bool(replaced))
    if replaced:
        return profile, tuple(replaced)
    return profile, _texts(declared[profile] if isinstance(declared, Mapping) else declared)


def _keys_below(leaf: Leaf, names: Sequence[str], rest: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """For each name of the rest of a leaf's path the keys that may stand for it: what `From` says, or its aliases."""
    start = len(names) - len(rest)
    below = zip(leaf.keys[start:], names[start:], leaf.path[start:], rest, strict=True)
    return tuple((*keys[:-1], word) if name == own else (word,) for keys, name, own, word in below)


def _with_dotenv(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The chain with a `.env` after the environment, where BaseSettings has it; as it is where it names one."""
    if any(text.startswith("dotenv://") for text in texts):
        return texts
    place = texts.index("env://") + 1 if "env://" in texts else 0
    return (*texts[:place], "dotenv://.env", *texts[place:])


def standard_chain(settings_cls: type[BaseSettings]) -> tuple[str, ...]:
    """The chain that says what BaseSettings does by itself: environment, `.env` files (the last first), secrets_dir."""
    config: Mapping[str, Any] = settings_cls.model_config
    files, folders = _paths(config.get("env_file")), _paths(config.get("secrets_dir"))
    return (
        "env://",
        *(f"dotenv://{encode(path, '?#{}')}" for path in reversed(files)),
        *(f"file://{encode(path.rstrip('/'), '?#{}')}/{{name}}" for path in reversed(folders)),
    )


def _paths(value: Any) -> list[str]:
    if value is None:
        return []
    return [os.fspath(path) for path in ([value] if isinstance(value, str | os.PathLike) else value)]


def _profile(asked: object, declared: object, *, replaced: bool) -> str:
    known = list(declared) if isinstance(declared, Mapping) else None
    profile = asked or DEVELOPMENT
    if known and not asked:
        if DEVELOPMENT not in known and len(known) > 1:
            msg = f"no profile is chosen: set SECRETSOURCE_PROFILE to one of {', '.join(known)}"
            raise ConfigurationError(msg)
        profile = DEVELOPMENT if DEVELOPMENT in known else known[0]
    if not isinstance(profile, str) or not _PROFILE_NAME.fullmatch(profile):
        msg = "a profile's name consists of letters, digits, '.', '_' and '-'"
        raise ConfigurationError(msg)
    if known is not None and profile not in known and not replaced:
        meant = did_you_mean(profile, known)
        msg = f"there is no profile {profile!r}{meant} (the chain has: {', '.join(known) or 'none'})"
        raise ConfigurationError(msg)
    return profile


def _texts(chain: object) -> tuple[str, ...]:
    if chain is None:
        return ()
    if isinstance(chain, str):
        return tuple(chain.split())
    if isinstance(chain, tuple | list) and all(isinstance(source, str) for source in chain):
        return tuple(chain)
    msg = "a chain is a tuple of sources, or a mapping from profile to such tuples"
    raise ConfigurationError(msg)


def warn_of_ignored(settings_cls: type[BaseSettings], plan: Plan, given: Mapping[str, Any]) -> None:
    """Say that a file in the config or an argument is never read, because no profile's chain has a place for it."""
    config: Mapping[str, Any] = settings_cls.model_config
    files = {key: given.get(f"_{key}", config.get(key)) for key in ("env_file", "secrets_dir")}
    chain = config.get("chain")
    if chain is None or not any(files.values()):
        return
    declared = [text for texts in (chain.values() if isinstance(chain, Mapping) else [chain]) for text in _texts(texts)]
    used = {text.partition("://")[0] for text in declared}
    used |= {step.ref.scheme for steps in plan.steps.values() for step in steps}
    for key, scheme in (("env_file", "dotenv"), ("secrets_dir", "file")):
        if files[key] and scheme not in used and not (key == "env_file" and "_env_file" in given):
            msg = f"{settings_cls.__name__}: {key} is not read, as the chain has no {scheme}:// source"
            warnings.warn(msg, UserWarning, stacklevel=2)


class _Planner:
    """Works out one plan, and gathers what is wrong on the way."""

    def __init__(self, profile: str, texts: Sequence[str], schemes: Collection[str]) -> None:
        self._profile, self._schemes = profile, schemes
        self._by_names: dict[str, Source] = {}
        self._sources: dict[tuple[str, bool], Source | None] = {}
        self._faults: list[ConfigurationError] = []
        self._chain = self._read(texts, in_chain=True)

    def plan(self, leaves: Mapping[tuple[str, ...], Leaf], models: Iterable[NestedModel]) -> Plan:
        steps = {path: tuple(self._steps(leaf)) for path, leaf in leaves.items()}
        beside = [(model, tuple(self._steps(model.leaf))) for model in models]
        if self._faults:
            raise joined(self._faults)
        optional = {path: leaf.optional for path, leaf in leaves.items()}
        return Plan(self._profile, leaves, steps, self._by_names, optional, beside)

    def _read(self, texts: Iterable[str], *, in_chain: bool) -> list[Source]:
        for text in texts:
            if (text, in_chain) not in self._sources:
                self._sources[text, in_chain] = None
                try:
                    source = Source(text, in_chain=in_chain, schemes=self._schemes)
                except ConfigurationError as error:
                    self._faults.append(error)
                else:
                    self._take(text, source, in_chain=in_chain)
        found = (self._sources[text, in_chain] for text in texts)
        return [source for source in found if source is not None]

    def _take(self, text: str, source: Source, *, in_chain: bool) -> None:
        self._sources[text, in_chain] = source
        if source.by_names:
            self._by_names[text] = source
        if (fault := unknown_backend(source.scheme, self._schemes)) is not None:
            self._faults.append(fault)

    def _steps(self, leaf: Leaf) -> Iterable[Step]:
        if leaf.steered_inside:
            msg = f"{leaf.name}: it is found as a whole, so a From inside of its type has no effect"
            self._faults.append(ConfigurationError(msg))
        sources, taken = self._chain, 1
        names = list(leaf.path)
        for depth, steer in leaf.steering:
            if steer.sources:
                sources, taken = self._read(steer.sources, in_chain=False), depth
            if steer.name is not None:
                names[depth - 1] = steer.name
            self._check_schemes(leaf, (*(steer.only or ()), *steer.never))
        allowed = [source for source in sources if all(steer.allows(source.scheme) for _, steer in leaf.steering)]
        for source in allowed:
            if (step := self._step(source, leaf, names, taken)) is not None:
                yield step

    def _step(self, source: Source, leaf: Leaf, names: list[str], taken: int) -> Step | None:
        if source.by_names:
            return Step(source.names_ref(self._profile), names=source.text)
        try:
            ref, keys, model, rest = source.expand(names, self._profile, taken=taken)
        except InvalidRef as error:
            self._faults.append(error)
            return None
        return Step(ref, keys, model, _keys_below(leaf, names, rest), leaf.judged)

    def _check_schemes(self, leaf: Leaf, named: Sequence[str]) -> None:
        for scheme in named:
            known = {*BUILT_IN, *self._schemes, *(source.scheme for source in self._chain)}
            if scheme not in known and (meant := did_you_mean(scheme, known)):
                msg = f"{leaf.name}: From names the backend {scheme!r}, which is not there{meant}"
                self._faults.append(ConfigurationError(msg))
