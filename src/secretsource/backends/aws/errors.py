"""What AWS's errors mean, and what to say about them. The tables are at the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from secretsource.backend import DENIED_OR_HIDDEN, Advice, seconds_of_retry_after
from secretsource.clock import SYSTEM_CLOCK
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,80}")  # what is shown of an answer has no line breaks, and no sentences
_ACTION: Final = re.compile(r"not authorized to perform:? ([a-z0-9-]{1,40}:[A-Za-z0-9]{1,80})\b")
_KEY_DENIED: Final = re.compile(r"Access to KMS is not allowed|not authorized to perform:? kms:|customer master key")
_PINS: Final = {"staging label": "stage", "VersionId": "version"}  # AWS has one code for these and an absent secret
_PIN: Final = re.compile("|".join(_PINS))
_PRINCIPAL: Final = re.compile(r"User:? (arn:[a-z-]{1,20}:(?:iam|sts)::\d{12}:[\w+=,.@/-]{1,200})")


class UnusableAnswer(Exception):
    """What the SDK makes no error of, or none that says enough. It holds no value."""

    def __init__(self, outcome: Outcome, detail: str, hint: str | None = None) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail
        self.hint = hint


def outcome_of(error: Exception) -> Outcome:
    """What an error of the SDK means. What is not known is UNAVAILABLE."""
    if isinstance(error, UnusableAnswer):
        return error.outcome
    code = code_of(error)
    if code is None:
        return next((BY_CLASS[name] for name in _names(error) if name in BY_CLASS), Outcome.UNAVAILABLE)
    if code == "InvalidRequestException" and "delet" in _message(error).lower():
        return Outcome.INACTIVE
    outcome = BY_CODE.get(code) or BY_STATUS.get(_status(error), Outcome.UNAVAILABLE)
    return Outcome.UNAUTHENTICATED if outcome in _REFUSALS and _is_login(error) else outcome


def advice_on(error: Exception, service: str) -> Advice:
    """What to tell the user: our words, AWS's code, and of its message only who may not do what."""
    outcome = outcome_of(error)
    if isinstance(error, UnusableAnswer):
        return Advice(error.detail, error.hint)
    code = code_of(error)
    if code is None:
        otherwise = WORDS_OF_FAILURE[outcome].format(type(error).__name__), None
        return Advice(*next((WORDS_OF_CLASS[name] for name in _names(error) if name in WORDS_OF_CLASS), otherwise))
    detail = WORDS_OF_OUTCOME.get(outcome, "AWS says")
    if outcome is Outcome.DENIED and _is_about_key(error):
        detail = "it is there, but its KMS key is denied"
    if outcome is Outcome.MISSING and (pin := _PIN.search(_message(error))):
        detail = f"there is a secret of this name, but no such {_PINS[pin[0]]} of it"
    return Advice(f"{detail} ({code}{_who_may_not(error)})", _hint(error, code, outcome, service), _retry_after(error))


def _names(error: Exception) -> list[str]:
    return [kind.__name__ for kind in type(error).__mro__]


def _is_login(error: Exception) -> bool:
    """Whether it was a call for credentials. What that does not find, or denies, is no secret."""
    operation = getattr(error, "operation_name", "")
    return operation.startswith("AssumeRole") or operation in _LOGINS


def code_of(error: Exception) -> str | None:
    """AWS's own name for an error, or None where AWS did not answer."""
    if not _answer(error):
        return None
    code = str(_answer(error).get("Error", {}).get("Code"))
    return code if _CODE.fullmatch(code) else "Unknown"


def _answer(error: Exception) -> Mapping[str, Any]:
    answer = getattr(error, "response", None)  # connection errors have one too, which is no mapping
    return answer if isinstance(answer, dict) else {}


def _message(error: Exception) -> str:
    return str(_answer(error).get("Error", {}).get("Message", ""))


