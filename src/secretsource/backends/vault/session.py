"""One identity at one Vault: its connections, its token, the mounts it knows; and how it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized

from secretsource.backends.vault import answers
from secretsource.backends.vault.fields import NOT_VAULT
from secretsource.backends.vault.keeper import Keeper
from secretsource.backends.vault.leases import Leases
from secretsource.backends.vault.mounts import MOUNTS, Mount, Mounts
from secretsource.backends.vault.wire import Sender, Wire
from secretsource.errors import InvalidSecret, SecretNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from hvac.exceptions import VaultError

    from secretsource.backend import Lease, SecretValue
    from secretsource.backends.vault.login import Credentials
    from secretsource.clock import Deadline
    from secretsource.ref import Ref

    _Ask = Callable[[str], dict[str, Any]]


class Session:
    """What one identity needs to read. For any number of threads."""

    def __init__(self, addr: str, namespace: str | None, credentials: Credentials) -> None:
        """Make no call.

        Args:
            addr: The server's address.
            namespace: Where to log in. The token is good in the namespaces below as well.
            credentials: How to log in.
        """
        self._wire = Wire(addr, credentials.variables)
        self._keeper = Keeper(self._wire, namespace, credentials)
        self._leases = Leases(self._wire, self._keeper)
        self._mounts: dict[str | None, Mounts] = {}

    def read(self, ref: Ref, namespace: str | None, deadline: Deadline) -> SecretValue:
        """Read a secret; with a new token, once, where the old one has ended.

        Raises:
            SecretNotFound: There is none.
            InactiveSecret: The version was deleted or destroyed.
            Exception: Another of ours, or hvac's or urllib3's own.
        """
        refusal: VaultError | None = None
        mounts = self._mounts.setdefault(namespace, Mounts(self._wire))
        token = self._keeper.token(deadline, lasting=ref.location in self._leases.places)
        sent = deadline.clock.monotonic()
        try:
            return self._read(ref, mounts, Sender(token, namespace), deadline)
        except (Forbidden, Unauthorized, InvalidRequest) as error:
            refusal = error
        if isinstance(refusal, InvalidRequest) and not _wants_token(refusal):
            raise refusal
        if not self._keeper.replace(token, refusal, sent, deadline):
            if not str(refusal.url).startswith(MOUNTS):
                raise refusal
            mounts.hidden = True  # the token is good, and yet may not ask what is mounted
        return self._read(ref, mounts, Sender(self._keeper.token(deadline), namespace), deadline)

    def _read(self, ref: Ref, mounts: Mounts, sender: Sender, deadline: Deadline) -> SecretValue:
        mount = mounts.of(ref.location, sender, deadline)

        def ask(path: str) -> dict[str, Any]:
            return self._wire.ask("GET", path, sender, deadline)

        if mount is not None and mount.versioned:
            return _versioned(mount, ref, ask)
        return self._leases.bind(_unversioned(mount, mounts, ref, ask), ref.location, sender.token, deadline)

    def renew_lease(self, lease: Lease, namespace: str | None, deadline: Deadline) -> Lease:
        """Prolong a lease; see `Leases.renew`."""
        token = self._keeper.token(deadline, lasting=True)
        return self._leases.renew(lease, Sender(token, namespace), deadline)

    def revoke_lease(self, lease: Lease, namespace: str | None, deadline: Deadline) -> None:
        """End a lease now; see `Leases.revoke`."""
        self._leases.revoke(lease, Sender(self._keeper.token(deadline), namespace), deadline)

    def upkeep(self, deadline: Deadline) -> float | None:
        """Prolong the token if it is time; see `Keeper.upkeep`."""
        return self._keeper.upkeep(deadline)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


def _unversioned(mount: Mount | None, mounts: Mounts, ref: Ref, ask: _Ask) -> SecretValue:
    """Read plainly. Where nobody has told what is mounted, or that has changed, the answer may show KV version 2."""
    refusal: VaultError | None = None
    try:
        return _plain(ref, ask, known=mount is not None)
    except _IsVersioned:
        pass
    except Forbidden as error:
        refusal = error
    if refusal and (mount or not mounts.hidden):
        raise refusal
    guess = Mount(mount.path if mount else ref.location.partition("/")[0] + "/", versioned=True)
    value = _versioned(guess, ref, ask)
    mounts.learn(guess)
    return value


class _IsVersioned(Exception):
    """What was read plainly is in a KV version 2 engine."""


def _plain(ref: Ref, ask: _Ask, *, known: bool) -> SecretValue:
    fault: Exception = InvalidSecret("only a KV version 2 engine keeps versions", hint="leave ?version= out")
    if known and "version" in ref.options:
        raise fault
    try:
        value = answers.plain(ask(quote(ref.location)))
        if "version" not in ref.options:
            return value
    except InvalidPath as error:
        fault = _IsVersioned() if _speaks_of_versions(error) else _absent(ref, error)
    except InvalidRequest as error:
        unknown = any(text.startswith("unknown role") for text in error.errors or ())
        fault = SecretNotFound("the engine knows no such role") if unknown else error
    raise fault


def _versioned(mount: Mount, ref: Ref, ask: _Ask) -> SecretValue:
    name, version = ref.location.removeprefix(mount.path), ref.options.get("version")
    if version is not None and not version.isdecimal():
        msg = "a version of KV is a whole number"
        raise InvalidSecret(msg)
    try:
        value = answers.versioned(ask(f"{mount.path}data/{quote(name)}" + (f"?version={version}" if version else "")))
        if version is None or version.lstrip("0") in ("", value.version):  # version 0 is Vault's word for the newest
            return value
        raise InvalidSecret("Vault answered with another version")
    except InvalidPath as error:
        absence = error
    fault = answers.gone(absence.json) or _absent(ref, absence)
    if name.startswith("data/") and isinstance(fault, SecretNotFound):
        fault = SecretNotFound(f"no secret there; {mount.path} is KV version 2: leave data/ out of the ref")
    raise fault


def _absent(ref: Ref, error: InvalidPath) -> SecretNotFound | InvalidSecret:
    """What the store says that it does not have. A 404 of anybody else does not mean that a secret is absent."""
    if not _is_vaults(error.json):
        return InvalidSecret("the 404 is not one of Vault's", hint=NOT_VAULT)
    said = " ".join(error.errors or ())
    if "no handler for route" in said:
        return SecretNotFound(f"there is no engine mounted at {ref.location.partition('/')[0]}/")
    if "namespace not found" in said:
        return SecretNotFound("there is no such namespace")
    version = ref.options.get("version")
    return SecretNotFound(f"there is no version {version}" if version else "there is no secret at this path")


def _is_vaults(body: Any) -> bool:
    """Whether the body of a 404 is one of Vault's: a list of errors, if an empty one, or what KV version 2 says."""
    return isinstance(body, dict) and (isinstance(body.get("errors"), list) or bool(body.keys() & {"data", "warnings"}))


def _speaks_of_versions(error: InvalidPath) -> bool:
    body: Any = error.json
    warnings = body.get("warnings") if isinstance(body, dict) else None
    return isinstance(warnings, list) and any("versioned" in str(text) for text in warnings)


def _wants_token(error: InvalidRequest) -> bool:
    return any("missing client token" in text for text in error.errors or ())
