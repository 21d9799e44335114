"""Who asks AWS, and the SDK's session and client that do it in their name.

The session is botocore's own, which boto3 only wraps, so that the credential chain is the one boto3 has.
"""

from __future__ import annotations

import base64
import re
import threading
from datetime import UTC, datetime
from functools import lru_cache, partial
from hashlib import sha256
from logging import CRITICAL
from os import environ
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from secretsource.backend import needs_extra
from secretsource.backends.aws.credentials import Chain, refuse_unfit
from secretsource.concurrency import PerProcess
from secretsource.redaction import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from botocore.config import Config
    from botocore.credentials import Credentials
    from botocore.session import Session

    from secretsource.ref import Ref

CONNECTIONS: Final = 64  # kept open for several loads at once; the SDK warns about each one more
CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 5
LOGGERS: Final = ("botocore", "boto3", "urllib3")
"""They log values and tokens at DEBUG."""


def silence() -> AbstractContextManager[None]:
    """Keep the SDK's logs to ourselves: wire logs, and warnings in which it quotes an answer to a login."""
    return quiet(*LOGGERS, below=CRITICAL)


_ARN: Final = re.compile(r"arn:[^:]+:[^:]+:([^:]+):")  # partition, service, region
_AWS_HOST: Final = re.compile(r"(^|\.)(amazonaws\.(com(\.cn)?|eu)|api\.aws|api\.amazonwebservices\.com\.cn)$")


class Who(NamedTuple):
    """Whose answer it is: what a ref and the environment say about region, address, account and login.

    Attributes:
        region: Where, if ref or environment say so; else the profile does.
        endpoint: The address that the ref gives.
        configured: The address that the environment gives, which the SDK finds by itself.
        profile: The ref's profile of the AWS config files.
        role_arn: The role that the ref wants to be assumed.
        environment: What else in the environment chooses a login; a key id as a short hash.
    """

    region: str | None
    endpoint: str | None
    configured: str | None
    profile: str | None
    role_arn: str | None
    environment: tuple[str | None, ...]


class Surroundings(NamedTuple):
    """What the environment says, read once for many refs: region, address, config files, login."""

    region: str | None
    address: str | None
    files: tuple[str | None, ...]
    login: tuple[str | None, ...]


def _surroundings(address_variable: str) -> Surroundings:
    """What the environment says at this moment, for a service with this variable for its address."""
    get = environ.get
    return Surroundings(
        get("AWS_DEFAULT_REGION") or get("AWS_REGION"),
        get(address_variable) or get("AWS_ENDPOINT_URL"),
        (get("AWS_CONFIG_FILE"), get("AWS_SHARED_CREDENTIALS_FILE")),
        (get("AWS_DEFAULT_PROFILE") or get("AWS_PROFILE"), get("AWS_ROLE_ARN"), _short_hash(get("AWS_ACCESS_KEY_ID"))),
    )


def askers(refs: Sequence[Ref], address_variable: str) -> list[Who]:
    """Who asks for each ref, going by the refs and one look at the environment."""
    around = _surroundings(address_variable)
    usual = Who(around.region, None, around.address, None, None, around.files + around.login)
    return [_who(ref, around) if ref.options or ref.location.startswith("arn:") else usual for ref in refs]


def _who(ref: Ref, around: Surroundings) -> Who:
    option = ref.options.get
    endpoint, profile = option("endpoint_url"), option("profile")
    return Who(
        option("region") or _region_of_arn(ref.location) or around.region,
        endpoint,
        None if endpoint else around.address,
        profile,
        option("role_arn"),
        around.files if profile else around.files + around.login,
    )


def _region_of_arn(location: str) -> str | None:
    arn = _ARN.match(location)
    return arn[1] if arn else None


@lru_cache(maxsize=64)
def _short_hash(key_id: str | None) -> str | None:
    return None if key_id is None else sha256(key_id.encode()).hexdigest()[:12]


