"""Fingerprints of messages, to notice that a key is used again for another message. No I/O.

While the text is stored, the fingerprint is a fast hash. Once the text is forgotten, the
fingerprint is a slow hash (scrypt, RFC 7914), because a one-time code has so few digits that a fast
hash would give it away.
"""

from __future__ import annotations

import hashlib
import hmac
from secrets import token_bytes

__all__ = ["fast_fingerprint", "matches", "slow_fingerprint"]

_SALT = 16


def fast_fingerprint(*parts: str | None) -> str:
    """Return the fingerprint of a message whose text is stored too."""
    salt = token_bytes(_SALT)
    return f"sha256:{salt.hex()}:{hashlib.sha256(salt + _joined(parts)).hexdigest()}"


def slow_fingerprint(*parts: str | None) -> str:
    """Return the fingerprint of a message whose text is forgotten. It takes about 50 ms."""
    salt = token_bytes(_SALT)
    return f"scrypt:{salt.hex()}:{_scrypt(salt, parts)}"


def matches(fingerprint: str, *parts: str | None) -> bool:
    """Return whether a fingerprint is that of these parts."""
    kind, salt, expected = fingerprint.split(":")
    salted = bytes.fromhex(salt)
    found = (
        _scrypt(salted, parts)
        if kind == "scrypt"
        else hashlib.sha256(salted + _joined(parts)).hexdigest()
    )
    return hmac.compare_digest(found, expected)


def _scrypt(salt: bytes, parts: tuple[str | None, ...]) -> str:
    return hashlib.scrypt(_joined(parts), salt=salt, n=2**14, r=8, p=1, dklen=32).hex()


def _joined(parts: tuple[str | None, ...]) -> bytes:
    return "".join(f"{-1 if part is None else len(part)}:{part or ''}" for part in parts).encode()
