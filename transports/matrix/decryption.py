"""A file that was encrypted, decrypted while it passes (MX v1.19 sending encrypted attachments)."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64decode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from bridge.errors import BridgeError, Trouble
from transports.matrix.attachments import Secrets


@implementer(IBodyProducer, IConsumer)
class Decrypted:
    """The plain bytes of an encrypted `body`; fails with LOST at the end if that is not what was sent.

    NOT_FOUND if its secrets are none.
    """

    def __init__(self, body: IBodyProducer, secrets: Secrets) -> None:
        try:
            key, iv = urlsafe_b64decode(_padded(secrets.key)), b64decode(_padded(secrets.iv))
            self._digest = b64decode(_padded(secrets.digest))
            self._cipher = Cipher(AES(key), CTR(iv)).decryptor()
        except ValueError:
            raise BridgeError(Trouble.NOT_FOUND) from None
        self.length = body.length
        self._body = body
        self._hash = sha256()
        self._consumer: IConsumer

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Pass it on; fires when all was."""
        self._consumer = consumer
        produced: Deferred[None] = self._body.startProducing(self)
        return produced.addCallback(self._checked)

    def _checked(self, result: None) -> None:
        if self._hash.digest() != self._digest:
            raise BridgeError(Trouble.LOST)

    def write(self, data: bytes) -> None:
        """Decrypt a part."""
        self._hash.update(data)
        self._consumer.write(self._cipher.update(data))

    def pauseProducing(self) -> None:
        """Hold it up."""
        self._body.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on."""
        self._body.resumeProducing()

    def stopProducing(self) -> None:
        """Nobody wants it any more."""
        self._body.stopProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """It is the body."""

    def unregisterProducer(self) -> None:
        """It has ended."""


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
