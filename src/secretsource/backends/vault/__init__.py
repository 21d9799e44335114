"""Vault and OpenBao: any engine that is read. KV versions 1 and 2 are told apart by asking the server.

    vault://mount/path[?version=3&namespace=team1&addr=https://...]#key

Environment variables (OpenBao's `BAO_...` counts where `VAULT_...` is not set):

| for | variables |
|---|---|
| the server | ADDR (https://127.0.0.1:8200), AGENT_ADDR (an Agent or Proxy; goes before it), NAMESPACE |
| TLS | CACERT, CACERT_BYTES, CAPATH, CLIENT_CERT, CLIENT_KEY, TLS_SERVER_NAME, SKIP_VERIFY |
| a proxy | PROXY_ADDR, HTTP_PROXY; else HTTPS_PROXY, HTTP_PROXY and NO_PROXY without `VAULT_` |
| the login | AUTH_METHOD, ROLE, AUTH_MOUNT (if it is not mounted at its name), AUTH_NAMESPACE (if not NAMESPACE) |

AUTH_METHOD is one of these; without it, the first in this list whose variables are set. Where a variable is marked *,
the same name with `_FILE` names a file that holds it, read anew at every login.

| method | variables |
|---|---|
| token | TOKEN* |
| approle | ROLE_ID*, SECRET_ID* or SECRET_ID_WRAPPED* (a wrapping token) |
| jwt, oidc | JWT*, ROLE |
| userpass, ldap | USERNAME, PASSWORD* (ldap only if asked for) |
| kubernetes | ROLE, K8S_TOKEN_PATH (the service account's own) |
| none, agent | nothing: an Agent or Proxy logs in |
| token file | `~/.vault-token`; where there is none, no token is sent |
| cert | CLIENT_CERT, CLIENT_KEY, ROLE |
| aws | ROLE, AWS_REGION, AWS_IAM_SERVER_ID; botocore's credentials |
| azure | ROLE, AZURE_RESOURCE, AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP_NAME, AZURE_VM_NAME, AZURE_VMSS_NAME |
| gcp | ROLE; GOOGLE_APPLICATION_CREDENTIALS or the metadata server |
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Final

from secretsource.backend import Advice, Backend, Leasing, SecretValue, Upkeep, needs_extra
from secretsource.backends.vault.login import Credentials, method_of, who
from secretsource.backends.vault.variables import Variables
from secretsource.concurrency import PerProcess, each

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from secretsource.backend import Lease
    from secretsource.backends.vault.session import Session
    from secretsource.clock import Deadline
    from secretsource.errors import Outcome
    from secretsource.ref import Ref

WORKERS: Final = 50  # a hundred secrets in two round trips; more gain nothing, and over TLS each costs a handshake


class VaultBackend(Backend, Leasing, Upkeep):
    """Reads from Vault or OpenBao, with one login and one pool of connections for each address and identity."""

    scheme: ClassVar[str] = "vault"
    options: ClassVar[frozenset[str]] = frozenset({"namespace", "addr"})

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Make no call.

        Args:
            environ: Where the variables are, if not in the process's environment: so one process can use two Vaults.
        """
        self._variables = Variables(os.environ if environ is None else environ)
        self._sessions: PerProcess[Hashable, Session] = PerProcess()
        self._unwrapped: dict[str, str] = {}

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        """Read each ref with one request, many at a time."""
        with needs_extra("vault", "vault"):
            import hvac  # noqa: F401 - seen to be there once, not in each thread

        return each(lambda ref: self._read(ref, deadline), refs, deadline, workers=WORKERS)

    def _read(self, ref: Ref, deadline: Deadline) -> SecretValue:
        from secretsource.backends.vault.outcomes import note_origin

        try:
            session, namespace = self._session(ref)
            return session.read(ref, namespace, deadline)
        except Exception as error:
            note_origin(error, self._variables.origin(self._place(ref)[0]))
            raise

    def renew_lease(self, ref: Ref, lease: Lease, deadline: Deadline) -> Lease:
        """Prolong a lease. It needs "update" on `sys/leases/renew`, as the policy `default` has it."""
        session, namespace = self._session(ref)
        return session.renew_lease(lease, namespace, deadline)

    def revoke_lease(self, ref: Ref, lease: Lease, deadline: Deadline) -> None:
        """End a lease now. It needs "update" on `sys/leases/revoke`; without it the lease ends by itself."""
        session, namespace = self._session(ref)
        session.revoke_lease(lease, namespace, deadline)

    def upkeep(self, deadline: Deadline) -> float | None:
        """Prolong the tokens that are due for it."""
        times = [session.upkeep(deadline) for session in self._sessions.things()]
        return min((seconds for seconds in times if seconds is not None), default=None)

    def _session(self, ref: Ref) -> tuple[Session, str | None]:
        """Who asks for a ref, and the namespace to ask in."""
        from secretsource.backends.vault.session import Session

        addr, namespace, login_namespace = self._place(ref)
        login = addr, login_namespace, *self._who()
        return self._sessions.get(login, lambda: Session(addr, login_namespace, self._credentials())), namespace

    def _place(self, ref: Ref) -> tuple[str, str | None, str | None]:
        """The address, the namespace to read in, and the one to log in at."""
        usual = self._variables.get("NAMESPACE")
        namespace = ref.options.get("namespace") or usual
        addr = ref.options.get("addr") or self._variables.addr()
        return addr, namespace, self._variables.get("AUTH_NAMESPACE") or usual or namespace

    def _who(self) -> tuple[str, str]:
        method = method_of(self._variables)
        return method, who(self._variables, method)

    def _credentials(self) -> Credentials:
        return Credentials(self._variables, method_of(self._variables), self._unwrapped)

    def identity(self, ref: Ref) -> Hashable:
        """Address, namespace, auth method and who logs in; of a token only a hash."""
        return self.identities([ref])[0]

    def identities(self, refs: Sequence[Ref]) -> Sequence[Hashable]:
        """The same, with one look at who logs in."""
        logs_in = self._who()
        return [(*self._place(ref), *logs_in) for ref in refs]

    def classify(self, error: Exception) -> Outcome:
        """What an error of hvac, urllib3 or our own means."""
        from secretsource.backends.vault.outcomes import outcome_of

        return outcome_of(error)

    def advise(self, error: Exception) -> Advice:
        """What to do about it."""
        from secretsource.backends.vault.outcomes import advice_on

        return advice_on(error)

    def close(self) -> None:
        """Close the connections. Tokens are left to end by themselves: another process may share them."""
        for session in self._sessions.drain():
            session.close()
