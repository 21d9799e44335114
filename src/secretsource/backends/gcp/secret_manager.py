"""`gcp-sm`: Google Secret Manager, on google-cloud-secret-manager and Application Default Credentials.

    gcp-sm://PROJECT/SECRET[?version=NUMBER|ALIAS&location=REGION&transport=grpc|rest]

The project goes by its id or number, or `-` for the credentials' own (GOOGLE_CLOUD_PROJECT first). Without a version
it is `latest`, which is the newest one even if that is disabled. `location=` reads a regional secret at the region's
own address. SECRET_MANAGER_EMULATOR_HOST=localhost:PORT leads to an emulator, without TLS or login;
CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER=https://HOST[:PORT] to another address, with both.

gRPC is the default: all reads are streams of one connection, so that fifty secrets cost two round trips and a fifth of
REST's processor time. REST opens ten connections and reads one secret at a time on each. Both need the same imports,
which are what a cold start waits for, and gRPC holds 5 MB more. A process that was forked from one with gRPC loaded
speaks REST unless the ref says otherwise, since gRPC's C core does not outlive a fork.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from secretsource.backend import Advice, Backend, SecretValue
from secretsource.backends.gcp.errors import advice_on, is_out_of_reach, outcome_of, refuses_token
from secretsource.backends.gcp.login import Login
from secretsource.backends.gcp.place import (
    Place,
    address_variables,
    full_name,
    login_variables,
    place_of,
    project_in_environment,
    wants_own_project,
)
from secretsource.backends.gcp.wire import Wire, connect
from secretsource.concurrency import PerProcess, each_group
from secretsource.errors import InvalidSecret, NotAuthenticated

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import TypeAlias

    from secretsource.clock import Deadline
    from secretsource.errors import Outcome
    from secretsource.ref import Ref

    Result: TypeAlias = SecretValue | Exception


class SecretManagerBackend(Backend):
    """Reads Google Secret Manager; it never lists."""

    scheme: ClassVar[str] = "gcp-sm"
    options: ClassVar[frozenset[str]] = frozenset({"location", "transport"})

    def __init__(self) -> None:
        self._logins: PerProcess[Hashable, Login] = PerProcess()
        self._wires: PerProcess[Hashable, Wire] = PerProcess()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, Result]:  # noqa: D102 - as in Backend
        groups: dict[Place, list[Ref]] = {}
        for ref in refs:
            groups.setdefault(place_of(ref), []).append(ref)
        results = each_group(lambda place, refs: self._answers(place, refs, deadline), groups, deadline)
        for result in results.values():
            if isinstance(result, Exception):
                result.__traceback__ = None  # its frames may hold an answer
        return results

    def classify(self, error: Exception) -> Outcome:  # noqa: D102 - as in Backend
        return outcome_of(error)

    def advise(self, error: Exception) -> Advice:  # noqa: D102 - as in Backend
        return advice_on(error)

    def identity(self, ref: Ref) -> Hashable:
        """Address and login, as far as environment variables say; what the ref says is in the ref."""
        return self.identities([ref])[0]

    def identities(self, refs: Sequence[Ref]) -> Sequence[Hashable]:
        """The same for all."""
        return [(*address_variables(), *login_variables())] * len(refs)

    def close(self) -> None:  # noqa: D102 - as in Backend
        self._logins.drain()
        for wire in self._wires.drain():
            wire.close()

    def _answers(self, place: Place, refs: Sequence[Ref], deadline: Deadline) -> dict[Ref, Result]:
        login = self._login(place, deadline)
        login.wait_until_under_way(deadline)  # it waits for the network while the rest of the SDK is imported
        wire = self._wires.get(place, lambda: connect(place))
        project = project_in_environment()
        if project is None and any(wants_own_project(ref) for ref in refs):
            project = login.project(deadline)
        names = {ref: full_name(ref, project) for ref in refs if project or not wants_own_project(ref)}
        said = self._ask(place, wire, list(dict.fromkeys(names.values())), deadline)
        return {ref: _checked(names[ref], said[names[ref]]) if ref in names else _no_project() for ref in refs}

    def _ask(self, place: Place, wire: Wire, names: Sequence[str], deadline: Deadline) -> dict[str, Any]:
        """Ask; and where the token is refused, once more if a new login gets another one."""
        login = self._login(place, deadline)
        headers = login.headers(place.url, deadline)
        said = wire.read(names, headers, deadline)
        if said and all(is_out_of_reach(answer) for answer in said.values()):
            self._wires.drop(place, wire)  # it may swallow everything for ever; a new connection does not
        refused = [name for name, answer in said.items() if refuses_token(answer)]
        if not refused:
            return said
        self._logins.drop(_who(place), login)
        try:
            fresh = self._login(place, deadline).headers(place.url, deadline)
        except Exception as error:  # noqa: BLE001 - why there is no other login is the answer
            return said | dict.fromkeys(refused, error)
        return said if fresh == headers else said | wire.read(refused, fresh, deadline)

    def _login(self, place: Place, deadline: Deadline) -> Login:
        key = _who(place)
        login = self._logins.get(key, lambda: Login(deadline.clock, anonymous=place.plain))
        if not login.over:
            return login
        self._logins.drop(key, login)
        return self._logins.get(key, lambda: Login(deadline.clock, anonymous=place.plain))


def _who(place: Place) -> Hashable:
    return place.plain, login_variables()


def _no_project() -> Exception:
    return NotAuthenticated(
        "the credentials have no project of their own", hint="set GOOGLE_CLOUD_PROJECT, or name the project in the ref"
    )


def _checked(asked: str, answer: Any) -> Result:
    """The value in an answer, if it is whole and the one that was asked for."""
    if isinstance(answer, Exception):
        return answer
    fault = _fault(asked, answer)
    return InvalidSecret(fault) if fault else SecretValue(_text(answer.payload.data), answer.name.rpartition("/")[2])


def _fault(asked: str, answer: Any) -> str | None:
    """Why an answer cannot be used, or None."""
    import google_crc32c

    if not _same_version(asked, answer.name):
        return "the answer is not about the secret that was asked for"
    payload = answer.payload
    if "data_crc32c" in payload:
        fits = google_crc32c.value(payload.data) == payload.data_crc32c
        return None if fits else "the value does not fit its checksum (CRC32C): it was damaged on the way"
    return None if payload.data else "there is no value in the answer"  # an emulator may send no checksum


def _same_version(asked: str, answered: str) -> bool:
    """Whether two names are of one version: a project's number may stand for its id, and a number for an alias."""
    ours, theirs = asked.split("/")[2:], answered.split("/")[2:]
    return ours[:-1] == theirs[:-1] and (ours[-1] == theirs[-1] or not ours[-1].isdigit())


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
