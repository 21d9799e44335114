"""What makes a browser careful with us: cookies, HTTPS for good, and nothing that is not ours in a page."""

from datetime import timedelta

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from iris.settings import IrisSettings
from secretsource import Change
from secretsource.flask import secrets_changed

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
A_YEAR = "max-age=31536000; includeSubDomains"


def init_app(app: Flask, settings: IrisSettings) -> None:
    app.config.update(
        MAX_CONTENT_LENGTH=16 * 1024,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=8),  # after a login, a cookie is good for no longer
        SESSION_COOKIE_HTTPONLY=True,
        # A browser takes a cookie of the first name from this host alone, and over HTTPS.
        SESSION_COOKIE_NAME="__Host-session" if settings.secure_cookies else "session",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        WTF_CSRF_TIME_LIMIT=None,  # a form is good as long as its session
    )
    ours = settings.proxies
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=ours, x_proto=ours, x_host=ours)  # type: ignore[method-assign]  # as Flask's documentation has it
    app.after_request(_add_headers)
    secrets_changed.connect(_accept_open_forms, app)


def _accept_open_forms(app: Flask, change: Change[IrisSettings]) -> None:  # noqa: ARG001 - the signal's arguments
    """A form that was opened under the old key can be sent under the new one."""
    known = [app.config["SECRET_KEY"], *(app.config.get("SECRET_KEY_FALLBACKS") or ())]
    app.config["WTF_CSRF_SECRET_KEY"] = known[::-1]  # the last one signs, and each of them is accepted


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = A_YEAR
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
