"""What is mounted where: asked of the server once per mount, and by one thread while the others wait."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from hvac.exceptions import Forbidden, VaultError

from secretsource.backends.vault.fields import Fields
from secretsource.document import Number

if TYPE_CHECKING:
    from secretsource.backends.vault.wire import Sender, Wire
    from secretsource.clock import Deadline

_NO_ACCESS: Final = "preflight capability check"  # Vault's word for: no such mount, or no right to anything in it
MOUNTS: Final = "sys/internal/ui/mounts/"
_CANNOT_ASK: Final = frozenset({404, 405})
_WHAT: Final = "the answer to what is mounted"


@dataclass(frozen=True, slots=True)
class Mount:
    """An engine.

    Attributes:
        path: Where it is mounted, with a slash at the end.
        versioned: Whether it is KV version 2, which has paths and answers of its own.
    """

    path: str
    versioned: bool


class Mounts:
    """The mounts that one identity has come across in one namespace."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}
        self._known: list[Mount] = []
        self.hidden = False
        """This server, or what stands before it, does not say what is mounted."""

    def of(self, location: str, sender: Sender, deadline: Deadline) -> Mount | None:
        """The mount that a location is in. None: there is none, or we may read nothing in it, or nobody tells.

        Raises:
            VaultError: The server did not answer that; Forbidden where it knows nothing of the token.
            InvalidSecret: It answered something else.
        """
        known = self._match(location)
        if known or self.hidden:
            return known
        with self._lock:
            turn = self._asking.setdefault(location.partition("/")[0], threading.Lock())
        leads = turn.acquire(blocking=False)
        try:
            if not leads:
                _wait_for(turn, deadline)
            return self._match(location) or self._ask(location, sender, deadline)
        finally:
            if leads:
                turn.release()

    def _match(self, location: str) -> Mount | None:
        return next((mount for mount in self._known if location.startswith(mount.path)), None)

    def learn(self, mount: Mount) -> None:
        """Remember a mount, in place of what was known of it."""
        with self._lock:
            self._known = [*(known for known in self._known if known.path != mount.path), mount]

    def _ask(self, location: str, sender: Sender, deadline: Deadline) -> Mount | None:
        try:
            answer = self._wire.ask("GET", MOUNTS + quote(location), sender, deadline)
        except Forbidden as error:
            if any(_NO_ACCESS in text for text in error.errors or ()):
                return None
            raise
        except VaultError as error:
            if vars(error)["status"] not in _CANNOT_ASK:
                raise
            self.hidden = True
            return None
        mount = _mount(answer)
        if mount and location.startswith(mount.path):
            self.learn(mount)
            return mount
        return None


def _wait_for(turn: threading.Lock, deadline: Deadline) -> None:
    if not turn.acquire(timeout=deadline.remaining()):
        msg = "no answer in time to what is mounted"
        raise TimeoutError(msg)
    turn.release()


def _mount(answer: dict[str, Any]) -> Mount | None:
    """The mount in an answer, or None where it names none.

    Raises:
        InvalidSecret: There is something else in its place.
    """
    data = Fields.inside(answer, "data", _WHAT)
    path, kind = data.text("path"), data.text("type")
    if not path:
        return None
    return Mount(path.rstrip("/") + "/", versioned=kind in ("kv", "generic") and _version(data) == "2")


def _version(data: Fields) -> str | None:
    """The version in a mount's options, which Vault gives as a text, and others may give as a number."""
    if data.values.get("options") is None:
        return None
    options = Fields.inside(data.values, "options", data.where)
    return options.whole("version") if isinstance(options.values.get("version"), Number) else options.text("version")
