"""Source: a ref with a placeholder, so that it serves many fields. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from secretsource import grammar
from secretsource.errors import InvalidRef
from secretsource.ref import Ref, decode, refuse, split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

PLACEHOLDERS = ("name", "path", "profile")
FLAT = "__"

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FIELD_PLACEHOLDER = re.compile(r"\{(name|path)\}")
_WORD_BREAK = re.compile(r"[_\-\s]+")


class Expansion(NamedTuple):
    """What a source becomes for one leaf.

    Attributes:
        ref: The ref, with the key that is tried first.
        keys: The keys inside the secret that may hold the value, first choice first; empty for the whole secret.
        model: For a leaf of a nested model: the key of the model's value, empty for the whole secret.
        rest: The names that lead from there to the leaf.
    """

    ref: Ref
    keys: tuple[str, ...]
    model: str | None = None
    rest: tuple[str, ...] = ()


class Source:
    """A ref with a placeholder; `str()` gives back its text.

    Attributes:
        text: As it was declared.
        scheme: Which backend it asks.
        by_names: Whether it goes by pydantic-settings' names for a field (`env://`, `dotenv://.env`).
    """

    __slots__ = ("_key", "_location", "_options", "by_names", "scheme", "text")

    def __init__(self, text: str, *, in_chain: bool = True, schemes: Collection[str] = ()) -> None:
        """Read a source.

        Args:
            text: Such as `aws-sm://prod/shop#{name}`.
            in_chain: Whether one without a placeholder takes its backend's default template. In `From`, where this is
                False, it is taken as it stands.
            schemes: Schemes of the caller's own.

        Raises:
            InvalidRef: It does not follow the grammar.
            UnknownBackend: Its scheme looks like a built-in one that was mistyped.
        """
        parts = split(text, schemes)
        self.text = text
        self.scheme = parts.scheme
        self._location, self._key, self._options = parts.location, parts.key, parts.options
        self._check_placeholders()
        serves_one = not _FIELD_PLACEHOLDER.search(self._location + (self._key or ""))
        self.by_names = serves_one and self._is_bare_names_source()
        if self.by_names and self.scheme == "dotenv" and not self._location:
            refuse("the location of dotenv is the path of a file", self.text)
        if self.by_names and "version" in self._options:
            refuse(f"{self.scheme} has no versions", self.text)
        if serves_one and in_chain and not self.by_names:
            self._apply_default_template()

    def _check_placeholders(self) -> None:
        for word in _PLACEHOLDER.findall(self._location + (self._key or "") + "".join(self._options.values())):
            if word not in PLACEHOLDERS:
                refuse(f"unknown placeholder {{{word}}}; there are {{name}}, {{path}} and {{profile}}", self.text)
        if any(_FIELD_PLACEHOLDER.search(value) for value in self._options.values()):
            refuse("an option takes no placeholder of a field, only {profile}", self.text)

    def _is_bare_names_source(self) -> bool:
        if self.scheme == "env":
            return not self._location and self._key is None
        return self.scheme == "dotenv" and self._key is None

    def _apply_default_template(self) -> None:
        parents = grammar.rules(self.scheme).parents
        depth = len([segment for segment in self._location.split("/") if segment])
        if self._key is not None:
            self._key += "/{name}"
        elif self._location.endswith("/") or not self._location:
            self._location += "{name}"
        elif parents in (0, depth):
            self._location += "/{name}"
        else:
            self._key = "{name}"

    def names_ref(self, profile: str) -> Ref:
        """For a source that goes by names: where it looks (`env://`, or the file)."""
        return Ref(self.scheme, _fill(self._location, {}, profile), self._options)

    def expand(self, path: Sequence[str], profile: str, *, taken: int = 1) -> Expansion:
        """The ref for one leaf.

        Args:
            path: The leaf's path, outermost name first; a name may itself be a path (`mail/password`).
            profile: The profile's name.
            taken: For a source without a placeholder: how many names of the path it stands for. The rest is walked
                in the secret's JSON.

        Raises:
            InvalidRef: With the names filled in, the store could not have such a name.
        """
        words = [_recase(part, self._options.get("case")) for part in path]
        location = _fill(self._location, _location_names(self.scheme, words), profile)
        if fault := grammar.location_fault(self.scheme, location):
            msg = f"{self.text} does not serve {'.'.join(path)}: {fault}"
            raise InvalidRef(msg)
        options = {name: _fill(value, {}, profile) for name, value in self._options.items() if name != "case"}
        rest = tuple(self._not_yet_named(words, taken))
        base, keys = self._keys(words, profile, rest)
        return Expansion(
            Ref(self.scheme, location, options, keys[0] if keys else None), keys, base if rest else None, rest
        )

    def _keys(self, words: Sequence[str], profile: str, rest: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """The key that the source itself names, and those that may hold the value."""
        if self._key is None:
            return "", ("/".join(rest),) if rest else ()
        base = _fill(self._key, {"name": words[0], "path": "/".join(words)}, profile)
        flat = _fill(self._key, {"name": words[0], "path": FLAT.join(words)}, profile)
        return base, tuple(dict.fromkeys(("/".join([base, *rest]), FLAT.join([flat, *rest]))))

    def _not_yet_named(self, words: Sequence[str], taken: int) -> Sequence[str]:
        template = self._location + (self._key or "")
        if "{path}" in template:
            return ()
        return words[1:] if "{name}" in template else words[taken:]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Source({self.text!r})"


def _fill(template: str, names: Mapping[str, str], profile: str) -> str:
    """Fill the placeholders; what stands around them is percent-decoded, what goes in is taken as it is."""
    pieces = _PLACEHOLDER.split(template)  # text, placeholder, text, ...
    known = {**names, "profile": profile}
    return "".join(known[piece] if index % 2 else decode(piece) for index, piece in enumerate(pieces))


def _location_names(scheme: str, words: Sequence[str]) -> dict[str, str]:
    path = "/".join(words)
    names = {"name": words[0], "path": path}
    if not grammar.rules(scheme).slash:
        names = {placeholder: name.replace("/", "-") for placeholder, name in names.items()}
    if scheme == "azure-kv":  # Key Vault allows no underscore
        names = {placeholder: name.replace("_", "-") for placeholder, name in names.items()}
    return names


def _recase(name: str, case: str | None) -> str:
    return name if case is None else "/".join(_RECASE[case](_words(part)) for part in name.split("/"))


def every_case(name: str) -> list[str]:
    """A name in all the ways in which the option `case` may have it written."""
    return [recase(_words(name)) for recase in _RECASE.values()]


def _words(name: str) -> list[str]:
    return [word for word in _WORD_BREAK.split(name) if word]


_RECASE: dict[str, Callable[[list[str]], str]] = {
    "kebab": lambda words: "-".join(words).lower(),
    "snake": lambda words: "_".join(words).lower(),
    "upper": lambda words: "_".join(words).upper(),
    "pascal": lambda words: "".join(word.capitalize() for word in words),
    "camel": lambda words: "".join(word if not index else word.capitalize() for index, word in enumerate(words)),
}
