"""Who may do what: a viewer predicts; an admin sees the status page, too."""

import functools
from collections.abc import Callable
from typing import Final, Literal, ParamSpec

from flask import abort, g, redirect, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from iris import tokens
from iris.database import User, session
from iris.extensions import login_manager
from iris.logs import audit

Role = Literal["viewer", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "admin")
"""Each may do what those before it may."""

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]
BEARER: Final = WWWAuthenticate("bearer", {"realm": "iris"})


def user_of_session(session_id: str) -> User | None:
    user = session.scalar(select(User).where(User.session_id == session_id))
    g.who = user.name if user else "-"
    return user


login_manager.user_loader(user_of_session)


def login_required(*, role: Role = "viewer") -> Callable[[View[P]], View[P]]:
    """Let in who is logged in, and may do what the role may; lead all others to the login."""

    def guard(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if not current_user.is_authenticated:
                cookie["next"] = request.path if request.method == "GET" else url_for("pages.index")
                return redirect(url_for("pages.login"))  # where to go on is in the cookie, where nobody can change it
            _check(current_user, role)
            return view(*args, **kwargs)

        return guarded

    return guard


def token_required(*, role: Role = "viewer") -> Callable[[View[P]], View[P]]:
    """Let in who sends a token whose owner may do what the role may."""

    def guard(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            sent = request.authorization
            token = tokens.find(sent.token or "") if sent is not None and sent.type == "bearer" else None
            if token is None:
                audit("token", "refused")
                raise Unauthorized("A valid token is needed: Authorization: Bearer ...", www_authenticate=BEARER)
            g.token, g.who = token, f"{token.user.name}/{token.id}"
            _check(token.user, role)
            return view(*args, **kwargs)

        return guarded

    return guard


def _check(user: User, role: Role) -> None:
    if ROLES.index(role) > ROLES.index(user.role):
        audit("role", "refused", needed=role)
        abort(403)