def _status(error: Exception) -> int:
    return int(_answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _retry_after(error: Exception) -> float | None:
    text = _answer(error).get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return seconds_of_retry_after(text, SYSTEM_CLOCK.time())


def _who_may_not(error: Exception) -> str:
    """The action and the principal out of a refusal. The patterns let nothing through but names of AWS's own making."""
    action, principal = _ACTION.search(_message(error)), _PRINCIPAL.search(_message(error))
    return (f": {action[1]}" if action else "") + (f" as {principal[1]}" if principal else "")


def _is_about_key(error: Exception) -> bool:
    """Whether it is the key that is denied: then the store has said that there is something which it opens."""
    return code_of(error) == "KMSAccessDeniedException" or _KEY_DENIED.search(_message(error)) is not None


def _hint(error: Exception, code: str, outcome: Outcome, service: str) -> str | None:
    if outcome is Outcome.UNAUTHENTICATED and _is_login(error):
        if getattr(error, "operation_name", "") in _LOGINS:
            return "check account, role and session of the profile; then: aws sso login"
        return "the caller needs sts:AssumeRole on the role, and the role's trust policy has to name the caller"
    if outcome is Outcome.DENIED and _is_about_key(error):
        return "needs kms:Decrypt on the key"
    if service == "ssm" and code == "ValidationException":
        return HINT_OF_PATHS
    return HINT_OF_CODE.get(code) or (HINT_OF_DENIAL[service] if outcome is Outcome.DENIED else None)


_LOGINS: Final = ("GetRoleCredentials", "CreateToken", "CreateOAuth2Token")
_REFUSALS: Final = (Outcome.DENIED, Outcome.MISSING, Outcome.INACTIVE)
WORDS_OF_OUTCOME: Final = {
    Outcome.MISSING: "AWS has none of this name",
    Outcome.INACTIVE: "it is scheduled for deletion, or its key is disabled",
    Outcome.DENIED: DENIED_OR_HIDDEN,
    Outcome.UNAUTHENTICATED: "AWS refuses the login",
    Outcome.THROTTLED: "too many requests",
    Outcome.UNAVAILABLE: "AWS could not answer",
    Outcome.INVALID: "AWS cannot use the request, or open the value",
}

_LOG_IN: Final = "log in again, or let the SDK find credentials that renew themselves"
_CLOCK: Final = "check the secret access key, and this machine's clock"
HINT_OF_CODE: Final = {
    "DecryptionFailure": "check the state of the KMS key that it was encrypted with",
    "ExpiredToken": _LOG_IN,
    "ExpiredTokenException": _LOG_IN,
    "InvalidClientTokenId": "check the access key, and whether it belongs to this region's partition",
    "InvalidSignatureException": _CLOCK,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "SignatureDoesNotMatch": _CLOCK,
    "UnrecognizedClientException": "check the access key, and whether it belongs to this region's partition",
}
HINT_OF_PATHS: Final = "a name with a slash in it begins with one: aws-ssm:///shop/password"
HINT_OF_DENIAL: Final = {
    "secretsmanager": "needs secretsmanager:GetSecretValue on it, and kms:Decrypt if it has a KMS key of its own",
    "ssm": "needs ssm:GetParameters on it, and kms:Decrypt if it has a KMS key of its own",
}

WORDS_OF_FAILURE: Final = {
    Outcome.UNAUTHENTICATED: "the AWS login fails ({})",
    Outcome.UNAVAILABLE: "the AWS SDK gets no answer ({})",
    Outcome.INVALID: "the AWS SDK cannot use its settings, or the answer ({})",
}
_NO_NETWORK: Final = "check the network, proxies, region and endpoint"
_NO_LOGIN: Final = "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where there is a role"
_CONFIG: Final = "see AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, by default in ~/.aws"
WORDS_OF_CLASS: Final[Mapping[str, tuple[str, str | None]]] = {  # a name stands for its subclasses too
    "ConfigParseError": ("an AWS config file cannot be parsed", _CONFIG),
    "ConnectTimeoutError": ("no connection to AWS in time", _NO_NETWORK),
    "ConnectionClosedError": ("the connection was closed before the answer was whole", None),
    "CredentialRetrievalError": ("the credentials could not be fetched from where they come from", _NO_LOGIN),
    "EndpointConnectionError": ("no connection to AWS", _NO_NETWORK),
    "HTTPError": ("the connection was closed before the answer was whole", None),  # urllib3's own
    "HTTPClientError": ("the request could not be sent, or its answer not be read", _NO_NETWORK),
    "InfiniteLoopConfigError": ("the AWS profiles name each other as source_profile", _CONFIG),
    "InvalidConfigError": ("the AWS settings make no sense, such as a source_profile that is not there", _CONFIG),
    "InvalidRegionError": ("this is not the name of a region", "such as eu-west-1"),
    "NoCredentialsError": ("no AWS credentials were found", _NO_LOGIN),
    "NoRegionError": ("no AWS region is set", "set AWS_DEFAULT_REGION, or write ?region=... in the ref"),
    "ParamValidationError": ("the SDK does not accept this name or version", None),
    "PartialCredentialsError": ("only a part of the AWS credentials is set", _NO_LOGIN),
    "ProfileNotFound": ("the AWS config files have no such profile", "check ?profile=... or AWS_PROFILE"),
    "ProxyConnectionError": ("no connection to the proxy", "check HTTPS_PROXY and NO_PROXY"),
    "ReadTimeoutError": ("no answer from AWS in time", None),
    "SSLError": ("the TLS connection failed", "for a private certificate authority set AWS_CA_BUNDLE"),
    "TimeoutError": ("no answer in time", None),
    "ValueError": ("the AWS SDK cannot use its settings", "check AWS_ENDPOINT_URL and the AWS config files"),
}


def _table(groups: Mapping[Outcome, str]) -> dict[str, Outcome]:
    return {name: outcome for outcome, names in groups.items() for name in names.split()}


BY_STATUS: Final = {  # for an answer without a code that is known: a proxy's, or a page of somebody else's
    301: Outcome.INVALID,
    302: Outcome.INVALID,
    307: Outcome.INVALID,
    308: Outcome.INVALID,
    401: Outcome.UNAUTHENTICATED,
    403: Outcome.DENIED,
    404: Outcome.INVALID,
    405: Outcome.INVALID,
    429: Outcome.THROTTLED,
}

# KMS tells a refusal by AccessDeniedException. So a DecryptionFailure is not about rights: the value is there and
# cannot be opened, which is INVALID, and a refresh that meets it keeps the last good value.
BY_CODE: Final = _table(
    {
        Outcome.MISSING: "ParameterNotFound ParameterVersionNotFound ResourceNotFoundException",
        Outcome.INACTIVE: "DisabledException KMSDisabledException KMSInvalidStateException",
        Outcome.DENIED: """
            AccessDenied AccessDeniedException AccountProblem KMSAccessDeniedException NotAuthorized OptInRequired
            UnauthorizedOperation
        """,
        Outcome.UNAUTHENTICATED: """
            AuthFailure ExpiredToken ExpiredTokenException IDPRejectedClaim IncompleteSignature
            IncompleteSignatureException InvalidAccessKeyId InvalidClientTokenId InvalidIdentityToken
            InvalidSignatureException MissingAuthenticationToken MissingAuthenticationTokenException
            RegionDisabledException RequestExpired RequestTimeTooSkewed SignatureDoesNotMatch TokenRefreshRequired
            UnauthorizedException UnrecognizedClientException
        """,
        Outcome.THROTTLED: """
            BandwidthLimitExceeded EC2ThrottledException KMSThrottlingException LimitExceededException
            PriorRequestNotComplete ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled
            RequestThrottledException SlowDown ThrottledException Throttling ThrottlingException
            TooManyRequestsException TransactionInProgressException
        """,
        Outcome.UNAVAILABLE: """
            DependencyTimeoutException IDPCommunicationError InternalError InternalFailure InternalServerError
            InternalServiceError InternalServiceErrorException KMSInternalException KeyUnavailableException
            RequestTimeout RequestTimeoutException ServiceUnavailable ServiceUnavailableException
        """,
        Outcome.INVALID: """
            DecryptionFailure EncryptionFailure IncorrectKeyException InvalidAction InvalidCiphertextException
            InvalidKeyId InvalidKeyUsageException InvalidNextTokenException InvalidParameterCombination
            InvalidParameterException InvalidParameterValue InvalidQueryParameter InvalidRequestException
            KMSNotFoundException MalformedPolicyDocument MalformedPolicyDocumentException MalformedQueryString
            MissingAction MissingParameter NotFoundException PackedPolicyTooLarge PreconditionNotMetException
            PublicPolicyException ResourceExistsException SerializationException UnknownOperationException
            UnsupportedParameterType ValidationError ValidationException
        """,
    }
)

# The name of a botocore class stands for its subclasses too.
BY_CLASS: Final = _table(
    {
        Outcome.UNAUTHENTICATED: """
            ConfigNotFound ConfigParseError CredentialRetrievalError InfiniteLoopConfigError InvalidConfigError
            LoginError MissingDependencyException NoAuthTokenError NoCredentialsError NoRegionError
            PartialCredentialsError ProfileNotFound RefreshWithMFAUnsupportedError SSOError TokenRetrievalError
            UnknownCredentialError UnknownTokenProviderError
        """,
        Outcome.UNAVAILABLE: """
            CapacityNotAvailableError ConnectionError HTTPClientError HTTPError IncompleteReadError
            MetadataRetrievalError ResponseStreamingError TimeoutError
        """,
        Outcome.INVALID: """
            ApiVersionNotFoundError AwsChunkedWrapperError BaseEndpointResolverError ChecksumError DataNotFoundError
            EndpointProviderError FlexibleChecksumError InvalidChecksumConfigError InvalidDNSNameError
            InvalidDefaultsMode InvalidEndpointConfigurationError InvalidEndpointDiscoveryConfigurationError
            InvalidExpressionError InvalidHostLabelError InvalidIMDSEndpointError InvalidIMDSEndpointModeError
            InvalidProxiesConfigError InvalidRetryConfigurationError InvalidS3AddressingStyleError
            InvalidS3UsEast1RegionalEndpointConfigError InvalidSTSRegionalEndpointsConfigError MD5UnavailableError
            MissingParametersError OperationNotPageableError PaginationError ParamValidationError
            ServiceNotInRegionError StubResponseError UndefinedModelAttributeError UnknownClientMethodError
            UnknownRegionError UnknownServiceStyle UnknownSignatureVersionError UnseekableStreamError
            UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError UnsupportedS3ArnError
            UnsupportedS3ConfigurationError UnsupportedS3ControlArnError UnsupportedS3ControlConfigurationError
            UnsupportedServiceProtocolsError UnsupportedSignatureVersionError ValidationError ValueError
            WaiterConfigError WaiterError
        """,
    }
)
