"""XEP-0114's two machines: the component's, and that of the server which hosts it."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.xmpp.component import (
    PING_ID,
    REFUSALS,
    STRANGERS_BYTES,
    Authenticated,
    ComponentStream,
    Event,
    IncomingComponentStream,
    Input,
    State,
    StreamEnded,
    StreamFailed,
)
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
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
        reached |= {after for (state, _), (_, after) in ComponentStream._table.items() if state in reached}
    assert reached == set(get_args(State))
    assert {state for state, _ in ComponentStream._table} == reached - {"closed"}


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


HOSTED = "plays.shakespeare.lit"
OPENING = f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAMS}' to='{HOSTED}'>".encode()
ANSWER = (
    f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAMS}' from='{HOSTED}'"
    " id='3BF96D32'>"
).encode()
DIGEST = b"aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e"
HANDSHAKE = b"<handshake>" + DIGEST + b"</handshake>"


def accepting(*taken: str) -> IncomingComponentStream:
    """XEP-0114 §3's server, where the components of the domains `taken` are connected."""
    return IncomingComponentStream("3BF96D32", {HOSTED: "test"}.get, taken.__contains__)


def opened() -> IncomingComponentStream:
    stream = accepting()
    stream.receive_data(OPENING)
    assert stream.data_to_send() == ANSWER
    return stream


def hosting() -> IncomingComponentStream:
    stream = opened()
    assert told(stream, HANDSHAKE) == ([Authenticated()], b"<handshake/>")
    return stream


def told(stream: IncomingComponentStream, data: bytes) -> tuple[list[Event], bytes]:
    stream.receive_data(data)
    return stream.take_events(), stream.data_to_send()


def refusal(stream: IncomingComponentStream, data: bytes) -> str:
    """Return the condition with which the stream ends, after checking that the component is told."""
    events, sent = told(stream, data)
    failed = events[-1]
    assert isinstance(failed, StreamFailed)
    assert stream.state == "closed"
    assert b"<stream:error><%s xmlns=" % failed.condition.encode() in sent
    assert sent.endswith(END)
    return failed.condition


def test_component_with_the_right_secret_is_accepted():
    """XEP-0114 §3's own example, seen from the server."""
    stream = hosting()
    assert stream.domain == HOSTED
    stream.send(b"<presence/>")
    assert stream.data_to_send() == b"<presence/>"


def test_both_machines_understand_each_other():
    """What the one says, the other expects; the domain may be spelt differently."""
    component, server = ComponentStream("Plays.Shakespeare.lit", "test"), accepting()
    component.start()
    for _ in range(2):
        server.receive_data(component.data_to_send())
        component.receive_data(server.data_to_send())
    assert component.take_events() == server.take_events() == [Authenticated()]
    component.send(f"<presence from='a@{HOSTED}' to='b'/>".encode())
    component.close()
    server.receive_data(component.data_to_send())
    assert [type(event) for event in server.take_events()] == [Element, StreamEnded]
    component.receive_data(server.data_to_send())
    assert component.take_events() == [StreamEnded()]


def test_digest_in_upper_case_is_accepted():
    """COMPAT: Prosody takes it."""
    assert told(opened(), b"<handshake> %s </handshake>" % DIGEST.upper())[0] == [Authenticated()]


@pytest.mark.parametrize("digest", [b"", DIGEST[:-1], DIGEST[::-1], "ä".encode(), b"test"])
def test_wrong_secret_is_refused(digest: bytes):
    """XEP-0114 §3: not-authorized, and the end."""
    assert refusal(opened(), b"<handshake>%s</handshake>" % digest) == "not-authorized"


@pytest.mark.parametrize(
    ("header", "condition"),
    [
        (OPENING.replace(b"plays.", b"other."), "host-unknown"),
        (OPENING.replace(b"plays.", b"x@plays."), "host-unknown"),
        (OPENING.replace(b" to='plays.shakespeare.lit'", b""), "improper-addressing"),
        (OPENING.replace(b"plays.", b"a..b"), "improper-addressing"),
        (OPENING.replace(b"component:accept", b"client"), "invalid-namespace"),
        (OPENING.replace(b"etherx", b"ether"), "invalid-namespace"),
        (b"<html>", "invalid-namespace"),
        (b"GET / HTTP/1.1\r\n", "not-well-formed"),
        (OPENING + b"<!-- -->", "restricted-xml"),
    ],
)
def test_error_of_a_header_comes_in_a_stream(header: bytes, condition: str):
    """RFC 6120 §4.7.1, §4.9.1.2: a header of ours is around it, and there is only one."""
    stream = accepting()
    stream.receive_data(header)
    sent = stream.data_to_send()
    assert stream.state == "closed"
    assert sent.startswith(b"<?xml version='1.0'?><stream:stream ") and sent.count(b"<stream:stream ") == 1
    assert b"<stream:error><%s xmlns=" % condition.encode() in sent
    assert sent.endswith(END)


