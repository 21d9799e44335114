"""Fields of a settings class: asked for by name and alone, and made into what the application would get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from secretsource.cli.failures import where, wrong
from secretsource.cli.problems import load_all, problems_of
from secretsource.cli.single import moved, validated
from secretsource.document import pick
from secretsource.errors import Outcome, Problem
from secretsource.ref import did_you_mean
from secretsource.settings import Settings
from secretsource.settings.explanation import Explanation
from secretsource.settings.leaves import fields_of, leaves_by_path, plain_type
from secretsource.settings.load import Load
from secretsource.settings.placement import place_values
from secretsource.settings.plan import standard_chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic_core import InitErrorDetails

    from secretsource.settings.leaves import Leaf

Path = tuple[str, ...]

_LOOKS_LIKE: Final = 0.6
_ALONE: Final = "a validator that needs other fields too cannot judge this one alone"


def read_fields(settings_cls: type[BaseSettings], names: Sequence[str]) -> tuple[dict[str, object], Sequence[Problem]]:
    """The values of fields as the application would get them, and what is wrong with those that have none.

    Arguments and errors are those of `Fields`.
    """
    if _goes_by_its_chain(settings_cls):
        return Fields(settings_cls, names).read()
    paths = _paths_of(settings_cls, names)
    settings, problems = load_all(settings_cls)
    return {} if settings is None else {name: _inside(settings, path) for name, path in paths.items()}, problems


def _goes_by_its_chain(settings_cls: type[BaseSettings]) -> bool:
    """Whether the chain, or what BaseSettings does by itself, is all there is: a class may have sources of its own."""
    own: Any = settings_cls.settings_customise_sources
    standard: Any = (Settings.settings_customise_sources, BaseSettings.settings_customise_sources)
    return own.__func__ in [method.__func__ for method in standard]


def _paths_of(settings_cls: type[BaseSettings], names: Iterable[str]) -> dict[str, Path]:
    leaves = leaves_by_path(settings_cls)
    known = {".".join(path[: depth + 1]) for path in leaves for depth in range(len(path))}
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known, _LOOKS_LIKE)
            raise wrong(f"{settings_cls.__name__} has no field {name!r}{meant}")
    return {name: tuple(name.split(".")) for name in names}


def _inside(value: object, path: Path) -> object:
    for name in path:
        value = getattr(value, name)
    return value


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
        self._paths = _paths_of(settings_cls, names)
        asked = [_decided_by(settings_cls, path) for path in self._paths.values()]
        others = [leaf for leaf in self._all.values() if not any(_is_in(leaf, path) for path in asked)]
        chain = None if settings_cls.model_config.get("chain") is not None else standard_chain(settings_cls)
        self._load = Load(settings_cls)
        self._found = self._load.run(chain, place_values((leaf, None) for leaf in others))

    def explanation(self) -> Explanation:
        """Where each of their leaves came from."""
        record = self._load.record()
        paths = self._paths.values()
        leaves = [leaf for path in paths for leaf in self._all.values() if _is_in(leaf, path)]
        return Explanation(record.settings, record.profile, [record.resolution(leaf.name) for leaf in leaves])

    def read(self) -> tuple[dict[str, object], Sequence[Problem]]:
        """Their values by name, and what is wrong with those that have none."""
        values: dict[str, object] = {}
        faults: list[InitErrorDetails] = []
        broken: list[Problem] = []
        for name, path in self._paths.items():
            try:
                values[name] = self._value(path)
            except ValidationError as invalid:  # its errors hold values: the load's `failure` takes them out
                faults += [moved(item, path[:-1]) for item in invalid.errors()]
            except Exception as error:  # noqa: BLE001 - a validator may raise anything
                broken.append(Problem(name, Outcome.INVALID, None, f"{type(error).__name__} {where(error)}", _ALONE))
        whole = ValidationError.from_exception_data(self._settings_cls.__name__, faults) if faults else None
        failure = self._load.failure(whole)
        return values, broken if failure is None else [*problems_of(failure, self._settings_cls), *broken]

    def _value(self, path: Path) -> object:
        decided = _decided_by(self._settings_cls, path)
        *_, owner = _owners(self._settings_cls, decided)
        value = validated(owner, decided[-1], self._data_around(decided))
        return _inside(value, path[len(decided) :])

    def _data_around(self, path: Path) -> Mapping[str, Any]:
        """What was found for the model that a field is in, as pydantic takes it."""
        leaf = next(leaf for leaf in self._all.values() if _is_in(leaf, path))
        data: Any = self._found
        for key in (str(key) for places in leaf.places[: len(path) - 1] for key in places[0]):
            data = pick(data, key)
        return data if isinstance(data, dict) else {}


def _is_in(leaf: Leaf, path: Path) -> bool:
    return leaf.path[: len(path)] == path


def _owners(settings_cls: type[BaseSettings], path: Path) -> Iterator[type[Any]]:
    """The classes that the fields of a path are in, outermost first."""
    owner: Any = settings_cls
    for name in path:
        yield owner
        owner = plain_type(fields_of(owner)[name].annotation)


def _decided_by(settings_cls: type[BaseSettings], path: Path) -> Path:
    """What has to be known whole to know a field: a nested model with a default is only itself as a whole."""
    for depth, (owner, name) in enumerate(zip(_owners(settings_cls, path), path, strict=False), 1):
        if not fields_of(owner)[name].is_required():
            return path[:depth]
    return path
