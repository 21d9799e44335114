"""Two logs, of one line of JSON for each thing that happened: who did what, from where, and how it went. No values.

`iris.access` has the requests, `iris.audit` what somebody has to answer for. What secretsource does is told in
`secretsource.audit`.
"""

import json
import logging
import re
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from flask import Flask, Response, g, has_request_context, request

from secretsource import Change, redact_logs
from secretsource.flask import secrets_changed

ACCESS: Final = logging.getLogger("iris.access")
AUDIT: Final = logging.getLogger("iris.audit")
_OF_EVERY_RECORD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime"}
_REQUEST_ID: Final = re.compile("[0-9a-f]{32}")


class JsonLines(logging.Formatter):
    """One line for each record, with all that was said of it in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        told = {key: value for key, value in vars(record).items() if key not in _OF_EVERY_RECORD}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "log": record.name,
            "message": record.getMessage(),
            **told,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def init_app(app: Flask) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler])  # unless whoever runs us has set up logging already
    for name in (app.name, "secretsource.audit"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # below that, it tells query strings
    redact_logs()  # a net: should a secret ever get into a message or a traceback, it is masked there
    app.before_request(_begin)
    app.after_request(_end)
    secrets_changed.connect(_tell_change, app)


def audit(event: str, outcome: str = "ok", **what: object) -> None:
    """Note that something happened; never with a value that somebody sent."""
    AUDIT.info("%s %s", event, outcome, extra={"event": event, "outcome": outcome, **_who(), **what})


def _who() -> dict[str, Any]:
    if not has_request_context() or "request_id" not in g:  # a command, or a change that nobody asked for
        return {"who": "(console)"}
    return {"who": g.get("who", "-"), "origin": request.remote_addr, "request": g.request_id}


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")  # nginx counts, too
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    g.started = time.perf_counter()


def _end(response: Response) -> Response:
    """Note the request by its route: in a path, and all the more after it, anything could be."""
    route = request.url_rule.rule if request.url_rule else "(no such page)"
    milliseconds = round((time.perf_counter() - g.started) * 1000, 1)
    told = {**_who(), "method": request.method, "route": route, "status": response.status_code, "ms": milliseconds}
    ACCESS.info("%s %s %s", request.method, route, response.status_code, extra=told)
    response.headers["X-Request-ID"] = g.request_id
    return response


def _tell_change(_app: Flask, change: Change[Any]) -> None:
    audit("secrets changed", who="(secretsource)", fields=change.fields, versions=dict(change.versions))
