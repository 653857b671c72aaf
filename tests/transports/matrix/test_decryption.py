"""Encrypted files, decrypted while they pass."""

from __future__ import annotations

import os

import pytest
from nio.crypto.attachments import encrypt_attachment
from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from tests.bridge.web.streams import Body, Sink
from tests.transports.matrix.web import outcome
from transports.matrix.attachments import Secrets
from transports.matrix.decryption import Decrypted

PLAIN = os.urandom(5000)


def encrypted() -> tuple[bytes, Secrets]:
    cipher, keys = encrypt_attachment(PLAIN)
    return cipher, Secrets(keys["key"]["k"], keys["iv"], keys["hashes"]["sha256"], "image/png")


def read(body: Body, secrets: Secrets) -> tuple[bytes, object]:
    sink = Sink()
    done: Deferred[None] = Decrypted(body, secrets).startProducing(sink)  # type: ignore[arg-type]
    return sink.data, outcome(done)


def test_file_is_what_was_encrypted():
    """Wherever its pieces end."""
    cipher, secrets = encrypted()
    assert read(Body(cipher[:7], cipher[7:4001], cipher[4001:]), secrets) == (PLAIN, None)


def test_changed_file_is_found_out():
    """At its end, for it is not kept until then."""
    cipher, secrets = encrypted()
    _, error = read(Body(cipher[:-1], bytes([cipher[-1] ^ 1])), secrets)
    assert isinstance(error, BridgeError) and error.trouble is Trouble.LOST


@pytest.mark.parametrize(
    "wrong", [("", "AAAA", "AAAA"), ("é", "x", "x"), ("AAAA", "A" * 22, "A" * 43), ("A" * 43, "AAAA", "")]
)
def test_secrets_that_are_none_are_refused(wrong: tuple[str, str, str]):
    """Nothing can be read by them."""
    with pytest.raises(BridgeError) as refused:
        Decrypted(Body(b""), Secrets(*wrong, "image/png"))  # type: ignore[arg-type]
    assert refused.value.trouble is Trouble.NOT_FOUND


def test_consumer_holds_up_and_stops_the_sender():
    """Through the decryption."""
    _, secrets = encrypted()
    body = Body(b"x", stuck=False)
    made = Decrypted(body, secrets)  # type: ignore[arg-type]
    made.pauseProducing()
    assert body.stuck
    made.stopProducing()
    assert body.stopped
