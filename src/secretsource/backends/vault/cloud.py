"""What proves to a Vault who we are in AWS, Azure and Google Cloud, each by the cloud's own library."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Final

from secretsource.backend import needs_extra
from secretsource.errors import NotAuthenticated

if TYPE_CHECKING:
    from secretsource.backends.vault.variables import Variables

_CALLER_IDENTITY: Final = "Action=GetCallerIdentity&Version=2011-06-15"
_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
_JWT_SECONDS: Final = 900  # what Vault accepts at most by default


def aws_proof(variables: Variables) -> dict[str, str]:
    """A signed GetCallerIdentity request, which Vault sends on to AWS. Nothing is sent from here.

    Raises:
        NotAuthenticated: There are no AWS credentials.
    """
    with needs_extra("Vault's AWS login", "aws"):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
    credentials = _aws_credentials()
    region = variables.get("AWS_REGION")
    headers = {"Content-Type": _FORM}
    if server := variables.get("AWS_IAM_SERVER_ID"):
        headers["X-Vault-AWS-IAM-Server-ID"] = server
    request = AWSRequest("POST", _sts(region), headers, _CALLER_IDENTITY)
    SigV4Auth(credentials, "sts", region or "us-east-1").add_auth(request)
    sent = {name: [value] for name, value in request.prepare().headers.items()}
    return {
        "iam_http_request_method": "POST",
        "iam_request_url": _base64(_sts(region)),
        "iam_request_headers": _base64(json.dumps({name: [_text(one) for one in all_] for name, all_ in sent.items()})),
        "iam_request_body": _base64(_CALLER_IDENTITY),
    }


def _aws_credentials() -> Any:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    fault = ""
    try:
        if (credentials := Session().get_credentials()) is not None:
            return credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        fault = f" ({type(error).__name__})"
    raise NotAuthenticated(f"the aws login finds no AWS credentials{fault}")


def _sts(region: str | None) -> str:
    if region is None:
        return "https://sts.amazonaws.com/"
    return f"https://sts.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}/"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def azure_proof(variables: Variables) -> tuple[str, dict[str, str]]:
    """A managed (or workload) identity's token, and the machine it is on as far as the variables tell.

    Raises:
        NotAuthenticated: There is no managed identity here.
    """
    with needs_extra("Vault's Azure login", "azure"):
        from azure.core.exceptions import AzureError
        from azure.identity import ManagedIdentityCredential, WorkloadIdentityCredential
    environ = variables.environ
    resource = variables.get("AZURE_RESOURCE") or "https://management.azure.com/"
    credential: Any
    if environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        credential = WorkloadIdentityCredential()
    else:
        credential = ManagedIdentityCredential(client_id=environ.get("AZURE_CLIENT_ID"), retry_total=0)
    fault = None
    try:
        with credential:
            jwt = credential.get_token(f"{resource}/.default").token
    except (AzureError, ValueError) as error:
        fault = type(error).__name__
    if fault:
        msg = f"the azure login gets no token of a managed identity ({fault})"
        raise NotAuthenticated(msg)
    names = ("subscription_id", "resource_group_name", "vm_name", "vmss_name")
    return jwt, {name: value for name in names if (value := variables.get(f"AZURE_{name.upper()}"))}


def gcp_proof(role: str) -> str:
    """A JWT for a role: signed with a service account's own key, or the metadata server's identity token.

    Raises:
        NotAuthenticated: There is neither.
    """
    with needs_extra("Vault's GCP login", "gcp"):
        import google.auth
        from google.auth import compute_engine
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.oauth2 import service_account
    fault = None
    try:
        credentials, _ = google.auth.default()
        if isinstance(credentials, service_account.Credentials):
            return _signed(credentials, role)
        make: Any = compute_engine.IDTokenCredentials  # google-auth types only a part of itself
        identity = make(Request(), f"http://vault/{role}", use_metadata_identity_endpoint=True)
        identity.refresh(Request())
        return str(identity.token)
    except (GoogleAuthError, OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        fault = type(error).__name__
    msg = f"the gcp login has no service account's key, and gets no identity token ({fault})"
    raise NotAuthenticated(msg)


def _signed(credentials: Any, role: str) -> str:
    import google.auth.jwt

    encode: Any = google.auth.jwt.encode  # google-auth types only a part of itself
    claims = {
        "sub": credentials.service_account_email,
        "aud": f"vault/{role}",
        "exp": int(time.time()) + _JWT_SECONDS - 10,
    }
    return str(encode(credentials.signer, claims).decode())