def test_second_connection_is_refused_if_the_domain_is_taken():
    """Only who knows the secret learns that."""
    stream = accepting(HOSTED)
    stream.receive_data(OPENING)
    assert refusal(stream, HANDSHAKE) == "conflict"
    stream = accepting(HOSTED)
    stream.receive_data(OPENING)
    assert refusal(stream, b"<handshake>0</handshake>") == "not-authorized"


@pytest.mark.parametrize(
    "data",
    [b"<message from='a@plays.shakespeare.lit' to='b'/>", b"<iq/>", b"<starttls/>", b"<handshake/><iq/>",
     b"<message><body>" + b"x" * 600_000 + b"</body></message>"],
)  # fmt: skip
def test_stranger_may_not_send(data: bytes):
    """Nothing is delivered before the secret is proven."""
    events, _ = told(opened(), data)
    assert [type(event) for event in events] == [StreamFailed]


def test_stranger_may_not_send_much():
    """Its memory is bounded before it is known."""
    assert refusal(opened(), b"<handshake>" + b"0" * STRANGERS_BYTES) == "policy-violation"
    assert refusal(opened(), b" " * (STRANGERS_BYTES + 1)) == "policy-violation"


def test_stranger_of_a_stream_that_is_closed_may_not_send_either():
    """What follows our closing tag is no stanza of the domain it asked for."""
    stream = opened()
    stream.close()
    assert stream.data_to_send() == END
    assert stream.take_events() == [StreamEnded()]
    assert told(stream, b"<message from='a@plays.shakespeare.lit' to='b'/>") == ([], b"")


def test_stanza_of_the_domain_is_delivered_inside_ours():
    """From any user of it, however spelt; COMPAT: marked as jabber:client, or without a sender."""
    stanzas = (
        b"<presence from='Plays.Shakespeare.lit/x' to='a@b'/>"
        b"<message xmlns='jabber:client' from='romeo@plays.shakespeare.lit' to='a@b'/>"
        b"<iq to='a@b'/>"
    )
    events, sent = told(hosting(), stanzas)
    assert events == [
        Element("presence", NS_COMPONENT, {"from": "Plays.Shakespeare.lit/x", "to": "a@b"}),
        Element("message", NS_COMPONENT, {"from": "romeo@plays.shakespeare.lit", "to": "a@b"}),
        Element("iq", NS_COMPONENT, {"to": "a@b", "from": HOSTED}),
    ]
    assert sent == b""


@pytest.mark.parametrize(
    "sender",
    ["other.lit", "a@other.lit", "sub.plays.shakespeare.lit", "shakespeare.lit", "other.lit/@plays.shakespeare.lit",
     "a@other.lit@plays.shakespeare.lit", "@plays.shakespeare.lit", "plays.shakespeare.lit/", "a b@plays.shakespeare.lit", ""],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 600_000])
def test_stanza_of_another_domain_ends_the_stream(sender: str, size: int):
    """RFC 6120 §4.9.3.9; nothing that follows is delivered, and malformed senders go no further either."""
    body = b"<body>" + b"x" * size + b"</body>"
    stanza = f"<message from='{sender}' to='a@b'>".encode() + body + b"</message>"
    own = f"<presence from='{HOSTED}' to='a@b'/>".encode()
    stream = hosting()
    stream.receive_data(own + stanza + own)
    events = stream.take_events()
    assert [type(event) for event in events] == [Element, StreamFailed]
    assert events[1].condition == "invalid-from"
    assert stream.data_to_send().endswith(END)


@pytest.mark.parametrize("to", ["", "to=''"])
def test_stanza_without_an_addressee_is_answered(to: str):
    """As Prosody does; the stream goes on."""
    stream = hosting()
    events, sent = told(stream, f"<iq type='get' id='7' from='a@{HOSTED}' {to}><x xmlns='y'/></iq>".encode())
    assert events == []
    assert f"<iq from='{HOSTED}' to='a@{HOSTED}' id='7' type='error'>".encode() in sent
    assert b"<bad-request " in sent
    assert stream.state == "established"


