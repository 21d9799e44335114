"""What a Vault's answer to a read means: a value, or a version that is there no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secretsource.backend import Lease, SecretValue
from secretsource.backends.vault.fields import Fields
from secretsource.errors import InactiveSecret, InvalidSecret

if TYPE_CHECKING:
    from collections.abc import Mapping


def plain(document: Mapping[str, Any]) -> SecretValue:
    """The value in an answer of any engine but KV version 2, with its lease.

    Raises:
        InvalidSecret: There is none in it, or its lease is none.
    """
    return SecretValue(_pairs(document.get("data")), lease=lease_in(document))


def lease_in(document: Mapping[str, Any]) -> Lease | None:
    """The lease in an answer, or None where there is none.

    Raises:
        InvalidSecret: There is something else in its place.
    """
    fields = Fields(document, "the answer")
    lease_id = fields.text("lease_id")
    return Lease(lease_id, fields.seconds("lease_duration"), fields.flag("renewable")) if lease_id else None


def versioned(document: Mapping[str, Any]) -> SecretValue:
    """The value in an answer of KV version 2.

    Raises:
        InvalidSecret: There is none in it, or what is said of it makes no sense.
    """
    data = _pairs(document.get("data"))
    metadata = Fields(_pairs(data.get("metadata")), "the metadata")
    return SecretValue(
        _pairs(data.get("data")),
        version=metadata.whole("version"),
        created=metadata.moment("created_time"),
        expires=metadata.moment("deletion_time"),
    )


def gone(body: Any) -> InactiveSecret | None:
    """What a 404 of KV version 2 says of a version that was deleted or destroyed; None where it never was.

    Raises:
        InvalidSecret: What it says makes no sense.
    """
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("metadata"), dict):
        return None
    metadata = Fields(data["metadata"], "the metadata")
    which = f"version {metadata.whole('version')}"
    if metadata.flag("destroyed"):
        return InactiveSecret(f"{which} was destroyed")
    when = metadata.moment("deletion_time")
    at = f" at {when:%Y-%m-%d %H:%M:%S} UTC" if when else ""
    return InactiveSecret(f"{which} was deleted{at}", hint="it can be undeleted, or a new version be written")


def _pairs(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        msg = "the answer holds no key and value pairs"
        raise InvalidSecret(msg)
    return value
