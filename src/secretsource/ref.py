"""Ref: the URI that names one value in one store. Pure: parsing asks nobody.

    scheme://location[?option=value&...][#key]

Percent-encoding is allowed, an ARN is taken literally, credentials are refused. A `+` is a plus.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from secretsource import grammar
from secretsource.errors import InvalidRef, UnknownBackend
from secretsource.plugins import plug_ins

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.+-]*)://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_USERINFO = re.compile(r"[^/@]+:[^/]*@")
_CORE_OPTIONS = frozenset({"ttl", "encoding", "case"})  # they steer what the core does with an answer, not the asking
_TOO_CLOSE = 0.8  # how like a built-in scheme an unknown one has to be, for it to be a typing mistake


class Ref:
    """A URI that names one value in one store. Immutable, hashable; `str()` gives back the text that was parsed.

    Attributes:
        scheme: Which backend speaks to the store, in lower case.
        location: Where in the store the secret is, decoded.
        options: What else the backend has to know.
        key: The key inside the secret (`a/b` walks JSON), or None for the whole secret.
    """

    __slots__ = ("_hash", "_text", "key", "location", "options", "scheme")

    scheme: str
    location: str
    options: Mapping[str, str]
    key: str | None
    _text: str | None
    _hash: int

    def __init__(
        self,
        scheme: str,
        location: str,
        options: Mapping[str, str] | None = None,
        key: str | None = None,
        *,
        text: str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "scheme", scheme)
        put(self, "location", location)
        put(self, "options", MappingProxyType(dict(options or {})))
        put(self, "key", key)
        put(self, "_text", text)
        put(self, "_hash", hash((scheme, location, frozenset(self.options.items()), key)))

    @classmethod
    def parse(cls, text: str, *, schemes: Collection[str] = ()) -> Ref:
        """Read a ref.

        Args:
            text: Such as `aws-sm://prod/db?region=eu-west-1#password`.
            schemes: Schemes of the caller's own, which are never taken for a typing mistake.

        Raises:
            InvalidRef: It does not follow the grammar. A credential in it is not repeated in the message.
            UnknownBackend: Its scheme looks like a built-in one that was mistyped.
        """
        parts = split(text, schemes)
        location, key = decode(parts.location), None if parts.key is None else decode(parts.key)
        if fault := grammar.location_fault(parts.scheme, location):
            refuse(fault, text)
        return cls(parts.scheme, location, parts.options, key, text=_canonical_scheme(text, parts.scheme))

    @property
    def document(self) -> Ref:
        """The whole secret that this ref is in: without the key, and without what the core does to the answer."""
        if self.key is None and _CORE_OPTIONS.isdisjoint(self.options):
            return self
        asked = {name: value for name, value in self.options.items() if name not in _CORE_OPTIONS}
        return Ref(self.scheme, self.location, asked)

    def with_key(self, key: str | None) -> Ref:
        """The same secret's other key."""
        return Ref(self.scheme, self.location, self.options, key)

    def __str__(self) -> str:
        return self._text if self._text is not None else self._compose()

    def _compose(self) -> str:
        options = "&".join(f"{name}={encode(value, '&#')}" for name, value in self.options.items())
        key = "" if self.key is None else f"#{encode(self.key, '')}"
        return f"{self.scheme}://{encode(self.location, '?#')}{'?' if options else ''}{options}{key}"

    def __repr__(self) -> str:
        return f"Ref({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ref):
            return NotImplemented
        return (self.scheme, self.location, self.key) == (other.scheme, other.location, other.key) and (
            self.options == other.options
        )

    def __hash__(self) -> int:
        return self._hash

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = f"a Ref is immutable: {name!r} cannot be set"
        raise AttributeError(msg)

    __delattr__ = __setattr__  # type: ignore[assignment]  # one refusal serves both

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.scheme, self.location, dict(self.options), self.key)


