"""Fill in nginx.conf: `python deploy/nginx_conf.py --name iris.example.com >/etc/nginx/conf.d/iris.conf`."""

from __future__ import annotations

import argparse
import string
from pathlib import Path


class Template(string.Template):
    delimiter = "@"  # a dollar is nginx's own


def render(**values: object) -> str:
    """The configuration with these values in it.

    Raises:
        KeyError: One is missing.
    """
    return Template(Path(__file__).with_name("nginx.conf").read_text()).substitute(values)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--name", required=True, help="the host's name, as in the certificate")
    parser.add_argument("--host", help="name:port, if the browser does not come to port 443")
    parser.add_argument("--http", default="80", help="where to listen, to send all to HTTPS")
    parser.add_argument("--https", default="443", help="where to listen")
    parser.add_argument("--upstream", default="127.0.0.1:8000", help="where gunicorn listens")
    parser.add_argument("--certificate", default="/etc/iris/tls/fullchain.pem", help="with its chain")
    parser.add_argument("--certificate-key", default="/etc/iris/tls/key.pem", help="the key of it")
    parser.add_argument("--access-log", default="/var/log/nginx/iris.log", help="where to log requests")
    given = parser.parse_args()
    given.host = given.host or given.name
    return given


if __name__ == "__main__":
    print(render(**vars(arguments())), end="")
