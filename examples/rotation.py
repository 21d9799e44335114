"""The last part of the demo: the example app in production, while its secrets rotate in front of your eyes."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.example.production import APP
from tests.load import Load

if TYPE_CHECKING:
    from collections.abc import Callable

    from examples.session import Session
    from tests.example.production import Production

EXPLAIN: Final = "secretsource explain --settings iris.settings:IrisSettings"
_FLOWER: Final = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
_CLIENTS: Final = 2
_PAUSE: Final = 0.02  # seconds; enough for the machine to do something else as well


class Clients(Load):
    """Programs that ask the app for predictions, one after the other.

    Attributes:
        answers: How many there were of each species.
    """

    def __init__(self, app: Production) -> None:
        self.answers: Counter[str] = Counter()
        self._app = app
        super().__init__(*[self._ask] * _CLIENTS)

    def _ask(self) -> None:
        headers = {"Authorization": f"Bearer {self._app.viewer.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._app.url}/api/predict", json.dumps(_FLOWER).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.answers[json.loads(answer.read())["species"]] += 1
        time.sleep(_PAUSE)


def explained(session: Session, app: Production) -> None:
    """Show where the app finds each of its settings."""
    shown = {name: session.variables[name] for name in ("COLUMNS", "FORCE_COLOR") if name in session.variables}
    session.variables = {**app.environment, "PATH": session.variables["PATH"], **shown}
    session.folder = APP
    session.say("The example app in production: each of its secrets is in another store.")
    session.run(EXPLAIN, "azure-kv://iris-vault/secret-key", "vault://kv/iris?ttl=1#database_login/password")


def followed(session: Session, app: Production) -> None:
    """Rotate three secrets while programs ask for predictions, and see that the app has followed."""
    session.say("gunicorn serves it, on PostgreSQL. From now on, programs ask it for predictions all the while.")
    rotations: dict[str, tuple[str, Callable[[], str]]] = {
        "its database's password, in Vault and PostgreSQL": ("database_login.password", app.rotate_database_password),
        "the key that signs its sessions, in Azure Key Vault": ("secret_key", app.rotate_session_key),
        "the key that its model is encrypted under, in Google Cloud": ("model_key", app.rotate_model_key),
    }
    with Clients(app) as clients:
        for what, (field, rotate) in rotations.items():
            session.say(f"Somebody changes {what}.")
            start = time.monotonic()
            app.wait_until_followed(field, rotate())
            session.tell(f"every process of the app has the new {field} after {time.monotonic() - start:.1f} s")
    session.tell(f"\n{clients.answers.total()} predictions meanwhile, {len(clients.failures)} requests failed")
    session.unexpected += [f"a prediction: {error}" for error in clients.failures]
    session.unexpected += [f"a prediction: {species}" for species in clients.answers if species != "setosa"]
    session.run(f"{EXPLAIN} database_login.password model_key", "vault://kv/iris?ttl=1#database_login/password  2 ")
