"""Users' passwords: hashed with Argon2id, and never compared in the clear."""

from secrets import token_urlsafe

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from iris.database import User

_hasher = PasswordHasher()  # what RFC 9106 says for a server that has other things to do, too
_of_nobody = _hasher.hash(token_urlsafe())


def hashed(password: str) -> str:
    return _hasher.hash(password)


def verified(user: User | None, password: str) -> User | None:
    """The user, if that is the password; it takes as long where there is no such user."""
    known = _of_nobody if user is None else user.password_hash
    try:
        _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return None
    if user is not None and _hasher.check_needs_rehash(known):  # made when hashing was cheaper
        user.password_hash = _hasher.hash(password)
    return user
