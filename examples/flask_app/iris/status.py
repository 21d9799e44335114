"""The admins' page: where each setting comes from, and how its stores are doing. It has no value that it could show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, render_template

from iris.extensions import secrets
from iris.logs import audit
from iris.roles import login_required
from secretsource import ResolutionError, explain

blueprint = Blueprint("status", __name__)

STORES = {
    "env": "Environment",
    "dotenv": ".env file",
    "vault": "Vault",
    "aws-sm": "AWS Secrets Manager",
    "azure-kv": "Azure Key Vault",
    "gcp-sm": "Google Secret Manager",
    "default": "Built in",
}


@blueprint.get("/status")
@login_required(role="admin")
def show() -> str:
    """Tell what is served, or why nothing may be."""
    audit("status seen")
    told: dict[str, Any] = {"health": secrets.health(), "stores": STORES}
    try:
        told["explanation"] = explain(secrets.current)
    except ResolutionError as error:
        told["problems"] = error.problems
    return render_template("status.html", **told)


@blueprint.app_template_filter()
def span(seconds: float) -> str:
    """A time span in its largest fitting unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@blueprint.app_template_filter()
def ago(moment: datetime) -> str:
    """How long ago something was, or how soon it will be."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"
