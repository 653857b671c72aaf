"""XEP-0114's initiating machine."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from bridge.xmpp.stream import (
    _TABLE,
    PING_ID,
    REFUSALS,
    Authenticated,
    ComponentStream,
    Event,
    Input,
    State,
    StreamEnded,
    StreamFailed,
)
from bridge.xmpp.xml import NS_STREAMS
from tests.bridge.xmpp.strategies import MARKUP, chunked

HEADER = f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAMS}' id='3BF96D32'>".encode()
ERROR = b"<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
END = b"</stream:stream>"


def started() -> ComponentStream:
    stream = ComponentStream("plays.shakespeare.lit", "test")
    stream.start()
    stream.data_to_send()
    return stream


def established() -> ComponentStream:
    stream = started()
    stream.receive_data(HEADER + b"<handshake/>")
    assert stream.take_events() == [Authenticated()]
    stream.data_to_send()
    return stream


def after(stream: ComponentStream, data: bytes) -> tuple[list[Event], bytes]:
    stream.receive_data(data)
    return stream.take_events(), stream.data_to_send()


def test_header_names_the_component():
    """XEP-0114 §3: `to` is the component's own name."""
    stream = ComponentStream("plays.shakespeare.lit", "test")
    assert stream.data_to_send() == b""
    stream.start()
    assert stream.data_to_send() == (
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
        b"xmlns:stream='http://etherx.jabber.org/streams' to='plays.shakespeare.lit'>"
    )


def test_handshake_is_the_digest_of_id_and_secret():
    """XEP-0114 §3's own example."""
    assert after(started(), HEADER) == (
        [],
        b"<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>",
    )


def test_accepted_component_may_send():
    """Stanzas are sent as they are, in order, and not before."""
    stream = started()
    with pytest.raises(ValueError, match="awaiting_header"):
        stream.send(b"<presence/>")
    stream = established()
    stream.send(b"<presence/>")
    stream.send(b"<iq/>")
    assert stream.data_to_send() == b"<presence/><iq/>"
    assert stream.data_to_send() == b""


def test_stanzas_of_any_content_namespace_are_delivered_as_ours():
    """COMPAT: some servers mark stanzas as jabber:client."""
    events, _ = after(
        established(), b"<message><body>x</body></message><iq xmlns='jabber:client'><body/></iq>"
    )
    assert events == [
        Element("message", NS_COMPONENT, None, Element("body", NS_COMPONENT, None, "x")),
        Element("iq", NS_COMPONENT, None, Element("body", NS_COMPONENT)),
    ]


def test_oversized_stanza_is_refused_and_the_stream_goes_on():
    """Its sender is told; everybody else does not notice."""
    big = b"<message from='a@b' to='c' id='1'><body>" + b"x" * 600_000 + b"</body></message>"
    events, sent = after(established(), big + b"<presence/>")
    assert events == [Element("presence", NS_COMPONENT)]
    assert b"to='a@b' id='1' type='error'" in sent
    assert b"policy-violation" in sent


def test_ping_comes_back_and_is_swallowed():
    """The server routes it to us; only that something came matters."""
    stream = established()
    stream.ping()
    sent = stream.data_to_send()
    assert f"id='{PING_ID}' from='plays.shakespeare.lit' to='plays.shakespeare.lit'".encode() in sent
    assert after(stream, sent) == ([], b"")
    stranger = sent.replace(b"from='plays.shakespeare.lit'", b"from='a@b'")
    assert len(after(stream, stranger)[0]) == 1


@pytest.mark.parametrize(
    "condition", ["not-authorized", "host-unknown", "conflict", "system-shutdown", "policy-violation"]
)
@pytest.mark.parametrize("begin", [started, established])
def test_stream_error_of_the_server_ends_the_stream(begin, condition: str):
    """RFC 6120 §4.9: it is answered by the closing tag."""
    stream = begin()
    data = (HEADER if begin is started else b"") + ERROR % condition.encode() + END
    events, sent = after(stream, data)
    assert events == [StreamFailed(condition, "", condition in REFUSALS)]
    assert sent.endswith(END)
    stream.receive_eof()
    assert stream.take_events() == []


def test_text_of_a_stream_error_is_told():
    """The operator reads what the server says; without a condition it is undefined."""
    data = b"<stream:error><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>why</text><x xmlns='y'/></stream:error>"
    assert after(established(), data)[0] == [StreamFailed("undefined-condition", "why", False)]


