"""Where a ref is asked for: its full name, the address of the service, and how that is spoken to. Pure."""

from __future__ import annotations

import ipaddress
import re
from os import environ
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from secretsource.backends.gcp.forks import forked_from_grpc
from secretsource.backends.gcp.login import FILE, UNIVERSE
from secretsource.errors import ConfigurationError, InvalidRef

if TYPE_CHECKING:
    from secretsource.ref import Ref

EMULATOR: Final = "SECRET_MANAGER_EMULATOR_HOST"
OVERRIDE: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
OWN_PROJECT: Final = "-"

_LOCATION: Final = re.compile(r"[a-z0-9-]{1,63}")  # it becomes a part of a host name that gets a token
_VERSION: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_PROJECT_VARIABLES: Final = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")
_LOGIN_VARIABLES: Final = (
    *(FILE, "CLOUDSDK_CONFIG", "HOME", "APPDATA", "GCE_METADATA_HOST", "GCE_METADATA_ROOT"),
    *("GCE_METADATA_IP", UNIVERSE, "GOOGLE_CLOUD_QUOTA_PROJECT", *_PROJECT_VARIABLES),
)


class Place(NamedTuple):
    """Where questions go.

    Attributes:
        address: Host and perhaps port, or None for the SDK's own choice.
        plain: Without TLS and without a login: an emulator.
        transport: `grpc` or `rest`.
    """

    address: str | None
    plain: bool
    transport: str

    @property
    def url(self) -> str:
        """The service as credentials want to be told of it."""
        return f"https://{self.address or 'secretmanager.googleapis.com'}/"


def place_of(ref: Ref) -> Place:
    """Where a ref is asked for, by its options and the environment.

    Raises:
        ConfigurationError: The environment names an address that cannot be used, or must not be.
    """
    transport = ref.options.get("transport") or ("rest" if forked_from_grpc() else "grpc")
    if emulator := environ.get(EMULATOR):
        return Place(_on_this_machine(emulator.removeprefix("http://"), EMULATOR), plain=True, transport=transport)
    if override := environ.get(OVERRIDE):
        url = urlsplit(override)
        if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc or url.path.strip("/"):
            raise ConfigurationError(f"{OVERRIDE} has to be an http(s) address: a host, perhaps a port, no path")
        plain = url.scheme == "http"
        return Place(_on_this_machine(url.netloc, OVERRIDE) if plain else url.netloc, plain, transport)
    return Place(_regional_address(ref), plain=False, transport=transport)


def _regional_address(ref: Ref) -> str | None:
    location = _checked(ref, "location", _LOCATION)
    domain = environ.get(UNIVERSE) or "googleapis.com"
    return f"secretmanager.{location}.rep.{domain}" if location else None


def _on_this_machine(address: str, variable: str) -> str:
    """An address without TLS: secrets would cross a network in the clear, so it has to be loopback."""
    host = urlsplit(f"//{address}").hostname or ""
    if host != "localhost" and not (_is_ip(host) and ipaddress.ip_address(host).is_loopback):
        raise ConfigurationError(f"{variable}: an address without TLS has to be on this machine (localhost:PORT)")
    return address


def _is_ip(host: str) -> bool:
    return re.fullmatch(r"[0-9.]+|[0-9A-Fa-f:.]+", host) is not None


def full_name(ref: Ref, own_project: str | None) -> str:
    """The service's name for what a ref asks for.

    Args:
        ref: The ref.
        own_project: What `-` stands for.

    Raises:
        InvalidRef: The version or the location cannot be one.
    """
    project, _, secret = ref.location.partition("/")
    location = _checked(ref, "location", _LOCATION)
    version = _checked(ref, "version", _VERSION) or "latest"
    place = f"/locations/{location}" if location else ""
    return f"projects/{own_project if project == OWN_PROJECT else project}{place}/secrets/{secret}/versions/{version}"


def _checked(ref: Ref, option: str, pattern: re.Pattern[str]) -> str | None:
    value = ref.options.get(option)
    if value is not None and not pattern.fullmatch(value):
        raise InvalidRef(f"{ref}: this cannot be a {option} in Secret Manager")
    return value


def wants_own_project(ref: Ref) -> bool:
    """Whether a ref leaves the project to the credentials."""
    return ref.location.partition("/")[0] == OWN_PROJECT


def project_in_environment() -> str | None:
    """The project that Google's own tools take, if the environment names one."""
    return next((environ[name] for name in _PROJECT_VARIABLES if environ.get(name)), None)


def login_variables() -> tuple[str | None, ...]:
    """What in the environment decides which credentials are found. Paths and names, no credential."""
    return tuple(environ.get(name) for name in _LOGIN_VARIABLES)


def address_variables() -> tuple[str | None, ...]:
    """What in the environment decides which service answers."""
    return environ.get(EMULATOR), environ.get(OVERRIDE)
