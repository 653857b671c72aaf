"""The handshake, both ends in memory."""

from __future__ import annotations

import pytest

from transports.sip.media.relay.dtls import Dtls, HandshakeFailed, Identity

PACKET = bytes([0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9]) + b"x" * 160


def pair(fingerprint: str = "", hash: str = "sha-256") -> tuple[Dtls, Dtls]:
    one, other = Identity(), Identity()
    client = Dtls(one, is_client=True, hash=hash, fingerprint=fingerprint or other.fingerprint.lower())
    server = Dtls(other, is_client=False, hash="sha-256", fingerprint=one.fingerprint)
    return client, server


def shake(client: Dtls, server: Dtls) -> None:
    """Carry datagrams until both are done."""
    done = [client.receive(b""), False]
    ends = (client, server)
    for _ in range(20):
        for n in (0, 1):
            for data in ends[n].data_to_send():
                done[1 - n] = ends[1 - n].receive(data) or done[1 - n]
    assert all(done)


def test_both_ends_have_keys_that_fit():
    """What one protects the other unprotects, each way."""
    client, server = pair()
    shake(client, server)
    (in_client, out_client), (in_server, out_server) = client.sessions(), server.sessions()
    assert in_server.unprotect(out_client.protect(PACKET)) == PACKET
    assert in_client.unprotect(out_server.protect(PACKET)) == PACKET


@pytest.mark.parametrize(("fingerprint", "hash"), [("AB:CD", "sha-256"), ("", "md5")])
def test_another_certificate_than_was_said_is_refused(fingerprint, hash):
    """And one that cannot be checked."""
    with pytest.raises(HandshakeFailed):
        shake(*pair(fingerprint, hash))


def test_lost_datagrams_are_sent_again():
    """When the time for that has come; and what is no DTLS changes nothing."""
    client, server = pair()
    client.receive(b"")
    assert client.data_to_send() and client.timeout() is not None
    client.time_out()
    assert server.timeout() is None
    assert not server.receive(b"\x16garbage")
