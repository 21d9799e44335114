"""The pages: what this is, logging in and out, and a form to predict with."""

from hashlib import sha256

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_limiter import RequestLimit
from flask_login import current_user, login_user, logout_user
from pydantic import ValidationError
from sqlalchemy import select

from iris import model, passwords
from iris.database import User, session
from iris.extensions import limiter
from iris.logs import audit
from iris.roles import login_required

blueprint = Blueprint("pages", __name__)
WAIT = "Too many tries. Wait a minute before the next."


@blueprint.get("/")
def index() -> str:
    return render_template("index.html", errors={})


@blueprint.post("/")
@login_required(role="viewer")
def predict() -> ResponseReturnValue:
    measures = {name: request.form.get(name, "") for name in model.Flower.model_fields}
    try:
        flower = model.Flower.model_validate(measures)
    except ValidationError as error:
        errors = {one["loc"][0]: one["msg"] for one in error.errors(include_input=False)}
        return render_template("index.html", errors=errors), 400
    prediction = model.current().predict(flower)
    audit("prediction")
    return render_template("index.html", errors={}, prediction=prediction)


@blueprint.get("/login")
def login() -> str:
    return render_template("login.html")


def _address_and_name() -> str:
    return f"{request.remote_addr} {sha256(_name().encode()).hexdigest()}"  # the limiter logs what it counts by


def _too_many(_limit: RequestLimit) -> None:
    audit("login", "limited")


@blueprint.post("/login")
@limiter.limit("5/minute", key_func=_address_and_name, on_breach=_too_many, error_message=WAIT)
@limiter.limit("30/minute", on_breach=_too_many, error_message=WAIT)  # from one address, whatever the names
def log_in() -> ResponseReturnValue:
    known = session.scalar(select(User).where(User.name == _name()))
    user = passwords.verified(known, request.form.get("password", ""))
    if user is None:
        audit("login", "refused", user=known.name if known else "(nobody)")  # some type their password into this field
        flash("That name and password do not go together.", "error")
        return render_template("login.html"), 401
    onward = cookie.get("next") or url_for("pages.index")
    cookie.clear()  # nothing from before the login is good after it
    login_user(user)
    session.commit()
    g.who = user.name
    audit("login")
    return redirect(onward)


@blueprint.post("/logout")
@login_required()
def logout() -> ResponseReturnValue:
    current_user.end_sessions()  # a copy of the cookie is worth nothing from now on
    session.commit()
    logout_user()
    cookie.clear()
    audit("logout")
    return redirect(url_for("pages.index"))


def _name() -> str:
    return request.form.get("name", "").replace("\0", "")[:64]
