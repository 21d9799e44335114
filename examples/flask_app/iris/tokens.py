"""API tokens: long and random, shown once, and kept as a keyed hash."""

import hmac
import re
import time
from secrets import token_hex, token_urlsafe

from iris.database import Token, User, session
from iris.extensions import secrets

A_DAY = 86_400  # seconds
_FORM = re.compile(r"iris_([0-9a-f]{16})_[\w-]{43}", re.ASCII)


def issue(user: User, days: int) -> tuple[Token, str]:
    """A new token for a user, and its text, which nobody will see again."""
    number = token_hex(8)
    text = f"iris_{number}_{token_urlsafe(32)}"  # what begins so can be searched for, where tokens must not be
    digest = _digest(text, secrets.current.peppers[0])
    token = Token(id=number, digest=digest, expires=int(time.time()) + days * A_DAY, user=user)
    session.add(token)
    return token, text


def find(text: str) -> Token | None:
    """The token that has this text, if it is still good."""
    form = _FORM.fullmatch(text)
    token = session.get(Token, form[1]) if form else None
    if token is None or token.expires < time.time():
        return None
    present, *previous = (_digest(text, pepper) for pepper in secrets.current.peppers)
    if hmac.compare_digest(present, token.digest):
        return token
    if any(hmac.compare_digest(digest, token.digest) for digest in previous):
        token.digest = present  # the pepper was rotated: who comes back in time keeps his token
        session.commit()
        return token
    return None


def _digest(text: str, pepper: bytes) -> str:
    return hmac.digest(pepper, text.encode(), "sha256").hex()