def test_server_that_hangs_up_after_the_handshake_refuses():
    """COMPAT: a wrong secret is not always answered by an error."""
    stream = started()
    stream.receive_data(HEADER)
    stream.receive_eof()
    [failed] = stream.take_events()
    assert isinstance(failed, StreamFailed)
    assert (failed.condition, failed.refused) == ("not-authorized", True)


@pytest.mark.parametrize("begin", [started, established])
def test_link_that_breaks_is_no_refusal(begin):
    """The server may be restarting."""
    stream = begin()
    stream.receive_eof()
    [failed] = stream.take_events()
    assert isinstance(failed, StreamFailed)
    assert (failed.condition, failed.refused) == ("", False)


def test_port_for_clients_is_told_from_one_for_components():
    """A wrong port in the configuration gets a clear word."""
    events, sent = after(started(), HEADER.replace(b"jabber:component:accept", b"jabber:client"))
    [failed] = events
    assert isinstance(failed, StreamFailed)
    assert (failed.condition, failed.refused) == ("invalid-namespace", True)
    assert sent == ERROR % b"invalid-namespace" + END


@pytest.mark.parametrize(
    ("data", "condition"),
    [(b"<!-- -->", b"restricted-xml"), (b"<a></b>", b"not-well-formed"), (b"text", b"bad-format"),
     (b"<iq>" + b"x" * 9_000_000, b"policy-violation")],
)  # fmt: skip
def test_unreadable_stream_is_answered_by_an_error(data: bytes, condition: bytes):
    """RFC 6120 §4.9.1.1: what was complete is delivered, then the error is sent, then the end."""
    events, sent = after(established(), b"<presence/>" + data)
    assert events[0] == Element("presence", NS_COMPONENT)
    assert events[1:] == [StreamFailed(condition.decode(), "the server's XML cannot be read", False)]
    assert sent == ERROR % condition + END


def test_stanza_before_the_handshake_is_refused():
    """Nobody speaks before the secret is proved."""
    events, sent = after(started(), HEADER + b"<message/>")
    assert [type(event) for event in events] == [StreamFailed]
    assert sent.endswith(ERROR % b"not-authorized" + END)


def test_closing_waits_for_what_is_on_its_way():
    """RFC 6120 §4.4: stanzas may still come until the server closes, too."""
    stream = established()
    stream.close()
    assert stream.data_to_send() == END
    assert after(stream, b"<presence/>" + END) == ([Element("presence", NS_COMPONENT), StreamEnded()], b"")
    assert stream.state == "closed"


def test_server_that_closes_is_answered():
    """RFC 6120 §4.4."""
    assert after(established(), END) == ([StreamFailed("", "the server ended the stream", False)], END)


@pytest.mark.parametrize("kind", get_args(Input))
@pytest.mark.parametrize("state", get_args(State))
def test_every_input_in_every_state_lands_somewhere(state: State, kind: Input):
    """Nothing raises, closed stays closed, and only there the stream has failed or ended."""
    stream = ComponentStream("a", "b")
    stream.state = state
    stream._input(kind, Element("presence", NS_COMPONENT))
    assert stream.state in get_args(State)
    assert stream.state == "closed" or state != "closed"
    over = [event for event in stream.take_events() if isinstance(event, StreamFailed | StreamEnded)]
    assert bool(over) == (stream.state == "closed" != state)


def test_every_state_can_be_reached_and_left():
    """The table has no island."""
    reached = {"idle"}
    for _ in get_args(State):
        reached |= {after for (state, _), (_, after) in _TABLE.items() if state in reached}
    assert reached == set(get_args(State))
    assert {state for state, _ in _TABLE} == reached - {"closed"}


STREAMS = st.builds(
    lambda parts: b"".join(parts),
    st.lists(st.sampled_from([HEADER, b"<handshake/>", b"<presence/>", END]) | MARKUP, max_size=8),
)
PROPER = STREAMS.map(lambda data: HEADER + b"<handshake/>" + data)


@given(chunked(STREAMS | PROPER))
@settings(max_examples=300)
def test_chunks_of_any_size_give_the_same_events(chunks: list[bytes]):
    """How the network cuts the bytes does not matter, and no input raises."""

    def run(*chunks: bytes) -> tuple[list[Event], bytes, State]:
        stream = started()
        for chunk in chunks:
            stream.receive_data(chunk)
        stream.receive_eof()
        return stream.take_events(), stream.data_to_send(), stream.state

    cut = run(*chunks)
    assert cut == run(b"".join(chunks))
    assert cut[2] == "closed"