def test_oversized_stanza_of_a_component_is_refused_and_the_stream_goes_on():
    """Its sender is told; everybody else of that domain does not notice."""
    big = f"<message from='a@{HOSTED}' to='c' id='1'><body>{'x' * 600_000}</body></message>".encode()
    events, sent = told(hosting(), big + f"<presence from='{HOSTED}' to='c'/>".encode())
    assert events == [Element("presence", NS_COMPONENT, {"from": HOSTED, "to": "c"})]
    assert f"to='a@{HOSTED}' id='1' type='error'".encode() in sent
    assert b"policy-violation" in sent


def test_what_is_no_stanza_ends_the_stream():
    """RFC 6120 §4.9.3.24."""
    assert refusal(hosting(), b"<log xmlns='jabber:component:accept'/>") == "unsupported-stanza-type"


@pytest.mark.parametrize("begin", [opened, hosting])
def test_component_that_leaves_is_answered(begin):
    """RFC 6120 §4.4."""
    assert told(begin(), END) == ([StreamEnded()], END)


def test_error_of_a_component_ends_the_stream():
    """It is answered by the closing tag."""
    assert told(hosting(), ERROR % b"conflict") == ([StreamFailed("conflict", "", True)], END)


def test_closing_waits_for_what_a_component_still_sends():
    """RFC 6120 §4.4; there is nothing to be said to what is wrong, any more."""
    stream = hosting()
    stream.close()
    assert stream.data_to_send() == END
    last = f"<iq from='{HOSTED}' to='a'/><iq from='{HOSTED}'/><iq from='other.lit' to='a'/>".encode()
    events, sent = told(stream, last + END)
    assert events == [Element("iq", NS_COMPONENT, {"from": HOSTED, "to": "a"}), StreamEnded()]
    assert sent == b""


@pytest.mark.parametrize("begin", [accepting, opened, hosting])
def test_stream_can_be_ended_with_an_error(begin):
    """Whether or not it had begun."""
    stream = begin()
    stream.fail("host-gone")
    sent = stream.data_to_send()
    assert sent.count(b"<stream:stream ") == (begin is accepting)
    assert sent.endswith(ERROR % b"host-gone" + END)
    assert stream.take_events() == [StreamFailed("host-gone", "", True)]


def test_idle_link_carries_a_space():
    """RFC 6120 §4.6.1: it needs no answer."""
    stream = hosting()
    stream.ping()
    assert stream.data_to_send() == b" "


@pytest.mark.parametrize("kind", get_args(Input))
@pytest.mark.parametrize("state", get_args(State))
def test_every_input_of_a_hosted_stream_lands_somewhere(state: State, kind: Input):
    """Nothing raises, closed stays closed, and only there the stream has failed or ended."""
    stream = accepting()
    stream.state = state
    stream._input(kind, Element("presence", NS_COMPONENT))
    assert stream.state in get_args(State)
    assert stream.state == "closed" or state != "closed"
    over = [event for event in stream.take_events() if isinstance(event, StreamFailed | StreamEnded)]
    assert bool(over) == (stream.state == "closed" != state)


@given(
    chunked(
        st.lists(
            st.sampled_from(
                [OPENING, HANDSHAKE, b"<presence to='a'/>", b"<iq from='other.lit' to='a'/>", b"<iq/>", END]
            )
            | MARKUP,
            max_size=8,
        ).map(b"".join)
        | STREAMS.map(lambda data: OPENING + HANDSHAKE + data)
    )
)
@settings(max_examples=300)
def test_chunks_of_any_size_tell_the_server_the_same(chunks: list[bytes]):
    """How the network cuts the bytes does not matter, no input raises, and no stanza is another's."""

    def run(*chunks: bytes) -> tuple[list[Event], bytes, State]:
        stream = accepting()
        for chunk in chunks:
            stream.receive_data(chunk)
        stream.receive_eof()
        return stream.take_events(), stream.data_to_send(), stream.state

    cut = run(*chunks)
    assert cut == run(b"".join(chunks))
    assert cut[2] == "closed"
    assert all(event.get("from") == HOSTED for event in cut[0] if isinstance(event, Element))
