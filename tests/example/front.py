"""nginx before the example app, as deploy/nginx.conf has it, with a certificate of the tests' own authority."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import nginx, tls
from tests.servers.openbao import free_port

APP = Path(__file__).parents[2] / "examples" / "flask_app"
_render = runpy.run_path(str(APP / "deploy" / "nginx_conf.py"))["render"]


@dataclass(frozen=True)
class Front:
    """One that runs.

    Attributes:
        host: What a browser's address bar has: name and port.
        plain: Its port without TLS.
        log: What it logs of requests.
    """

    host: str
    plain: int
    log: Path

    @property
    def url(self) -> str:
        return f"https://{self.host}"


@contextmanager
def front(folder: Path, upstream: str) -> Iterator[Front]:
    """Serve on free loopback ports what an upstream (host:port) answers."""
    http, https = free_port(), free_port()
    certificate, key = folder / "fullchain.pem", folder / "key.pem"
    issued = tls.authority().issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(key))
    for pem in issued.cert_chain_pems:
        pem.write_to_path(str(certificate), append=True)
    running = Front(f"localhost:{https}", http, folder / "access.log")
    site = _render(
        name="localhost", host=running.host, http=f"127.0.0.1:{http}", https=f"127.0.0.1:{https}", upstream=upstream,
        certificate=certificate, certificate_key=key, access_log=running.log,
    )  # fmt: skip
    with nginx.running(folder, site, https):
        yield running
