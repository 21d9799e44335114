"""Settings as plain values, for frameworks that keep their configuration in a dict. Secrets stay masked in `repr`.

Text and bytes are masked themselves, so they stay so wherever they go. Anything else is what it was, for drivers and
sockets refuse a number that is not a plain one; it is the dict around it that does not show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import BaseModel, RootModel
from pydantic_core import MultiHostUrl, Url

from secretsource.errors import ConfigurationError
from secretsource.redaction import MASK, MaskedBytes, MaskedStr
from secretsource.ref import did_you_mean
from secretsource.settings.leaves import leaves_by_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretsource.settings.model import Settings

Path = tuple[str, ...]
Keys = Mapping[str, str] | Collection[str] | None


class MaskedDict(dict[str, Any]):
    """A dict that does not show what some of its keys hold.

    Attributes:
        hidden: These keys.
    """

    __slots__ = ("hidden",)

    def __init__(self, items: Mapping[str, Any], hidden: Collection[str]) -> None:
        super().__init__(items)
        self.hidden = frozenset(hidden)

    def __repr__(self) -> str:
        return repr_without(self, self.hidden)


_MASKED: Final[Mapping[type, type]] = {str: MaskedStr, bytes: MaskedBytes}


class _Plain(NamedTuple):
    """A plain value.

    Attributes:
        value: It.
        bare: Whether it is a secret that its own `repr` would show.
    """

    value: Any
    bare: bool = False


class _Place(NamedTuple):
    """Where a value is: its path, which paths came out of a secret store, and whether it is inside of a secret."""

    path: Path
    secret_paths: frozenset[Path]
    secret: bool = False

    def below(self, name: str) -> _Place:
        path = (*self.path, name)
        return self._replace(path=path, secret=self.secret or path in self.secret_paths)


def plain_fields(settings: Settings) -> dict[str, Any]:
    """Each field as a plain value, computed ones too.

    Nested models become dicts, secrets and addresses text that is masked in `repr`. Lists and tables are copies: what
    is done to them does not reach the settings.
    """
    record = settings._secretsource  # noqa: SLF001 - same package
    found: dict[str, Any] = _plain(settings, _Place((), frozenset() if record is None else record.secret_paths)).value
    return found


def keys_of_fields(settings_cls: type[Settings], keys: Keys, prefix: str) -> dict[str, str]:
    """For each field that is wanted, by its path, the key that it gets.

    Args:
        settings_cls: The settings class.
        keys: Which fields, by their paths; or a mapping from their paths to keys. None: all, in upper case.
        prefix: What goes before the keys.

    Raises:
        ConfigurationError: There is no such field, or two would get the same key.
    """
    if isinstance(keys, str):
        raise ConfigurationError(f"keys= is a list of fields, or a mapping: [{keys!r}], not {keys!r}")
    fields_ = [*settings_cls.model_fields, *settings_cls.model_computed_fields]
    chosen = keys if isinstance(keys, Mapping) else {name: _key(name) for name in (fields_ if keys is None else keys)}
    known = {".".join(path[: depth + 1]) for path in leaves_by_path(settings_cls) for depth in range(len(path))}
    for name in chosen:
        if name not in known.union(fields_):
            raise ConfigurationError(
                f"keys= names {name!r}, which {settings_cls.__name__} does not have{did_you_mean(name, known)}"
            )
    counts = Counter(chosen.values())
    if twice := [prefix + key for key, count in counts.items() if count > 1]:
        raise ConfigurationError(f"more than one field of {settings_cls.__name__} would be {', '.join(twice)}")
    return {name: prefix + key for name, key in chosen.items()}


def _key(path: str) -> str:
    return path.replace(".", "_").upper()


def values_by_key(settings: Settings, names: Mapping[str, str]) -> tuple[dict[str, Any], frozenset[str]]:
    """The values under the keys of `keys_of_fields`, and which of these are not to be shown."""
    values, hidden, plain = {}, set(), plain_fields(settings)
    for path, key in names.items():
        *outer, name = path.split(".")
        table = plain
        for part in outer:
            table = table[part]
        values[key] = table[name]
        if isinstance(table, MaskedDict) and name in table.hidden:
            hidden.add(key)
    return values, frozenset(hidden)


def changes(
    old: Mapping[str, Any], found: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All values, of which one that is equal to the old one stays the same object; and those to put into a config.

    Args:
        old: The values that were put there before.
        found: Those there are now.
        config: What is there; a value of somebody else's is to stay.
    """
    new = {key: old[key] if key in old and old[key] == value else value for key, value in found.items()}
    return new, {
        key: value
        for key, value in new.items()
        if key not in old or (value is not old[key] and config.get(key) is old[key])
    }


def repr_without(table: Mapping[str, Any], hidden: Collection[str]) -> str:
    """The `repr` of a table that does not show what these keys hold."""
    shown = (f"{key!r}: {MASK!r}" if key in hidden else f"{key!r}: {value!r}" for key, value in table.items())
    return f"{{{', '.join(shown)}}}"


def _plain(value: Any, place: _Place) -> _Plain:
    if hasattr(value, "get_secret_value"):
        return _plain(value.get_secret_value(), place._replace(secret=True))
    if isinstance(value, RootModel):
        return _plain(value.root, place)
    if (members := _members(value, place)) is not None:
        return _table({name: _plain(getattr(value, name), below) for name, below in members.items()})
    if isinstance(value, dict):  # of a secret one the keys are secret, too: a field's names are not its own
        return _table({key: _plain(item, place) for key, item in value.items()})._replace(bare=place.secret)
    if isinstance(value, list | tuple | set | frozenset):
        return _all([_plain(item, place) for item in value], type(value))
    return _simple(value, secret=place.secret)


def _members(value: Any, place: _Place) -> dict[str, _Place] | None:
    """The fields of a model or a dataclass. A computed one may be made of secrets, so it is taken for one."""
    if isinstance(value, BaseModel):
        computed = dict.fromkeys(type(value).model_computed_fields, place._replace(secret=True))
        names = (*type(value).model_fields, *(value.model_extra or ()))
        return {name: place.below(name) for name in names} | computed
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: place.below(item.name) for item in fields(value)}
    return None


def _table(parts: Mapping[str, _Plain]) -> _Plain:
    values = {key: part.value for key, part in parts.items()}
    bare = [key for key, part in parts.items() if part.bare]
    return _Plain(MaskedDict(values, bare) if bare else values)


def _all(parts: Sequence[_Plain], kind: type[Any]) -> _Plain:
    """A collection of the same kind; but a set of models, which become dicts, is a list."""
    values, bare = [part.value for part in parts], any(part.bare for part in parts)
    if hasattr(kind, "_fields"):
        return _Plain(kind(*values), bare)
    return _Plain(kind(values) if all(isinstance(value, Hashable) for value in values) else values, bare)


def _simple(value: Any, *, secret: bool) -> _Plain:
    if isinstance(value, Url | MultiHostUrl) or hasattr(value, "unicode_string"):
        return _Plain(MaskedStr(value))
    if not secret or value is None or isinstance(value, MaskedStr | MaskedBytes):
        return _Plain(value)
    mask = _MASKED.get(type(value))
    return _Plain(value, bare=True) if mask is None else _Plain(mask(value))
