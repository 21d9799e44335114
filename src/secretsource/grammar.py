"""What each scheme's refs look like: one row a scheme, read by Ref and Source. Pure data."""

from __future__ import annotations

import re
from typing import NamedTuple

COMMON_OPTIONS = frozenset({"version", "ttl", "encoding", "case"})
CASES = ("kebab", "snake", "upper", "pascal", "camel")

_CHOICES = {
    "encoding": ("base64",),
    "case": CASES,
    "strip": ("true", "false"),
    "interpolate": ("true", "false"),
    "transport": ("grpc", "rest"),
}
_ARN = r"arn:[A-Za-z0-9-]+:[A-Za-z0-9/_+=.@!:-]+"
_AWS_OPTIONS = frozenset({"region", "profile", "role_arn", "endpoint_url"})


class Scheme(NamedTuple):
    """The rules of one scheme.

    Attributes:
        shape: The location in words, for error texts.
        location: What a whole location matches; compiled when first needed.
        options: The options that it takes beside the common ones.
        slash: Whether a name in this store may contain a slash.
        parents: How many segments come before the secret's name, where a source may leave the name out.
    """

    shape: str
    location: str
    options: frozenset[str] = frozenset()
    slash: bool = True
    parents: int | None = None


ANYTHING = Scheme("anything", r".*")

SCHEMES: dict[str, Scheme] = {
    "aws-sm": Scheme(
        "a secret's name or ARN",
        rf"[A-Za-z0-9/_+=.@!-]{{1,512}}|{_ARN}",
        _AWS_OPTIONS | {"stage"},
    ),
    "aws-ssm": Scheme(
        "a parameter's name",
        rf"[A-Za-z0-9_./-]{{1,2048}}|{_ARN}",
        _AWS_OPTIONS | {"label"},
    ),
    "azure-kv": Scheme(
        "vault-name-or-host/secret",
        r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?/[A-Za-z0-9_-]{1,127}",
        frozenset({"cloud"}),
        slash=False,
        parents=1,
    ),
    "dotenv": Scheme("the path of a file", r".+", frozenset({"interpolate", "charset"})),
    "env": Scheme("the name of a variable", r"[^=/]+", slash=False),
    "file": Scheme("the path of a file", r".+", frozenset({"strip"}), parents=0),
    "gcp-sm": Scheme(
        "project/secret",
        r"([a-z0-9][a-z0-9.:-]*|-)/[A-Za-z0-9_-]{1,255}",
        frozenset({"location", "transport"}),
        slash=False,
        parents=1,
    ),
    "keyring": Scheme("service/name", r"[^/]+/.+", parents=1),
    "memory": ANYTHING,
    "vault": Scheme(
        "mount/path",
        r"[^/%]+(/[^/%]+)+",
        frozenset({"namespace", "addr"}),
    ),
}


def rules(scheme: str) -> Scheme:
    """The rules of a scheme; for one that is not built in, a name may be anything."""
    return SCHEMES.get(scheme, ANYTHING)


def option_fault(scheme: str, name: str, value: str) -> str | None:
    """What is wrong with an option, or None. A scheme that is not built in checks its own options later."""
    known = COMMON_OPTIONS | rules(scheme).options
    if name not in known and scheme in SCHEMES:
        return f"unknown option {name!r}; {scheme} knows {', '.join(sorted(known))}"
    if not value:
        return f"option {name!r} has no value"
    if name in _CHOICES and value not in _CHOICES[name]:
        return f"option {name!r} takes {' or '.join(_CHOICES[name])}"
    if name == "ttl" and not re.fullmatch(r"\d+(\.\d+)?", value):
        return "option 'ttl' takes a number of seconds"
    if name in ("addr", "endpoint_url") and not re.fullmatch(r"https?://[^/@?#\s]+(/[^@?#\s]*)?", value):
        return f"option {name!r} takes an http(s) address without credentials"
    return None


def location_fault(scheme: str, location: str) -> str | None:
    """What is wrong with a whole location, or None."""
    if not re.fullmatch(rules(scheme).location, location):
        return f"the location of {scheme} is {rules(scheme).shape}"
    segments = location.split("/")
    if scheme == "dotenv":  # a path above the working directory is usual for a .env, and not made from names
        while segments and segments[0] == "..":
            segments.pop(0)
    if ".." in segments:
        return "'..' is not allowed in a location"
    if "." in segments and scheme not in ("dotenv", "file", "memory"):
        return "'.' is not allowed as a part of a location"
    return None
