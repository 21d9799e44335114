"""What the hints name: the place where the server's address is given."""

from __future__ import annotations

import pytest
from hvac.exceptions import VaultError

from secretsource.backend import Outcome
from secretsource.backends.vault import VaultBackend
from secretsource.backends.vault.outcomes import advice_on, note_origin
from secretsource.backends.vault.variables import Variables
from tests.servers.loopback import Reply
from tests.servers.vaultfront import VaultFront
from tests.vault.asking import told

NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("names", "option", "hint"),
    [
        ({"VAULT_ADDR": NOBODY}, "", "does a Vault listen at VAULT_ADDR?"),
        ({"BAO_ADDR": NOBODY}, "", "does a Vault listen at BAO_ADDR?"),
        ({"VAULT_ADDR": "http://a", "VAULT_AGENT_ADDR": NOBODY}, "", "does a Vault listen at VAULT_AGENT_ADDR?"),
        ({"VAULT_ADDR": "http://a"}, f"?addr={NOBODY}", "does a Vault listen at the addr of the ref?"),
        ({}, "", "does a Vault listen at the default address, https://127.0.0.1:8200?"),
    ],
)
def test_the_hint_names_where_the_address_is_given(names: dict[str, str], option: str, hint: str) -> None:
    """Where to look at night: a variable, the ref, or nothing at all."""
    outcome, advice = told(VaultBackend({**names, "VAULT_TOKEN": "t"}), f"kv/app{option}")
    assert (outcome, advice.hint) == (Outcome.UNAVAILABLE, hint)


def test_what_is_no_vault_and_what_redirects_is_told_of_by_the_same_name(front: VaultFront) -> None:
    """Also where the answer itself is wrong."""
    agent = VaultBackend({"VAULT_ADDR": "http://a", "VAULT_AGENT_ADDR": front.url, "VAULT_TOKEN": "t"})
    with front.failing(".", Reply(200, b"<html>")):
        assert told(agent, "secret/app")[1].hint == "is it a Vault that answers at VAULT_AGENT_ADDR?"
    with front.failing(".", Reply(307, headers={"Location": "http://a"})):
        assert "set VAULT_AGENT_ADDR to the active node" in str(told(agent, "secret/app")[1].hint)


def test_a_default_address_that_redirects_has_a_variable_to_set() -> None:
    """The default itself cannot be changed."""
    error = VaultError.from_status(307, None, errors=[], method="GET", url="x", json={})
    vars(error)["status"] = 307
    note_origin(error, Variables({}).origin("https://127.0.0.1:8200"))
    assert "set VAULT_ADDR to the active node" in str(advice_on(error).hint)
