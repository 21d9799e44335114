"""Logging in to a Vault: one function for each auth method, by hvac.

Which method is chosen by VAULT_AUTH_METHOD, or by what is set; see the package's docstring for the variables.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from secretsource.backends.vault.variables import Variables, read_file
from secretsource.errors import ConfigurationError, InvalidSecret, NotAuthenticated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import hvac

SERVICE_ACCOUNT_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """A token, and for how long it holds.

    Attributes:
        token: The token; None where an agent has one in its own keeping.
        seconds: How long it holds from now on; None where nobody has said.
        renewable: Whether it may be prolonged.
    """

    token: str | None
    seconds: float | None = None
    renewable: bool = False


@dataclass(slots=True, repr=False)
class Credentials:
    """How one identity logs in.

    Attributes:
        variables: Where the credentials are.
        method: The auth method.
        mount: Where it is mounted.
        unwrapped: What response wrapping gave away, once only.
    """

    variables: Variables
    method: str
    unwrapped: dict[str, str] = field(default_factory=dict)

    @property
    def mount(self) -> str:
        """Where the auth method is mounted."""
        return (self.variables.get("AUTH_MOUNT") or self.method).strip("/")

    @property
    def given(self) -> bool:
        """Whether a token is handed to us instead of made by a login."""
        return self.method in GIVEN

    def role(self) -> str:
        """The role to log in as."""
        return self.variables.need("ROLE", self.method)


GIVEN: Final = ("token", "token file", "none")
_ALIASES: Final = {"agent": "none", "k8s": "kubernetes", "iam": "aws", "tls": "cert"}


def method_of(variables: Variables) -> str:
    """The auth method that the variables ask for. Reads no file."""
    if asked := variables.get("AUTH_METHOD"):
        name = asked.lower()
        return _ALIASES.get(name, name)
    for method, name in _BY_WHAT_IS_SET:
        if variables.has(name):
            return method
    return "token file"


_BY_WHAT_IS_SET: Final = (
    ("token", "TOKEN"),
    ("approle", "ROLE_ID"),
    ("jwt", "JWT"),
    ("userpass", "USERNAME"),
    ("kubernetes", "ROLE"),
    ("none", "AGENT_ADDR"),
)


def who(variables: Variables, method: str) -> str:
    """Who logs in, in a word that is no credential."""
    if method == "token" and (token := variables.get("TOKEN")):
        return hashlib.sha256(token.encode()).hexdigest()[:12]
    names = _TELLING.get(method, ("ROLE", "AUTH_MOUNT"))
    return " ".join(f"{name}={value}" for name in names if (value := variables.get(name)))


_TELLING: Final[Mapping[str, tuple[str, ...]]] = {
    "approle": ("ROLE_ID", "ROLE_ID_FILE", "AUTH_MOUNT"),
    "cert": ("CLIENT_CERT", "ROLE", "AUTH_MOUNT"),
    "ldap": ("USERNAME", "AUTH_MOUNT"),
    "none": (),
    "token": ("TOKEN_FILE",),
    "token file": (),
    "userpass": ("USERNAME", "AUTH_MOUNT"),
}


def _token(credentials: Credentials) -> Grant:
    return Grant(credentials.variables.need("TOKEN", "token"))


def _token_file(credentials: Credentials) -> Grant:
    path = credentials.variables.token_file()
    return Grant(read_file(path, "~/.vault-token") or None if path.exists() else None)


def log_in(credentials: Credentials, client: hvac.Client) -> Grant:
    """Get a token.

    Raises:
        NotAuthenticated: A credential is not there.
        ConfigurationError: There is no such method.
        InvalidSecret: The answer is no login's.
        Exception: hvac's and urllib3's own errors.
    """
    if credentials.method == "none":
        return Grant(None)
    if credentials.method == "token":
        return _token(credentials)
    if credentials.method == "token file":
        return _token_file(credentials)
    if credentials.method not in METHODS:
        msg = (
            f"VAULT_AUTH_METHOD: there is no {credentials.method!r}; there are {', '.join(sorted({*METHODS, *GIVEN}))}"
        )
        raise ConfigurationError(msg)
    return _granted(METHODS[credentials.method](credentials, client))


def _granted(answer: object) -> Grant:
    from secretsource.backends.vault.fields import NOT_VAULT, Fields, can_be_sent

    auth: Any = answer.get("auth") if isinstance(answer, dict) else None
    token = auth.get("client_token") if isinstance(auth, dict) else None
    if type(token) is not str or not can_be_sent(token):  # a JSON number is a str too
        raise InvalidSecret("the answer to the login has no token in it", hint=NOT_VAULT)
    if not token:
        raise NotAuthenticated("the login asks for a second factor")
    fields = Fields(auth, "the answer to the login")
    return Grant(token, fields.seconds("lease_duration"), fields.flag("renewable"))


def _approle(credentials: Credentials, client: hvac.Client) -> Any:
    variables = credentials.variables
    secret_id = variables.read("SECRET_ID")
    if wrapped := variables.read("SECRET_ID_WRAPPED"):
        secret_id = _unwrapped(credentials, wrapped, client)
    return client.auth.approle.login(
        variables.need("ROLE_ID", "approle"), secret_id, use_token=False, mount_point=credentials.mount
    )


def _unwrapped(credentials: Credentials, token: str, client: hvac.Client) -> str:
    """The secret id in a wrapping token. It can be had once; a second login, or a forked child, remembers it."""
    from secretsource.backends.vault.fields import Fields

    if token not in credentials.unwrapped:
        client.token = token  # it is its own credential
        answer: Any = client.sys.unwrap()  # type: ignore[no-untyped-call]  # its stub has no types
        client.token = ""
        where = "the answer to the unwrapping"
        secret_id = Fields.inside(answer, "data", where).text("secret_id")
        if not secret_id:
            raise NotAuthenticated("what VAULT_SECRET_ID_WRAPPED wraps is no secret id")
        credentials.unwrapped[token] = secret_id
    return credentials.unwrapped[token]


def _userpass(credentials: Credentials, client: hvac.Client) -> Any:
    variables = credentials.variables
    name = quote(variables.need("USERNAME", "userpass"), safe="")
    password = variables.need("PASSWORD", "userpass")
    return client.auth.userpass.login(name, password, use_token=False, mount_point=credentials.mount)


def _ldap(credentials: Credentials, client: hvac.Client) -> Any:
    variables = credentials.variables
    name, password = variables.need("USERNAME", "ldap"), variables.need("PASSWORD", "ldap")
    return client.auth.ldap.login(name, password, use_token=False, mount_point=credentials.mount)


def _jwt(credentials: Credentials, client: hvac.Client) -> Any:
    variables = credentials.variables
    role, jwt = variables.get("ROLE"), variables.need("JWT", credentials.method)
    return client.auth.jwt.jwt_login(role, jwt, use_token=False, path=credentials.mount)


def _kubernetes(credentials: Credentials, client: hvac.Client) -> Any:
    path = Path(credentials.variables.get("K8S_TOKEN_PATH") or SERVICE_ACCOUNT_TOKEN)
    jwt = read_file(path, "the Kubernetes service account's token (VAULT_K8S_TOKEN_PATH)")
    return client.auth.kubernetes.login(credentials.role(), jwt, use_token=False, mount_point=credentials.mount)


def _cert(credentials: Credentials, client: hvac.Client) -> Any:
    name = credentials.variables.get("ROLE")  # the certificate itself is the connection's
    path = f"/v1/auth/{credentials.mount}/login"
    return client.adapter.login(path, use_token=False, json={"name": name} if name else {})


def _aws(credentials: Credentials, client: hvac.Client) -> Any:
    from secretsource.backends.vault import cloud

    proof = {**cloud.aws_proof(credentials.variables), "role": credentials.variables.get("ROLE")}
    return client.adapter.login(f"/v1/auth/{credentials.mount}/login", use_token=False, json=proof)


def _azure(credentials: Credentials, client: hvac.Client) -> Any:
    from secretsource.backends.vault import cloud

    jwt, machine = cloud.azure_proof(credentials.variables)
    return client.auth.azure.login(credentials.role(), jwt, **machine, use_token=False, mount_point=credentials.mount)


def _gcp(credentials: Credentials, client: hvac.Client) -> Any:
    from secretsource.backends.vault import cloud

    jwt = cloud.gcp_proof(credentials.role())
    return client.auth.gcp.login(credentials.role(), jwt, use_token=False, mount_point=credentials.mount)


METHODS: Final[Mapping[str, Callable[[Credentials, hvac.Client], Any]]] = {
    "approle": _approle,
    "aws": _aws,
    "azure": _azure,
    "cert": _cert,
    "gcp": _gcp,
    "jwt": _jwt,
    "kubernetes": _kubernetes,
    "ldap": _ldap,
    "oidc": _jwt,
    "userpass": _userpass,
}
