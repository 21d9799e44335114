"""Roles and users on the dev server, for tests that log in."""

from __future__ import annotations

import uuid
from contextlib import suppress

from tests.servers.openbao import OpenBao, Refused

POLICY = "reader"


def prepare(openbao: OpenBao, method: str) -> None:
    """Have an auth method, a secret and a policy that allows to read it."""
    with suppress(Refused):  # a test before this one has mounted it
        openbao.call("POST", f"sys/auth/{method}", {"type": method})
    openbao.call("PUT", f"sys/policies/acl/{POLICY}", {"policy": 'path "secret/data/app" {capabilities = ["read"]}'})
    openbao.call("POST", "secret/data/app", {"data": {"key": "value"}})


def approle(openbao: OpenBao, *, namespace: str = "", **options: object) -> dict[str, str]:
    """A role of its own; the variables with which to log in as it."""
    if not namespace:
        prepare(openbao, "approle")
    path = f"auth/approle/role/{uuid.uuid4().hex}"
    openbao.call("POST", path, {"token_policies": POLICY, **options}, namespace=namespace)
    role_id = openbao.call("GET", f"{path}/role-id", namespace=namespace)
    secret_id = openbao.call("POST", f"{path}/secret-id", {}, namespace=namespace)
    return {"VAULT_ROLE_ID": role_id["data"]["role_id"], "VAULT_SECRET_ID": secret_id["data"]["secret_id"]}


def userpass(openbao: OpenBao) -> dict[str, str]:
    """A user of its own; the variables with which to log in."""
    prepare(openbao, "userpass")
    name = f"user-{uuid.uuid4().hex}"
    openbao.call("POST", f"auth/userpass/users/{name}", {"password": "not-a-real-secret", "token_policies": POLICY})
    return {"VAULT_USERNAME": name, "VAULT_PASSWORD": "not-a-real-secret"}
