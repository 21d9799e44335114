"""The model's file: encrypted with AES-256-GCM, which also proves that nobody has changed it.

    magic (8 bytes) | key id (8) | nonce (12) | ciphertext and tag

The magic and the key's id are authenticated, too. The id tells which key is needed, and nothing about it.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC: Final = b"IRISGCM1"
ID_BYTES: Final = 8
NONCE_BYTES: Final = 12
HEADER: Final = len(MAGIC) + ID_BYTES


class ModelFileError(Exception):
    """The file cannot be used."""


class UnknownKeyError(ModelFileError):
    """It was encrypted with a key that we do not have."""


def key_id(key: bytes) -> str:
    return hashlib.sha256(b"iris key id" + key).hexdigest()[: 2 * ID_BYTES]


def encrypt(content: bytes, key: bytes) -> bytes:
    header = MAGIC + bytes.fromhex(key_id(key))
    nonce = os.urandom(NONCE_BYTES)  # a new one each time: two of the same under one key would give both away
    return header + nonce + AESGCM(key).encrypt(nonce, content, header)


def decrypt(sealed: bytes, keys: Sequence[bytes]) -> tuple[bytes, str]:
    """The content, and the id of the key.

    Raises:
        UnknownKeyError: None of the keys is the one.
        ModelFileError: It is no such file, or not as it was written.
    """
    header, nonce, ciphertext = sealed[:HEADER], sealed[HEADER : HEADER + NONCE_BYTES], sealed[HEADER + NONCE_BYTES :]
    if len(header) < HEADER or not header.startswith(MAGIC):
        raise ModelFileError("it is not a file of ours")
    wanted = header[len(MAGIC) :].hex()
    key = next((key for key in keys if key_id(key) == wanted), None)
    if key is None:
        raise UnknownKeyError(f"it needs the key {wanted}")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, header), wanted
    except (InvalidTag, ValueError):
        raise ModelFileError("it has been changed, or damaged") from None


def write(path: Path, content: bytes, key: bytes) -> None:
    """Encrypt, and replace the file in one step: who reads meanwhile gets all of the old one or all of the new one."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(encrypt(content, key))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read(path: Path, keys: Sequence[bytes]) -> tuple[bytes, str]:
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"there is no {path}, which python -m iris.train makes") from None
    return decrypt(sealed, keys)
