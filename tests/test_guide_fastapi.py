"""The guide to FastAPI: its app under uvicorn, on a real Vault and a real database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from secretsource import Live
from tests.guides import SECRET, Account, Shop, imported, put_down, python, serving, shop_in, until
from tests.servers.openbao import OpenBao, free_port
from tests.servers.postgres import Postgres

UVICORN = ("-m", "uvicorn", "main:app", "--port={port}")


@pytest.fixture
def shop(openbao: OpenBao) -> Shop:
    """Version 1 of the shop's secret."""
    return shop_in(openbao)


def test_an_app_of_fastapi_does_not_start_on_settings_that_fail(shop: Shop, tmp_path: Path) -> None:
    """It says why, without a value, and ends with status 3."""
    put_down("fastapi", tmp_path)
    token = shop.vault.token_for('path "secret/data/other" { capabilities = ["read"] }')
    port = str(free_port())
    done = python(tmp_path, *UVICORN[:3], "--port", port, environ={**shop.environ, "VAULT_TOKEN": token})
    assert done.returncode == 3
    assert "secret_key: DENIED" in done.stderr
    assert SECRET not in done.stderr + done.stdout


def test_fastapi_tells_a_failure_from_an_outage(own_openbao: OpenBao, tmp_path: Path) -> None:
    """While the store is down all goes on, and says so; what is denied fails where it is used, and nowhere else."""
    put_down("fastapi", tmp_path)
    shop = Shop(own_openbao, "shop")
    shop.put(1)
    token = own_openbao.token_for('path "kv/data/shop" { capabilities = ["read"] }')
    with serving(tmp_path, UVICORN, {**shop.environ, "VAULT_TOKEN": token}) as site:
        own_openbao.seal()
        until(lambda: site.get("/ready")[:2] == (200, '{"ok":false}'))
        assert site.get()[0] == 200
        own_openbao.unseal()
        until(lambda: site.get("/ready")[:2] == (200, '{"ok":true}'))
        own_openbao.call("POST", "auth/token/revoke", {"token": token})
        until(lambda: site.get("/ready")[0] == 503)
        assert site.get()[0] == 503
        assert site.get("/openapi.json")[0] == 200
        assert SECRET not in site.log.read_text(encoding="utf-8")


def test_a_database_of_fastapi_lets_in_at_once_after_a_rotation(
    shop: Shop, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten coroutines are refused at the same time, share one refresh, and are let in."""
    put_down("fastapi", tmp_path)
    for name, value in shop.environ.items():
        monkeypatch.setenv(name, value.removesuffix("?ttl=1"))
    account = Account(postgres, shop)

    async def rotate() -> list[str]:
        with imported(tmp_path, "database") as module:
            async with Live[Any](module.ShopSettings) as live:
                account.rotate()
                dsn = f"host=127.0.0.1 port={postgres.port} dbname=postgres"
                connections = await asyncio.gather(*(module.connect(live, dsn) for _ in range(10)))
                assert live.revision == 1
                return [await close(connection) for connection in connections]

    assert asyncio.run(rotate()) == [account.user] * 10


async def close(connection: psycopg.AsyncConnection) -> str:
    """As whom it was open."""
    async with connection:
        return connection.info.user


def test_fastapi_follows_a_rotation_under_uvicorn(shop: Shop, tmp_path: Path) -> None:
    """In every worker, each of which loads in its own lifespan."""
    put_down("fastapi", tmp_path)
    with serving(tmp_path, [*UVICORN, "--workers=2"], shop.environ) as site:
        assert site.get()[1] == '"logged in as user-1"'
        shop.put(2)
        until(lambda: all(site.get()[1] == '"logged in as user-2"' for _ in range(10)))
        assert site.get("/ready")[:2] == (200, '{"ok":true}')
        assert SECRET not in site.log.read_text(encoding="utf-8")
