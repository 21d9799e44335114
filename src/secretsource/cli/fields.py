"""Fields of a settings class: asked for by name and alone, and made into what the application would get."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from secretsource.cli.failures import wrong
from secretsource.cli.problems import broken, problems_of
from secretsource.cli.single import moved, validated
from secretsource.errors import Outcome, Problem, SecretSourceError
from secretsource.ref import did_you_mean
from secretsource.settings.annotations import fields_of, members, nested_model
from secretsource.settings.explanation import Explanation
from secretsource.settings.inspection import record_of
from secretsource.settings.leaves import leaves_by_path
from secretsource.settings.load import Load
from secretsource.settings.plan import standard_chain
from secretsource.settings.sources import chain_is_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic_core import InitErrorDetails
    from pydantic_settings import BaseSettings

    from secretsource.settings.leaves import Leaf
    from secretsource.settings.provenance import Record

Path = tuple[str, ...]

_LOOKS_LIKE: Final = 0.6


def paths_of(settings_cls: type[BaseSettings], names: Iterable[str]) -> dict[str, Path]:
    """The paths of fields by their names.

    Raises:
        Failed: The class has no such field.
    """
    leaves = leaves_by_path(settings_cls)
    known = {".".join(path[: depth + 1]) for path in leaves for depth in range(len(path))}
    unknown = [name for name in names if name not in known]
    if unknown:
        has_no = f"{settings_cls.__name__} has no field"
        raise wrong("\n".join(f"{has_no} {name!r}{did_you_mean(name, known, _LOOKS_LIKE)}" for name in unknown))
    return {name: tuple(name.split(".")) for name in names}


class InsideNone(Exception):
    """A field has no value, as there is no model that it could be in.

    Attributes:
        model: The field that is None.
    """

    def __init__(self, model: Path) -> None:
        self.model = ".".join(model)
        super().__init__(f"{self.model} is None")


def value_at(settings_cls: type[BaseSettings], path: Path, value: object, start: int = 0) -> object:
    """What is found by a path; inside of None that is None, where the field may be None.

    Args:
        settings_cls: The class.
        path: The field's.
        value: That of the field which the first names of the path lead to.
        start: How many names that are.

    Raises:
        InsideNone: It may not.
    """
    for depth, (owner, name) in list(enumerate(zip(_owners(settings_cls, path), path, strict=True)))[start:]:
        if value is not None:
            value = getattr(value, name)
        elif NoneType not in members(fields_of(owner)[name].annotation):
            raise InsideNone(path[:depth])
    return value


def absent(name: str, error: InsideNone) -> Problem:
    """The problem of a field that has no value."""
    return Problem(name, Outcome.MISSING, None, str(error))


def explanation_of(settings_cls: type[BaseSettings], names: Sequence[str]) -> Explanation:
    """Where the leaves of some fields come from. They alone are asked for, unless the class chooses its sources.

    Arguments and errors are those of `Fields`.
    """
    paths, leaves = paths_of(settings_cls, names).values(), leaves_by_path(settings_cls).values()
    record = Fields(settings_cls, names).record() if chain_is_all(settings_cls) else record_of(settings_cls)
    named = [record.resolution(leaf.name) for path in paths for leaf in leaves if _is_in(leaf, path)]
    return Explanation(record.settings, record.profile, named)


class Fields:
    """Some fields of a class, asked for in one load that asks for nothing else.

    Args:
        settings_cls: The class.
        names: The fields: `secret_key`, `database.password`, or `database` for all of a nested model.

    Raises:
        Failed: The class has no such field.
        ConfigurationError: The class's declaration makes no sense.
    """

    def __init__(self, settings_cls: type[BaseSettings], names: Sequence[str]) -> None:
        self._settings_cls = settings_cls
        self._all = leaves_by_path(settings_cls)
        self._paths = paths_of(settings_cls, names)
        asked = [_decided_by(settings_cls, path) for path in self._paths.values()]
        leaves = {leaf.path for leaf in self._all.values() if any(_is_in(leaf, path) for path in asked)}
        chain = None if settings_cls.model_config.get("chain") is not None else standard_chain(settings_cls)
        self._load = Load(settings_cls, only=leaves)
        self._found = self._load.run(chain, {})

    def record(self) -> Record:
        """Where each of their leaves came from."""
        return self._load.record()

    def read(self) -> tuple[dict[str, object], Sequence[Problem]]:
        """Their values by name, and what is wrong with those that have none.

        Raises:
            SecretSourceError: A validator has asked a store by itself, which failed.
        """
        values, faults, broken_off = self._judged()
        return values, [*self._problems(faults), *broken_off]

    def problems(self) -> Sequence[Problem]:
        """What is wrong with them; not what a validator may only have to say for want of the other fields."""
        _, faults, _ = self._judged()
        return self._problems(faults)

    def _judged(self) -> tuple[dict[str, object], list[InitErrorDetails], list[Problem]]:
        values: dict[str, object] = {}
        faults: list[InitErrorDetails] = []
        broken_off: list[Problem] = []
        for name, path in self._paths.items():
            try:
                values[name] = self._value(path)
            except ValidationError as invalid:  # its errors hold values: the load's `failure` takes them out
                faults += [moved(item, _decided_by(self._settings_cls, path)[:-1]) for item in invalid.errors()]
            except SecretSourceError:
                raise
            except (SystemExit, Exception) as error:  # noqa: BLE001 - a validator may raise anything
                broken_off.append(absent(name, error) if isinstance(error, InsideNone) else broken(name, error))
        return values, faults, broken_off

    def _problems(self, faults: list[InitErrorDetails]) -> Sequence[Problem]:
        whole = ValidationError.from_exception_data(self._settings_cls.__name__, faults) if faults else None
        failure = self._load.failure(whole)
        return () if failure is None else problems_of(failure, self._settings_cls)

    def _value(self, path: Path) -> object:
        decided = _decided_by(self._settings_cls, path)
        *_, owner = _owners(self._settings_cls, decided)
        value = validated(owner, decided[-1], self._data_around(decided))
        return value_at(self._settings_cls, path, value, len(decided))

    def _data_around(self, path: Path) -> Mapping[str, Any]:
        """What was found for the model that a field is in, as pydantic takes it."""
        leaf = next(leaf for leaf in self._all.values() if _is_in(leaf, path))
        data: Any = self._found
        for key in (key for places in leaf.places[: len(path) - 1] for key in places[0]):
            data = data.get(key, {})
        return data if isinstance(data, dict) else {}


def _is_in(leaf: Leaf, path: Path) -> bool:
    return leaf.path[: len(path)] == path


def _owners(settings_cls: type[BaseSettings], path: Path) -> Iterator[type[Any]]:
    """The classes that the fields of a path are in, outermost first."""
    owner: Any = settings_cls
    for name in path:
        yield owner
        owner = nested_model(fields_of(owner)[name])


def _decided_by(settings_cls: type[BaseSettings], path: Path) -> Path:
    """What has to be known whole to know a field: a nested model with a default is only itself as a whole."""
    for depth, (owner, name) in enumerate(zip(_owners(settings_cls, path), path, strict=False), 1):
        if not fields_of(owner)[name].is_required():
            return path[:depth]
    return path
