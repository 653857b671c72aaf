"""SASL."""

from base64 import b64decode, b64encode

import pytest
from scramp import ScramMechanism

from transports.irc.sasl import (
    MAX_CHALLENGE,
    MAX_ITERATIONS,
    Challenge,
    Credentials,
    External,
    Plain,
    SaslError,
    ScramSha256,
    choose,
    pieces,
)

PASSWORD = Credentials(account="romeo", password="sésame")
ALL = ("SCRAM-SHA-256", "PLAIN", "EXTERNAL")


def scram_server(password: str = "sésame"):
    mechanism = ScramMechanism("SCRAM-SHA-256")
    info = mechanism.make_auth_info(password, salt=b"0123456789abcdef", iteration_count=4096)
    return mechanism.make_server(lambda name: info)


@pytest.mark.spec("RFC 4616")
def test_plain_sends_account_and_password_once():
    """In UTF-8; a second challenge is none that PLAIN has."""
    plain = Plain("romeo", "sésame")
    assert not plain.complete
    assert plain.respond(b"") == "romeo\0romeo\0sésame".encode()
    assert plain.complete
    with pytest.raises(SaslError):
        plain.respond(b"")


def test_external_is_an_empty_response():
    """The certificate says it all."""
    external = External()
    assert pieces(external.respond(b"")) == ["+"]
    assert external.complete


@pytest.mark.spec("RFC 5802 §3")
def test_scram_proves_both_sides():
    """The exchange is complete only when the server's signature was right."""
    server, client = scram_server(), ScramSha256("romeo", "sésame", "abcdef0123")
    server.set_client_first(client.respond(b"").decode())
    server.set_client_final(client.respond(server.get_server_first().encode()).decode())
    assert not client.complete
    assert client.respond(server.get_server_final().encode()) == b""
    assert client.complete


def test_a_server_that_does_not_know_the_password_is_found_out():
    """Its signature is wrong, whatever it says."""
    server, client = scram_server(), ScramSha256("romeo", "sésame", "abcdef0123")
    server.set_client_first(client.respond(b"").decode())
    client.respond(server.get_server_first().encode())
    with pytest.raises(SaslError):
        client.respond(b"v=" + b64encode(b"x" * 32))
    assert not client.complete
    with pytest.raises(SaslError):
        client.respond(b"v=" + b64encode(b"x" * 32))


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"\xff",
        b"nonsense",
        b"r=other,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096",
        b"r=abcdef0123x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=%d" % (MAX_ITERATIONS + 1),
        b"r=abcdef0123x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=1",
        b"e=other-error",
    ],
)
def test_a_wrong_challenge_ends_the_exchange(challenge):
    """A foreign nonce, an endless computation, garbage."""
    client = ScramSha256("romeo", "sésame", "abcdef0123")
    client.respond(b"")
    with pytest.raises(SaslError):
        client.respond(challenge)
    assert not client.complete


@pytest.mark.parametrize(
    ("offered", "credentials", "secure", "excluded", "chosen"),
    [
        (ALL, PASSWORD, True, (), "SCRAM-SHA-256"),
        (("plain",), PASSWORD, True, (), "PLAIN"),
        (("PLAIN",), PASSWORD, False, (), None),
        (ALL, PASSWORD, False, ("SCRAM-SHA-256",), None),
        ((), PASSWORD, True, (), "SCRAM-SHA-256"),
        ((), PASSWORD, True, ("SCRAM-SHA-256",), "PLAIN"),
        ((), PASSWORD, False, ("SCRAM-SHA-256",), None),
        (ALL, Credentials(account="romeo", password="x", certificate=True), True, (), "EXTERNAL"),
        (ALL, Credentials(certificate=True), False, (), None),
        (ALL, Credentials(account="romeo"), True, (), None),
        (ALL, Credentials(account="ro\0meo", password="x"), True, (), None),
        (("ECDSA-NIST256P-CHALLENGE",), PASSWORD, True, (), None),
    ],
)
def test_the_strongest_possible_mechanism_is_chosen(offered, credentials, secure, excluded, chosen):
    """And never a clear password on an insecure link, whatever is offered or has failed."""
    mechanism = choose(offered, credentials, secure=secure, nonce="n0nce", excluded=excluded)
    assert (mechanism.name if mechanism else None) == chosen


@pytest.mark.parametrize(
    ("size", "lengths"), [(0, [1]), (3, [4]), (299, [400, 1]), (300, [400, 1]), (301, [400, 4])]
)
@pytest.mark.spec("IRCv3 sasl-3.1")
def test_responses_are_cut_into_pieces(size, lengths):
    """A last piece of exactly 400 is followed by a plus."""
    parts = pieces(b"x" * size)
    assert [len(part) for part in parts] == lengths
    challenge = Challenge()
    assert [challenge.feed(part) for part in parts] == [None] * (len(parts) - 1) + [b"x" * size]


def test_a_challenge_that_is_garbage_or_endless_is_refused():
    """Neither fills memory nor passes."""
    with pytest.raises(SaslError):
        Challenge().feed("!!!")
    with pytest.raises(SaslError):
        Challenge().feed("é")
    challenge = Challenge()
    with pytest.raises(SaslError):
        for _ in range(MAX_CHALLENGE // 400 + 1):
            challenge.feed("A" * 400)


def test_the_example_of_the_specification():
    """PLAIN as IRCv3 sasl-3.1 shows it."""
    assert b64decode("amlsbGVzAGppbGxlcwBzZXNhbWU=") == Plain("jilles", "sesame").respond(b"")
