"""The main job, run against real servers on this machine: `make demo`."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from examples import rotation, stores
from examples.session import Session
from tests.example.production import filled, serving
from tests.example.servers import starting

DOTENV = """\
SHOP_DEBUG=true
SHOP_SECRET_KEY=only-for-development
SHOP_STRIPE_KEY=only-for-development
SHOP_SMTP_PASSWORD=only-for-development
SHOP_SIGNING_KEY=only-for-development
SHOP_DATABASE__USERNAME=developer
SHOP_DATABASE__PASSWORD=only-for-development
"""
PROJECT = '[tool.secretsource]\nsettings = "shop:ShopSettings"\n'


def development(session: Session) -> None:
    session.say("One class says what the shop needs, and where each profile finds it.")
    session.show("shop.py")
    session.say("Development: all of it is in .env, and no store is asked.")
    session.run("secretsource explain", "dotenv://.env#SHOP_SECRET_KEY", "database.host      default")
    session.run("secretsource get secret_key database", '{"username": "developer", "password": "only-for-development"')
    session.run("secretsource check", "ok: ShopSettings, profile development: 8 fields")


def production(session: Session) -> None:
    session.say("Production: Vault and AWS hold the secrets. The deployment points to one, and says nothing secret.")
    session.export("SECRETSOURCE_PROFILE", "production")
    session.export("SHOP_STRIPE_KEY", "ref+vault://kv/pay#stripe_key")
    session.run(
        "secretsource explain", "vault://kv/shop#mail/password", "aws-sm://production/shop#database/password", "by way"
    )
    session.run(
        "secretsource get database.host stripe_key aws-sm://production/shop#signing_key",
        "db.internal\nnot-a-real-stripe-key\nnot-a-real-signing-key",
    )
    session.run("secretsource check", "ok: ShopSettings, profile production: 8 fields")


def denied(session: Session, vault: stores.Vault) -> None:
    session.say("A token whose policy leaves out kv/pay: that is told, and never taken for a missing value.")
    session.export("VAULT_TOKEN", vault.token_without_payments(), shown="...")
    session.run("secretsource check", "stripe_key: DENIED vault://kv/pay#stripe_key", "1 problem", status=3)
    session.run("secretsource get secret_key", "not-a-real-secret-key")


def missing(session: Session, vault: stores.Vault) -> None:
    session.say("Somebody writes kv/shop anew, and forgets the mail password.")
    session.variables |= vault.variables
    vault.put("shop", {"secret_key": stores.SHOP["secret_key"]})
    session.run("secretsource check", "smtp_password: MISSING", status=1)
    session.run("secretsource explain smtp_password", "missing", "aws-sm://production/shop#mail/password", status=1)


def moved(session: Session) -> None:
    session.say(
        "The same class, moved by one variable: now four stores are asked, and those of a round at the same time."
    )
    session.export(
        "SECRETSOURCE_CHAIN",
        "env:// azure-kv://pay-vault gcp-sm://demo-project vault://kv/shop aws-sm://production/shop",
    )
    session.run("secretsource check", "1 from azure-kv", "1 from gcp-sm")
    session.run(
        "secretsource explain smtp_password signing_key",
        "azure-kv://pay-vault/mail-password",
        "gcp-sm://demo-project/signing_key",
    )


def main() -> int:
    """Run it all; the exit status is 0 if everything came out as expected."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    start = time.monotonic()
    with ExitStack() as stack, ThreadPoolExecutor() as meanwhile:
        home, site = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        servers = stack.enter_context(starting(site))
        filling = meanwhile.submit(filled, site, servers, ttl=1)
        serving_it = meanwhile.submit(lambda: stack.enter_context(serving(filling.result())))
        session = Session(home)
        shutil.copy(Path(__file__).with_name("shop.py"), home)
        (home / ".env").write_text(DOTENV)
        (home / "pyproject.toml").write_text(PROJECT)
        development(session)
        vault = stores.Vault(servers.vault.result())
        session.variables |= {**vault.variables, **stores.aws(servers.aws.result())}
        production(session)
        denied(session, vault)
        missing(session, vault)
        session.variables |= {**stores.azure(servers.azure.result()), **stores.gcp(servers.gcp.result())}
        moved(session)
        rotation.explained(session, filling.result())
        rotation.followed(session, serving_it.result())
    for problem in session.unexpected:
        print(f"Not as expected: {problem}", file=sys.stderr)
    if not session.unexpected:
        print(f"\nAll of it came out as expected, in {time.monotonic() - start:.1f} s.")
    return 1 if session.unexpected else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
