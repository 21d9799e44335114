"""Values that a store has to give back as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secretsource.testing.harness import Ability

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES: Final[Mapping[str, tuple[str, Ability | None]]] = {
    "plain": ("not-a-real-Secret_1", None),
    "several alphabets": ("Съешь ещё · ξεσκεπάζω · דג סקרן · 漢字かな · 한국어 · ¿ñandú? · 🔑", Ability.UNICODE),
    "accents composed and not": ("Caf\u00e9 Cafe\u0301", Ability.UNICODE),
    "newlines inside": ("-----BEGIN NOTHING-----\nbm90aGluZw==\n\n-----END NOTHING-----", None),
    "newline at the end": ("last line\n", Ability.WHITESPACE),
    "two newlines at the end": ("last line\n\n", Ability.WHITESPACE),
    "carriage returns": ("one\r\ntwo\r\n", Ability.WHITESPACE),
    "blanks around": (" \t padded \t ", Ability.WHITESPACE),
    "nothing but blanks": ("   ", Ability.WHITESPACE),
    "quotes": ('"it\'s" `quoted` \'twice"', None),
    "backslashes": (r"C:\new\table \\ \" \u0041", None),
    "braces": ("${HOME} $HOME {name} {{ name }} {% now %} %(name)s %HOME%", None),
    "separators": ("a=b&c=d;e,f#g/h?i@j:k", None),
    "comment": ("#not # a comment", None),
    "number": ("007.10", None),
    "null": ("null", None),
    "JSON": ('{"a": [1, 2.50, null], "b": {"c": "d"}}', None),
    "pointer": ("ref+env://HOME", None),
    "20 kB": ("0123456789abcdef" * 1250, Ability.LARGE),
}
"""For each kind its value, and the ability that it takes, if any."""
