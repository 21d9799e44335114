"""nginx, the real server, as an ordinary process with a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 60.0  # seconds
_SYSTEM = os.pathsep.join(("/usr/local/sbin", "/usr/sbin"))  # where Debian has it, and not on everybody's PATH
_MAIN = """
{user}
daemon off;
worker_processes 2;
pid nginx.pid;
error_log error.log info;
events {{}}
http {{
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}}
"""


@contextmanager
def running(folder: Path, site: str, port: int) -> Iterator[None]:
    """Serve what a configuration for the http block says, until the end of the block.

    Args:
        folder: Where its files go; relative paths in the configuration begin here.
        site: The configuration.
        port: One of its ports on 127.0.0.1, which answers when it is up.
    """
    main = _MAIN.format(user="user root;" if os.geteuid() == 0 else "")  # it would read its files as nobody
    (folder / "nginx.conf").write_text(main)
    (folder / "site.conf").write_text(site)
    command = [_program(), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_for(port, process, folder)
        yield
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _program() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path=_SYSTEM)
    if found is None:
        raise FileNotFoundError("nginx is not installed: scripts/system-packages nginx")
    return found


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 10).close()
        except OSError:
            if time.monotonic() > end or process.poll() is not None:
                said = "".join(path.read_text() for path in (folder / "output.log", folder / "error.log"))
                raise RuntimeError(said) from None
            time.sleep(0.01)
        else:
            return
