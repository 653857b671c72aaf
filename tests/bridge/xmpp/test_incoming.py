from __future__ import annotations

from base64 import b64encode

import pytest

from bridge.xmpp.dialback import VALID, Pair
from bridge.xmpp.incoming import AUTH_TRIES, STRANGER_REQUESTS, Greeting, IncomingStream
from bridge.xmpp.stream_events import Opened, StartTls, StreamFailed
from tests.bridge.xmpp.streams import LOCAL, REMOTE, incoming, of_type

HEADER = (
    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    " xmlns:db='jabber:server:dialback' from='{sender}' to='{to}' version='{version}'>"
)
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def header(sender: str = LOCAL, to: str = REMOTE, version: str = "1.0") -> bytes:
    return HEADER.format(sender=sender, to=to, version=version).encode()


def opened(encryption="required", problem: str = "", secure: bool = False) -> IncomingStream:
    stream = incoming()
    if secure:
        stream.tls_started()
    stream.receive_data(header())
    stream.greet(Greeting(encryption=encryption, problem=problem))
    stream.take_events()
    return stream


def auth(identity: bytes, mechanism: str = "EXTERNAL") -> bytes:
    return (
        f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>".encode()
        + identity
        + b"</auth>"
    )


def test_header_waits_for_the_policy() -> None:
    """Nothing is offered before it is known what; what came behind is taken afterwards."""
    stream = incoming()
    stream.receive_data(header() + STARTTLS)
    assert stream.take_events() == [Opened(REMOTE, LOCAL)]
    assert stream.data_to_send() == b""
    stream.greet(Greeting(encryption="required", problem=""))
    assert stream.data_to_send().endswith(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert of_type(stream.take_events(), StartTls)


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        (header(to="verona.example"), "host-unknown"),
        (header(to=""), "host-unknown"),
        (header(sender="chat.montague.example"), "invalid-from"),
        (header(sender="a@@b"), "invalid-from"),
        (header(sender="verona.example/x"), "invalid-from"),
        (header().replace(b"jabber:server'", b"jabber:client'", 1), "invalid-namespace"),
        (header().replace(b"http://etherx", b"http://other"), "invalid-namespace"),
        (b"<!DOCTYPE x>" + header(), "restricted-xml"),
        (b"<?xml version='1.0'?><!-- x -->", "restricted-xml"),
        (b"GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    ],
)
def test_wrong_header_is_answered_with_its_error(given: bytes, condition: str) -> None:
    """The error stands in a stream of ours (RFC 6120 §4.9.1.2)."""
    stream = incoming()
    stream.receive_data(given)
    said = stream.data_to_send()
    assert said.startswith(b"<?xml version='1.0'?><stream:stream ")
    assert f"<{condition} ".encode() in said
    assert said.endswith(b"</stream:stream>")
    assert stream.state == "closed"


def test_clear_stream_is_offered_tls_only() -> None:
    """Where encryption is required."""
    said = opened().data_to_send()
    assert b"<starttls" in said and b"<required/>" in said
    assert b"mechanisms" not in said and b"urn:xmpp:features:dialback" not in said


def test_stream_of_an_older_protocol_needs_permission() -> None:
    """Without version 1.0 there is no TLS to start."""
    stream = incoming()
    stream.receive_data(header(version=""))
    stream.greet(Greeting(encryption="required", problem=""))
    assert b"unsupported-version" in stream.data_to_send()
    stream = incoming()
    stream.receive_data(header(version=""))
    stream.greet(Greeting(encryption="optional", problem=""))
    assert b"features" not in stream.data_to_send()
    assert stream.state == "ready"


@pytest.mark.parametrize("behind", [b"<iq/>", b"\n", b"<", b"\x16\x03\x01"])
def test_bytes_behind_starttls_end_the_stream(behind: bytes) -> None:
    """They would be taken for encrypted ones."""
    stream = opened()
    stream.data_to_send()
    stream.receive_data(STARTTLS + behind)
    assert b"proceed" not in stream.data_to_send()
    assert not of_type(stream.take_events(), StartTls)
    assert stream.state == "closed"


def test_nothing_is_read_between_proceed_and_tls() -> None:
    """A late injection finds no parser."""
    stream = opened()
    stream.receive_data(STARTTLS)
    stream.receive_data(header("mallory.example"))
    stream.tls_started()
    assert stream.remote == LOCAL
    assert not of_type(stream.take_events(), Opened)


def test_tls_twice_is_refused() -> None:
    """It was not offered."""
    stream = opened(secure=True)
    stream.receive_data(STARTTLS)
    assert b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" in stream.data_to_send()
    assert of_type(stream.take_events(), StreamFailed)


@pytest.mark.parametrize("identity", [b64encode(LOCAL.encode()), b"="])
def test_identity_is_named_or_taken_from_the_header(identity: bytes) -> None:
    """XEP-0178 §3."""
    stream = opened(secure=True)
    stream.receive_data(auth(identity))
    assert b"<success" in stream.data_to_send()
    assert stream.is_authenticated


def test_missing_initial_response_is_asked_for() -> None:
    """RFC 6120 §6.4.2."""
    stream = opened(secure=True)
    stream.receive_data(auth(b""))
    assert stream.data_to_send().endswith(b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    stream.receive_data(b"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>")
    assert b"<success" in stream.data_to_send()


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        (auth(b64encode(b"verona.example")), "invalid-authzid"),
        (auth(b"!!!"), "incorrect-encoding"),
        (auth(b64encode(b"\xff\xfe")), "incorrect-encoding"),
        (auth(b"=", "PLAIN"), "invalid-mechanism"),
    ],
)
def test_wrong_identity_is_refused(given: bytes, condition: str) -> None:
    """With the SASL error that says which mistake it was."""
    stream = opened(secure=True)
    stream.receive_data(given)
    assert f"<{condition}/>".encode() in stream.data_to_send()
    assert not stream.is_authenticated


