"""What a browser or a program is told when something goes wrong: never what, in our own words."""

import json
import logging
from http import HTTPStatus

from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response

from secretsource import SecretSourceError

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _answer)
    app.register_error_handler(SecretSourceError, _without_settings)


def _answer(error: HTTPException) -> Response:
    response = error.get_response()
    if request.path.startswith("/api/"):
        response.data = json.dumps({"error": error.description})
        response.content_type = "application/json"
    elif response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:  # after that, a page could need what has just failed
        response.data = render_template("error.html", error=error)
    return response


def _without_settings(error: SecretSourceError) -> Response:
    log.error("a setting may not be used: %s", error)
    return _answer(ServiceUnavailable())
