"""Where a session's credentials come from, and what it means that none come.

The SDK looks for them link by link: environment, profile, web identity, SSO, a process, the container, the machine.
Much of what goes wrong on the way reaches us as Python's own errors, which say nothing of where that was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from secretsource.backends.aws.errors import UnusableAnswer
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.credentials import Credentials
    from botocore.session import Session

T = TypeVar("T")

_BY_STS: Final = ("assume-role", "assume-role-with-web-identity")
_CONTAINER: Final = "container-role"
_OF_A_LINK: Final = frozenset({"CredentialRetrievalError", "SSOError", "TokenRetrievalError", "LoginError"})
_FILE_ERRORS: Final = (OSError, UnicodeDecodeError)


class Chain:
    """Takes the place of a session's credential chain: the same links in the same order, and a note of the last one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._links = session.get_component("credential_provider").providers
        self.link = ""

    def load_credentials(self) -> Credentials | None:
        """The first credentials that a link has."""
        for provider in self._links:
            self.link = str(provider.METHOD)
            if (found := provider.load()) is not None:
                credentials: Credentials = found
                return credentials
        return None

    def take_role(self, credentials: Credentials) -> None:
        """Give these from now on: those of a role, which were got with the chain's own."""
        self._links = [_Role(credentials)]

    def watch(self, step: Callable[[], T]) -> T:
        """Take a step towards credentials, and turn what goes wrong there into an error that says where that was.

        Raises:
            UnusableAnswer: Outcome and words are the link's.
            Exception: The SDK's own errors that say enough.
        """
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - what it means is found out here
            failure = self._meaning(error)
        raise failure  # out here, where an error that may hold a command's output is not its context

    def _meaning(self, error: Exception) -> Exception:
        from botocore.exceptions import BotoCoreError, ClientError

        about_link = any(kind.__name__ in _OF_A_LINK for kind in type(error).__mro__)
        if isinstance(error, UnusableAnswer | ClientError) or (isinstance(error, BotoCoreError) and not about_link):
            return error
        profile = self._session.get_config_variable("profile") or "default"
        detail, hint = (text.format(profile=profile) for text in WORDS_OF_LINK.get(self.link, _OTHERWISE))
        outcome = _outcome(error, self.link)
        if outcome is Outcome.INVALID:
            detail, hint = _NOT_AWS
        return UnusableAnswer(outcome, detail, hint)


class _Role:
    METHOD = "assume-role"

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


def _outcome(error: Exception, link: str) -> Outcome:
    """A file, a command or a profile that is no good is a missing credential; a server's answer may be anything."""
    if link == _CONTAINER and type(error).__name__ == "CredentialRetrievalError":
        refused = re.search(r"non 200 response (?!429)4\d\d", str(error))
        return Outcome.UNAUTHENTICATED if refused else Outcome.UNAVAILABLE
    from_server = link in (*_BY_STS, _CONTAINER) and not isinstance(error, (*_FILE_ERRORS, EOFError, RuntimeError))
    return Outcome.INVALID if from_server and not _is_local(error) else Outcome.UNAUTHENTICATED


def _is_local(error: Exception) -> bool:
    """Whether the SDK refuses to ask a container's address at all."""
    return str(error).startswith("Unsupported host")


def refuse_unfit(credentials: Any) -> None:
    """Look at credentials that are to be sent in headers.

    Raises:
        UnusableAnswer: They are no text, or have a line break in them.
    """
    for text in (credentials.access_key, credentials.secret_key, credentials.token or ""):
        if not isinstance(text, str) or not text.isprintable():
            raise UnusableAnswer(
                Outcome.UNAUTHENTICATED, "the AWS credentials are no text, or have a line break in them"
            )


_NOT_AWS: Final = (
    "the answer to the login is not one of AWS's",
    "is it AWS that answers? See AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL and HTTPS_PROXY",
)
_CONFIG: Final = "see the AWS config file"
_OTHERWISE: Final = ("the AWS login of profile {profile} fails", _CONFIG)
WORDS_OF_LINK: Final[Mapping[str, tuple[str, str]]] = {
    "assume-role": (
        "the role cannot be assumed",
        f"{_CONFIG}: role_arn, source_profile, credential_source, mfa_serial",
    ),
    "assume-role-with-web-identity": (
        "the web identity's token file cannot be read",
        "see AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of the profile {profile}",
    ),
    _CONTAINER: (
        "the container's credentials cannot be fetched",
        "see AWS_CONTAINER_CREDENTIALS_FULL_URI, and the token for it",
    ),
    "custom-process": (
        "the credential process of the profile {profile} gives no credentials",
        "run the command that credential_process names: it has to print them as JSON, and to end with 0",
    ),
    "login": ("the login of the profile {profile} has ended, or was never made", "aws login --profile {profile}"),
    "sso": ("the SSO login of the profile {profile} has ended, or was never made", "aws sso login --profile {profile}"),
}