class Login:
    """A session with its credentials. One for each `Who`, shared by both services, so that a role is assumed once."""

    def __init__(self, asker: Who, scheme: str) -> None:
        self.asker = asker
        with needs_extra(scheme, "aws"):
            import botocore.session  # noqa: F401 - before the logs are quiet, so that its loggers are there
        with quiet(*LOGGERS):
            self._session = _session(asker.profile)
            self._chain = Chain(self._session)
            self._session.register_component("credential_provider", self._chain)
            if asker.role_arn:
                _assume_role(self._session, self._chain, asker.role_arn, asker)
        self._lock = threading.Lock()  # a session makes one client at a time

    def client(self, service: str) -> Any:
        """A client for a service.

        Raises:
            UnusableAnswer: As `refresh`.
            botocore.exceptions.BotoCoreError: There are no credentials, no region, or the config files are unusable.
            ValueError: The address is none.
        """
        with self._lock, quiet(*LOGGERS):
            self.refresh()  # a role is assumed here, once, and not by each thread of a batch
            api = self._session.create_client(service, region_name=self.asker.region, endpoint_url=self.asker.endpoint)
        if urlsplit(api.meta.endpoint_url).port == 0:  # one that cannot be is a ValueError itself
            raise ValueError
        return api

    def refresh(self) -> None:
        """See that there are credentials that can be used, and get new ones where they are about to end.

        Raises:
            UnusableAnswer: What should give them does not.
            botocore.exceptions.BotoCoreError: There are none, or the SDK could not ask for them.
        """
        with silence():
            refuse_unfit(self._chain.watch(lambda: _some(self._session.get_credentials()).get_frozen_credentials()))

    def same_as(self, other: Login) -> bool:
        """Whether both have the same credentials at this moment."""
        with quiet(*LOGGERS):
            ours, theirs = self._session.get_credentials(), other._session.get_credentials()
            if ours is None or theirs is None:
                return ours is theirs
            return ours.get_frozen_credentials() == theirs.get_frozen_credentials()


logins: Final[PerProcess[Who, Login]] = PerProcess()


def _session(profile: str | None) -> Session:
    from secretsource.backends.aws.data import use_quick_files
    from secretsource.backends.aws.wire import BoundedSession

    session = BoundedSession(profile=profile)
    use_quick_files(session)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time, blob_parser=_bytes)
    session.set_default_client_config(_config(session))  # for the clients too that a session logs in with
    return session


def _time(said: Any) -> datetime:
    """A time in an answer. The SDK takes the way by the local time zone, which is a tenth of the work of a read."""
    from botocore.utils import parse_timestamp

    return datetime.fromtimestamp(said, UTC) if isinstance(said, int | float) else parse_timestamp(said)


def _bytes(said: Any) -> bytes:
    """Bytes in an answer. The SDK leaves out what is no base64, so that damage would pass for another value."""
    return base64.b64decode(said, validate=True)


def _config(session: Session) -> Config:
    """How a client behaves.

    Names have been checked by then, and the user agent does not change: the SDK would check the one and compose the
    other anew for each request, which is a fifth of the work of a read.
    """
    from botocore.config import Config

    from secretsource import __version__

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=CONNECTIONS,
        parameter_validation=False,
        user_agent=session.user_agent(),
        user_agent_extra=f"secretsource/{__version__}",
    )


def _some(credentials: Credentials | None) -> Credentials:
    """What was found. A client that is made without credentials would never find any."""
    from botocore.exceptions import NoCredentialsError

    if credentials is None:
        raise NoCredentialsError
    return credentials


def _assume_role(session: Session, chain: Chain, role_arn: str, asker: Who) -> None:
    """Let a session take the role, with what its own chain finds. STS is asked at the first call."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    source = chain.watch(lambda: _some(chain.load_credentials()))
    chain.watch(source.get_frozen_credentials)

    sts = partial(session.create_client, region_name=asker.region, endpoint_url=_sts_address(asker.endpoint))
    fetcher = AssumeRoleCredentialFetcher(sts, source, role_arn, {"RoleSessionName": "secretsource"})
    role = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    chain.take_role(role)


def _sts_address(endpoint: str | None) -> str | None:
    """Where a ref's role is assumed: what stands in for AWS does so for STS; an address of AWS's is one service's."""
    own = endpoint and _AWS_HOST.search(urlsplit(endpoint).hostname or "")
    return None if own or "AWS_ENDPOINT_URL_STS" in environ else endpoint
