"""What a Vault's answer to a read means: a value, or a version that is there no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from secretsource.backend import Lease, SecretValue
from secretsource.errors import InactiveSecret, InvalidSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hvac.exceptions import InvalidPath


def plain(document: Mapping[str, Any]) -> SecretValue:
    """The value in an answer of any engine but KV version 2, with its lease.

    Raises:
        InvalidSecret: There is none in it.
    """
    return SecretValue(_pairs(document.get("data")), lease=lease_in(document))


def lease_in(document: Mapping[str, Any]) -> Lease | None:
    """The lease in an answer, or None where there is none."""
    lease_id = document.get("lease_id")
    if not isinstance(lease_id, str) or not lease_id:
        return None
    return Lease(lease_id, _seconds(document.get("lease_duration")), document.get("renewable") is True)


def versioned(document: Mapping[str, Any]) -> SecretValue:
    """The value in an answer of KV version 2.

    Raises:
        InvalidSecret: There is none in it.
    """
    data = _pairs(document.get("data"))
    metadata = _pairs(data.get("metadata"))
    return SecretValue(
        _pairs(data.get("data")),
        version=str(metadata["version"]) if "version" in metadata else None,
        created=_moment(metadata.get("created_time")),
        expires=_moment(metadata.get("deletion_time")),
    )


def gone(error: InvalidPath) -> InactiveSecret | None:
    """What a 404 of KV version 2 says of a version that was deleted or destroyed; None where it never was."""
    body: Any = error.json
    data = body.get("data") if isinstance(body, dict) else None
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict):
        return None
    which = f"version {metadata.get('version')}"
    if metadata.get("destroyed") is True:
        return InactiveSecret(f"{which} was destroyed")
    when = _moment(metadata.get("deletion_time"))
    at = f" at {when:%Y-%m-%d %H:%M:%S} UTC" if when else ""
    return InactiveSecret(f"{which} was deleted{at}", hint="it can be undeleted, or a new version be written")


def _pairs(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        msg = "the answer holds no key and value pairs"
        raise InvalidSecret(msg)
    return value


def _seconds(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # None and the like raise TypeError
    except (TypeError, ValueError):
        return 0.0


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC) if value else None
    except ValueError:
        return None
