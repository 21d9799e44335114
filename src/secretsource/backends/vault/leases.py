"""Leases of dynamic engines. Each ends at the latest with the token that it was issued to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from secretsource.backend import Lease
from secretsource.backends.vault.answers import lease_in
from secretsource.errors import InactiveSecret

if TYPE_CHECKING:
    from secretsource.backend import SecretValue
    from secretsource.backends.vault.keeper import Keeper
    from secretsource.backends.vault.wire import Sender, Wire
    from secretsource.clock import Deadline

_AT_LEAST: Final = 0.001  # seconds; a lease of none would count as no lease


@dataclass(frozen=True, slots=True)
class TokenLease(Lease):
    """A lease, and whose it is.

    Attributes:
        issued_to: A short hash of the token.
    """

    issued_to: str = field(default="", repr=False)


class Leases:
    """The leases of one identity.

    Attributes:
        places: Where a read has brought a lease. The next one there needs a token that holds for a while.
    """

    def __init__(self, wire: Wire, keeper: Keeper) -> None:
        self._wire, self._keeper = wire, keeper
        self.places: set[str] = set()

    def bind(self, value: SecretValue, location: str, token: str | None, deadline: Deadline) -> SecretValue:
        """The value that was read with a token, its lease held to the end of that."""
        if value.lease is None or value.lease.seconds <= 0:
            return value
        self.places.add(location)
        return replace(value, lease=self._held_to(token, value.lease, deadline))

    def _held_to(self, token: str | None, lease: Lease, deadline: Deadline) -> TokenLease:
        seconds = max(_AT_LEAST, min(lease.seconds, self._keeper.remaining(token, deadline)))
        return TokenLease(lease.id, seconds, lease.renewable, _mark(token))

    def renew(self, lease: Lease, sender: Sender, deadline: Deadline) -> Lease:
        """Prolong a lease.

        Raises:
            InactiveSecret: It ends with a token that has been replaced, or the server has none of that name.
            Exception: hvac's or urllib3's own.
        """
        if isinstance(lease, TokenLease) and lease.issued_to != _mark(sender.token):
            msg = "the lease ends with the token that it was issued to"
            raise InactiveSecret(msg)
        answer = self._wire.ask("PUT", "sys/leases/renew", sender, deadline, body={"lease_id": lease.id})
        renewed = lease_in(answer)
        if renewed is None or renewed.seconds <= 0:
            msg = "the server has no such lease"
            raise InactiveSecret(msg)
        return self._held_to(sender.token, renewed, deadline)

    def revoke(self, lease: Lease, sender: Sender, deadline: Deadline) -> None:
        """End a lease now.

        Raises:
            Exception: hvac's or urllib3's own.
        """
        body: dict[str, Any] = {"lease_id": lease.id, "sync": True}
        self._wire.ask("PUT", "sys/leases/revoke", sender, deadline, body=body)


def _mark(token: str | None) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:12] if token else ""
