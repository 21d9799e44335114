"""The sources of one load that go by names, read when first asked: the environment and `.env` files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from secretsource.cache import Entry, Failure
from secretsource.errors import Outcome, error_for
from secretsource.ref import Ref
from secretsource.settings.names import Names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_settings import EnvSettingsSource

    from secretsource.access import Access
    from secretsource.question import Names as NamesContract
    from secretsource.settings.plan import Plan


class LazyNames(dict[str, "NamesContract"]):
    """The sources that go by names, by their text; each is read when a field first asks it.

    Args:
        plan: The class's plan.
        like: The class's environment source, as pydantic-settings made it.
        access: How files are read.
        given: The keyword arguments: `_env_file` takes the place of every `.env` of the chain.
    """

    def __init__(self, plan: Plan, like: EnvSettingsSource, access: Access, given: Mapping[str, Any]) -> None:
        super().__init__()
        self._plan, self._like, self._access, self._given = plan, like, access, given

    def __missing__(self, text: str) -> NamesContract:
        source = self._plan.by_names[text]
        self[text] = names = (
            self._environment() if source.scheme == "env" else self._files(source.names_ref(self._plan.profile))
        )
        return names

    def _environment(self) -> Names:
        return Names(self._like, self._plan.leaves, os.environ, lambda name: Ref("env", name), self._read_file)

    def _read_file(self, path: str) -> object:
        """What `X_FILE` names. That it is not there is a mistake, and not "the value does not exist"."""
        ref = Ref("file", path)
        entry = self._access.read_local(ref)
        if isinstance(entry, Failure):
            _raise(entry, ref)
        if entry.value is None:
            missing = Failure(
                Outcome.INVALID, "the file that the variable names does not exist", "mount it, or unset the variable"
            )
            _raise(missing, ref)
        return entry.value.raw

    def _files(self, ref: Ref) -> NamesContract:
        variables: dict[str, str | None] = {}
        homes: dict[str, Ref] = {}
        for file in self._refs(ref):
            entry = self._access.read_local(file)
            if isinstance(entry, Failure):
                return _Unreadable(entry, file)
            variables |= (found := _mapping(entry))
            homes |= dict.fromkeys(found, file)
            ref = file
        return Names(self._like, self._plan.leaves, variables, lambda name: homes.get(name, ref).with_key(name))

    def _refs(self, ref: Ref) -> Sequence[Ref]:
        charset = self._given.get("_env_file_encoding", self._like.config.get("env_file_encoding"))
        if charset is not None and "charset" not in ref.options:
            ref = Ref(ref.scheme, ref.location, {**ref.options, "charset": charset})
        if "_env_file" not in self._given:
            return [ref]
        files = self._given["_env_file"]
        if files is None:
            return []
        several = [files] if isinstance(files, str | os.PathLike) else files
        return [Ref("dotenv", os.fspath(Path(file).expanduser()), ref.options) for file in several]


def _mapping(entry: Entry) -> Mapping[str, str | None]:
    raw: Any = {} if entry.value is None else entry.value.raw
    return raw if isinstance(raw, dict) else dict(raw)


class _Unreadable:
    """A `.env` that is there and cannot be read: what it might hold for a field cannot be passed over."""

    def __init__(self, failure: Failure, ref: Ref) -> None:
        self._failure, self._ref = failure, ref

    def find(self, path: tuple[str, ...]) -> tuple[Ref, object]:  # noqa: ARG002 - the same for every field
        """Raise the file's failure."""
        _raise(self._failure, self._ref)


def _raise(failure: Failure, ref: Ref) -> NoReturn:
    raise error_for(failure.outcome)(failure.detail, ref=ref, hint=failure.hint)
