"""One identity at one Vault: its connections, its token, the mounts it knows; and how it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized

from secretsource.backends.vault import answers
from secretsource.backends.vault.keeper import Keeper
from secretsource.backends.vault.mounts import MOUNTS, Mount, Mounts
from secretsource.backends.vault.wire import Wire
from secretsource.errors import InvalidSecret, SecretNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from hvac.exceptions import VaultError

    from secretsource.backend import SecretValue
    from secretsource.backends.vault.login import Credentials
    from secretsource.clock import Deadline
    from secretsource.ref import Ref

    _Ask = Callable[[str], dict[str, Any]]


class Session:
    """What one identity needs to read. For any number of threads."""

    def __init__(self, addr: str, namespace: str | None, credentials: Credentials) -> None:
        self._wire = Wire(addr, namespace, credentials.variables)
        self._keeper = Keeper(self._wire, credentials)
        self._mounts = Mounts(self._wire)

    def read(self, ref: Ref, deadline: Deadline) -> SecretValue:
        """Read a secret; with a new token, once, where the old one has ended.

        Raises:
            SecretNotFound: There is none.
            InactiveSecret: The version was deleted or destroyed.
            Exception: Another of ours, or hvac's or urllib3's own.
        """
        refusal: VaultError | None = None
        token = self._keeper.token(deadline)
        try:
            return self._read(ref, token, deadline)
        except (Forbidden, Unauthorized, InvalidRequest) as error:
            refusal = error
        if isinstance(refusal, InvalidRequest) and not _wants_token(refusal):
            raise refusal
        if not self._keeper.replace(token, refusal, deadline):
            if not str(refusal.url).startswith(MOUNTS):
                raise refusal
            self._mounts.hidden = True  # the token is good, and yet may not ask what is mounted
        return self._read(ref, self._keeper.token(deadline), deadline)

    def _read(self, ref: Ref, token: str | None, deadline: Deadline) -> SecretValue:
        mount = self._mounts.of(ref.location, token, deadline)

        def ask(path: str) -> dict[str, Any]:
            return self._wire.ask("GET", path, deadline, token=token)

        if mount is None:
            return self._guess(ref, ask)
        return _versioned(mount, ref, ask) if mount.versioned else _plain(ref, ask)

    def _guess(self, ref: Ref, ask: _Ask) -> SecretValue:
        """Read where nobody has told what is mounted."""
        mount = Mount(ref.location.partition("/")[0] + "/", versioned=True)
        refusal: VaultError | None = None
        try:
            return _plain(ref, ask)
        except _IsVersioned:
            pass
        except Forbidden as error:
            refusal = error
        if refusal and not self._mounts.hidden:
            raise refusal
        value = _versioned(mount, ref, ask)
        self._mounts.learn(mount)
        return value

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


class _IsVersioned(Exception):
    """What was read plainly is in a KV version 2 engine."""


def _plain(ref: Ref, ask: _Ask) -> SecretValue:
    if "version" in ref.options:
        msg = "only a KV version 2 engine keeps versions, and this is none"
        raise InvalidSecret(msg, hint="leave ?version= out")
    fault: Exception
    try:
        return answers.plain(ask(quote(ref.location)))
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
    fault: Exception
    try:
        return answers.versioned(ask(f"{mount.path}data/{quote(name)}" + (f"?version={version}" if version else "")))
    except InvalidPath as error:
        fault = answers.gone(error) or _absent(ref, error)
        if name.startswith("data/") and isinstance(fault, SecretNotFound):
            fault = SecretNotFound(f"no secret there; {mount.path} is KV version 2: leave data/ out of the ref")
    raise fault


def _absent(ref: Ref, error: InvalidPath) -> SecretNotFound:
    """What the store says that it does not have."""
    said = " ".join(error.errors or ())
    if "no handler for route" in said:
        return SecretNotFound(f"there is no engine mounted at {ref.location.partition('/')[0]}/")
    if "namespace not found" in said:
        return SecretNotFound("there is no such namespace")
    version = ref.options.get("version")
    return SecretNotFound(f"there is no version {version}" if version else "there is no secret at this path")


def _speaks_of_versions(error: InvalidPath) -> bool:
    body: Any = error.json
    warnings = body.get("warnings") if isinstance(body, dict) else None
    return isinstance(warnings, list) and any("versioned" in str(text) for text in warnings)


def _wants_token(error: InvalidRequest) -> bool:
    return any("missing client token" in text for text in error.errors or ())
