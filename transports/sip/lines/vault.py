"""What users entrust to the gateway, encrypted: who reads the store only cannot read it."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.events import UserId
from bridge.secret import Secret

NONCE = 12
"""Bytes that are fresh each time (NIST SP 800-38D §8.2.2)."""


class Vault:
    """Seals by AES-256-GCM under a key made of the operator's secret; `random` gives so many random bytes."""

    def __init__(self, secret: Secret, random: Callable[[int], bytes]) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"xmppbridge sip accounts")
        self._cipher = AESGCM(derived.derive(secret.reveal().encode()))
        self._random = random

    def seal(self, user: UserId, data: bytes) -> bytes:
        """Encrypt what is a user's; as another's it cannot be opened."""
        nonce = self._random(NONCE)
        return nonce + self._cipher.encrypt(nonce, data, user.encode())

    def open(self, user: UserId, sealed: bytes) -> bytes | None:
        """Decrypt it; None if it is not his, or was sealed under another secret."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], user.encode())
        except (InvalidTag, ValueError):
            return None