def test_untrusted_peer_that_insists_is_sent_away() -> None:
    """The certificate's problem is named; tries are counted."""
    stream = opened(secure=True, problem="self-signed")
    stream.data_to_send()
    stream.receive_data(auth(b"=") * AUTH_TRIES)
    said = stream.data_to_send()
    assert b"<text xml:lang='en'>self-signed</text>" in said
    assert b"policy-violation" in said
    assert not stream.is_authenticated


def test_external_in_the_clear_is_refused() -> None:
    """There is no certificate without TLS."""
    stream = opened("optional")
    stream.receive_data(auth(b"="))
    assert b"<not-authorized/>" in stream.data_to_send()


def test_restarted_stream_may_not_change_its_name() -> None:
    """The certificate was for another."""
    stream = opened(secure=True)
    stream.receive_data(auth(b"="))
    stream.data_to_send()
    stream.receive_data(header("verona.example"))
    assert b"invalid-from" in stream.data_to_send()


def test_limits_are_told_and_grow_with_trust() -> None:
    """XEP-0478: what a stranger may send is less."""
    from tests.bridge.xmpp.streams import LIMITS, Limits

    stream = incoming(Limits(stanza_bytes=10_000))
    stream.tls_started()
    stream.receive_data(header())
    stream.greet(Greeting(encryption="required", problem=""))
    assert b"<max-bytes>10000</max-bytes><idle-seconds>900</idle-seconds>" in stream.data_to_send()
    stream.receive_data(auth(b"="))
    stream.receive_data(header())
    assert f"<max-bytes>{LIMITS.stanza_bytes}</max-bytes>".encode() in stream.data_to_send()


def test_what_was_wished_in_the_clear_is_forgotten_under_tls() -> None:
    """RFC 6120 §5.4.3.3: neither both directions nor small stanzas; somebody on the way may have said it."""
    stream = opened("optional")
    limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>1</max-bytes></limits>"
    stream.receive_data(f"<bidi xmlns='urn:xmpp:bidi'>{limits}</bidi>".encode())
    assert stream.is_bidirectional and stream.peer_stanza_bytes == 1
    stream.receive_data(STARTTLS)
    assert not stream.is_bidirectional and not stream.peer_stanza_bytes


def test_stranger_may_ask_for_a_few_pairs_only() -> None:
    """Each makes us dial somebody; once one is proven, many may be asked for."""
    stream = opened("optional", secure=True)

    def ask(number: int) -> bytes:
        name = f"{number}.capulet.example"
        stream.receive_data(f"<db:result from='{name}' to='{REMOTE}'>key</db:result>".encode())
        return stream.data_to_send()

    stream.data_to_send()
    assert [ask(number) for number in range(STRANGER_REQUESTS)] == [b""] * STRANGER_REQUESTS
    assert b"resource-constraint" in ask(100)
    stream.answer(Pair("0.capulet.example", REMOTE), VALID)
    stream.data_to_send()
    assert [ask(number) for number in range(200, 250)] == [b""] * 50
