"""The API: JSON, for programs that have a token."""

from datetime import UTC, datetime

from flask import Blueprint, g, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest

from iris import model
from iris.logs import audit
from iris.roles import token_required

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.post("/predict")
@token_required(role="viewer")
def predict() -> ResponseReturnValue:
    flower = model.Flower.model_validate(_json())
    prediction = model.current().predict(flower)
    audit("prediction")
    return prediction._asdict()


def _json() -> object:
    try:
        return request.get_json()
    except RecursionError:  # Flask answers 400 to all other JSON that cannot be read, and 500 to this
        raise BadRequest("The JSON is nested too deeply.") from None


@blueprint.get("/whoami")
@token_required()
def who_am_i() -> ResponseReturnValue:
    expires = datetime.fromtimestamp(g.token.expires, UTC).isoformat()
    return {"name": g.token.user.name, "role": g.token.user.role, "token": g.token.id, "expires": expires}


@blueprint.get("/model")
@token_required(role="admin")
def about_model() -> ResponseReturnValue:
    present = model.current()
    return {"key_id": present.key_id, "loaded": present.loaded.isoformat()}


@blueprint.errorhandler(ValidationError)
def tell_what_is_wrong(error: ValidationError) -> ResponseReturnValue:
    wrong = {".".join(map(str, one["loc"])): one["msg"] for one in error.errors(include_input=False)}
    return {"error": "The measurements are not valid.", "fields": wrong}, 400