class Parts(NamedTuple):
    """A ref's text, taken apart; location and key still encoded."""

    scheme: str
    location: str
    options: dict[str, str]
    key: str | None


def split(text: str, schemes: Collection[str] = ()) -> Parts:
    """Take a ref or source apart, and check all that can be checked before placeholders are filled."""
    head = _SCHEME.match(text) if isinstance(text, str) else None
    if head is None:
        msg = "not a ref: it has to begin with scheme://, such as vault://kv/shop#password"
        raise InvalidRef(msg)
    scheme, rest = head[1].lower(), text[head.end() :]
    body, hash_sign, key = rest.partition("#")
    location, question, query = body.partition("?")
    _refuse_credentials(scheme, location)
    if _CONTROL.search(text):
        refuse("control characters are not allowed", text)
    _refuse_mistyped(scheme, schemes)
    if "%2f" in location.lower():
        refuse("an encoded slash (%2f) is not allowed in a location", text)
    if hash_sign and not key:
        refuse("nothing follows the '#'", text)
    return Parts(scheme, location, _options(scheme, query, text) if question else {}, key if hash_sign else None)


def _refuse_credentials(scheme: str, location: str) -> None:
    host = decode(location.partition("/")[0], strict=False)
    at_host = scheme in ("vault", "azure-kv", "gcp-sm") and "@" in host
    if not location.startswith("arn:") and (at_host or _USERINFO.match(decode(location, strict=False))):
        msg = f"a {scheme} ref takes no credentials; they come from the environment, as the store's own SDK reads them"
        raise InvalidRef(msg)


def _refuse_mistyped(scheme: str, schemes: Collection[str]) -> None:
    if scheme in grammar.SCHEMES or scheme in schemes:
        return
    if (meant := did_you_mean(scheme, grammar.SCHEMES)) and not plug_ins(scheme):
        msg = f"there is no backend for {scheme}://{meant}"
        raise UnknownBackend(msg)


def is_scheme(text: str) -> bool:
    """Whether it can be a ref's scheme."""
    return _SCHEME.fullmatch(f"{text}://") is not None


def did_you_mean(word: str, known: Collection[str], cutoff: float = _TOO_CLOSE) -> str:
    """The end of an error text that offers the nearest known word, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word, known, 1, cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""


def _options(scheme: str, query: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in query.split("&"):
        raw, equals, value = pair.partition("=")
        name = decode(raw)
        if not equals or not name:
            refuse("an option is written name=value", text)
        if name in options:
            refuse(f"option {name!r} is given twice", text)
        options[name] = decode(value)
        if fault := grammar.option_fault(scheme, name, options[name]):
            msg = f"{scheme}://...: {fault}"
            raise InvalidRef(msg)
    return options


def decode(text: str, *, strict: bool = True) -> str:
    """Undo percent-encoding. What is not valid encoding is refused (or, if not strict, left as it is)."""
    if "%" not in text:
        return text
    try:
        plain = _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(), text)
    except UnicodeDecodeError:
        plain = ""
    if strict and (not plain or re.search(r"%(?![0-9A-Fa-f]{2})", text) or _CONTROL.search(plain)):
        msg = "percent-encoding in a ref has to be %XX of UTF-8 text without control characters"
        raise InvalidRef(msg) from None
    return plain


def encode(text: str, reserved: str) -> str:
    """Percent-encode what would otherwise end this part of a ref."""
    return re.sub(rf"[%\s{re.escape(reserved)}]", lambda char: "".join(f"%{b:02X}" for b in char[0].encode()), text)


def refuse(fault: str, text: str) -> NoReturn:
    """Raise InvalidRef, with the ref shown as far as that is safe."""
    shown = "" if "@" in text or _CONTROL.search(text) else f" in {text!r}"
    msg = f"{fault}{shown}"
    raise InvalidRef(msg)


def _canonical_scheme(text: str, scheme: str) -> str:
    return scheme + text[len(scheme) :]
