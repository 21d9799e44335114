"""How a Vault is reached: address, TLS and proxy as Vault's own CLI has them, and nothing from anywhere else.

No `.netrc`, no cookies, no redirects, no `REQUESTS_CA_BUNDLE`.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import certifi
import urllib3

from secretsource.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from secretsource.backends.vault.variables import Variables

CONNECTIONS: Final = 100  # kept open at most; two loads at once do not throw each other's away


def connect(addr: str, variables: Variables) -> urllib3.PoolManager:
    """A pool of connections to one address, none of them open yet.

    Raises:
        ConfigurationError: The address or the proxy's is no http address.
        Unavailable: A file with a certificate cannot be used.
    """
    if not addr.startswith(("http://", "https://")):
        msg = "VAULT_ADDR (or VAULT_AGENT_ADDR) has to begin with https:// or http://"
        raise ConfigurationError(msg)
    if not _has_host(addr) or re.search(r"[@?#\s]", addr):
        raise ConfigurationError(
            "VAULT_ADDR (or VAULT_AGENT_ADDR) has to be a host, perhaps a port and a path, no more"
        )
    options: dict[str, Any] = {"maxsize": CONNECTIONS, "num_pools": 2}
    if addr.startswith("https://"):
        options["ssl_context"] = _tls(variables)
        if name := variables.get("TLS_SERVER_NAME"):
            options["server_hostname"] = name
    proxy = proxy_for(addr, variables)
    if proxy is None:
        return urllib3.PoolManager(**options)
    login = urlsplit(proxy).netloc.rpartition("@")[0]
    headers = urllib3.make_headers(proxy_basic_auth=login) if login else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that makes no sense
        return False


def _tls(variables: Variables) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    fault = None
    try:
        _load_trust(context, variables)
        if certificate := variables.get("CLIENT_CERT"):
            context.load_cert_chain(certificate, variables.get("CLIENT_KEY"))
    except OSError as error:  # ssl.SSLError is one too
        fault = type(error).__name__
    if fault:
        msg = f"a TLS file cannot be used ({fault})"
        raise Unavailable(msg, hint="see VAULT_CACERT, VAULT_CAPATH, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY")
    return context


def _load_trust(context: ssl.SSLContext, variables: Variables) -> None:
    if variables.flag("SKIP_VERIFY"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif text := variables.get("CACERT_BYTES"):
        context.load_verify_locations(cadata=text)
    elif path := variables.get("CACERT"):
        context.load_verify_locations(cafile=path)
    elif folder := variables.get("CAPATH"):
        for file in sorted(Path(folder).iterdir()):  # every file, whatever its name: OpenSSL would want hashed names
            if file.is_file():
                context.load_verify_locations(cafile=file)
    else:
        context.load_default_certs()
        if not context.cert_store_stats()["x509_ca"]:  # a slim image without the system's certificates
            context.load_verify_locations(cafile=certifi.where())


def proxy_for(addr: str, variables: Variables) -> str | None:
    """The address of the HTTP proxy to go through, or None.

    Raises:
        ConfigurationError: It is no http address.
    """
    proxy = variables.get("PROXY_ADDR") or variables.get("HTTP_PROXY") or _general_proxy(addr, variables)
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and not (proxy.startswith(("http://", "https://")) and _has_host(proxy)):
        msg = "the proxy for Vault (VAULT_PROXY_ADDR, VAULT_HTTP_PROXY, HTTPS_PROXY) has to be an http(s) address"
        raise ConfigurationError(msg)
    return proxy


def _general_proxy(addr: str, variables: Variables) -> str | None:
    """What HTTP_PROXY, HTTPS_PROXY and NO_PROXY say; loopback never goes through a proxy."""
    parts = urlsplit(addr)
    environ, name, host = variables.environ, f"{parts.scheme}_proxy", parts.hostname or ""
    exempt = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if _is_loopback(host) or any(_exempts(entry.strip().lower(), host, parts.port) for entry in exempt.split(",")):
        return None
    return environ.get(name.upper()) or environ.get(name) or None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _exempts(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY (`*`, a domain, an address, a network; with a port or without) means this host."""
    if entry.count(":") == 1:
        entry, _, entry_port = entry.partition(":")
        if entry_port != str(port):
            return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        domain = entry.removeprefix("*").removeprefix(".")
        return entry == "*" or (bool(domain) and (host == entry or host.endswith(f".{domain}")))
