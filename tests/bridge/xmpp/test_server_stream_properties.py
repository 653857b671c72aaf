from __future__ import annotations

import gc
import random
import time
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.xmpp import stream_events
from bridge.xmpp.dialback import VALID, Pair
from bridge.xmpp.element import Element
from bridge.xmpp.incoming import IncomingStream
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.server_stream import RESTARTS, Input, State
from bridge.xmpp.stream_events import PairAdmitted, StreamFailed
from bridge.xmpp.xml import Limits, StreamClosed, StreamParser
from tests.bridge.xmpp import hostile
from tests.bridge.xmpp.hostile import Reception, attack, cut
from tests.bridge.xmpp.streams import LOCAL, REMOTE, Link, incoming, of_type, outgoing, session

PAIR = Pair(LOCAL, REMOTE)
SMALL = Limits(stanza_bytes=2_000, skip_bytes=100_000)
BOTH = f"from='{LOCAL}' to='{REMOTE}'"
BACK = f"from='{REMOTE}' to='{LOCAL}'"
INPUTS: dict[str, str] = {
    "header": hostile.header(),
    "foreign_header": hostile.header(namespace="jabber:client"),
    "features": "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
    "starttls": "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "proceed": "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "tls_failure": "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "auth": "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
    "response": "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>!</response>",
    "success": "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "failure": "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    "bidi": "<bidi xmlns='urn:xmpp:bidi'/>",
    "dialback_request": f"<db:result {BOTH}>key</db:result>",
    "dialback_answer": f"<db:result {BACK} type='valid'/>",
    "verify_request": f"<db:verify {BOTH} id='1'>key</db:verify>",
    "verify_answer": f"<db:verify {BACK} id='1' type='valid'/>",
    "enable": "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
    "enabled": "<enabled xmlns='urn:xmpp:sm:3' resume='1' id='s1'/>",
    "resume": "<resume xmlns='urn:xmpp:sm:3' previd='s1' h='0'/>",
    "resumed": "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='0'/>",
    "failed": "<failed xmlns='urn:xmpp:sm:3' h='0'/>",
    "request": "<r xmlns='urn:xmpp:sm:3'/>",
    "acknowledgement": "<a xmlns='urn:xmpp:sm:3' h='0'/>",
    "stanza": f"<message from='juliet@{LOCAL}' to='romeo@{REMOTE}' id='1'><body>hi</body></message>",
    "oversized": f"<message from='juliet@{LOCAL}' to='romeo@{REMOTE}'>{'x' * 5_000}</message>",
    "other": "<compress xmlns='http://jabber.org/protocol/compress'/>",
    "error": "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "closing_tag": "</stream:stream>",
}
"""One of each kind of input."""
MIRRORED = {
    kind: text.replace(LOCAL, "\0").replace(REMOTE, LOCAL).replace("\0", REMOTE)
    for kind, text in INPUTS.items()
}
"""The same, as the other side says them."""
Stream = IncomingStream | OutgoingStream


def admitted() -> IncomingStream:
    """A stream on which the peer has proven a pair, and which is resumable."""
    link = Link(
        far=incoming(SMALL), capulet_problem="self-signed", on_dialback=lambda s, e: s.answer(e.pair, VALID)
    )
    link.far._trusted = SMALL
    link.authenticated()
    assert of_type(link.far_events, PairAdmitted)
    return link.far


def opened() -> OutgoingStream:
    """A stream on which the peer takes our pair, and may use it as well."""
    near = outgoing()
    near._limits = near._parser.limits = SMALL
    return Link(near).authenticated().near


def greeted() -> IncomingStream:
    """A stream whose peer is a stranger."""
    reception = Reception(incoming(SMALL))
    reception.hear([hostile.header().encode()])
    return reception.stream


def begun() -> OutgoingStream:
    """A stream whose peer has not answered yet."""
    stream = outgoing(session=session(b"<message/>"))
    stream._limits = stream._parser.limits = SMALL
    stream.start()
    stream.data_to_send()
    return stream


STREAMS: dict[str, tuple[Any, dict[str, str]]] = {
    "admitted": (admitted, INPUTS),
    "greeted": (greeted, INPUTS),
    "opened": (opened, MIRRORED),
    "begun": (begun, MIRRORED),
}


def feed(stream: Stream, chunks: Sequence[bytes]) -> tuple[list[Any], bytes]:
    """Return what happened, and what was answered."""
    events: list[Any] = []
    answer = b""
    for chunk in chunks:
        stream.receive_data(chunk)
        events += stream.take_events()
        answer += stream.data_to_send()
    return events, answer


def assert_readable(answer: bytes) -> list[Any]:
    """Every answer is XML, in a stream of its own."""
    events: list[Any] = []
    for number, part in enumerate(answer.split(b"<?xml version='1.0'?>")):
        parser = StreamParser(Limits(stanza_bytes=10**7, elements=10**6))
        events += parser.feed(part if number else hostile.header().encode() + part)
    return events


# any cut


def cut_at(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted(place % (len(data) + 1) for place in cuts)
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


CALM = sorted(INPUTS.keys() - RESTARTS - {"header", "foreign_header"})
"""What does not begin another stream: that may not be followed by anything in the same breath."""


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=60)
@given(st.lists(st.sampled_from(CALM), max_size=12), st.lists(st.integers(0, 20_000), max_size=10))
def test_chunks_change_nothing(name: str, kinds: list[str], cuts: list[int]) -> None:
    """Events and answers are the same, however the network cut the bytes."""
    build, inputs = STREAMS[name]
    head = inputs["header"] if name == "begun" else ""
    data = (head + "".join(inputs[kind] for kind in kinds)).encode()
    whole, cut_up = build(), build()
    assert feed(whole, [data]) == feed(cut_up, cut_at(data, cuts))
    assert whole.state == cut_up.state


@pytest.mark.parametrize("kind", sorted(RESTARTS))
@pytest.mark.parametrize("rest", [" ", "<", INPUTS["stanza"], hostile.header(), "\0"])
def test_nothing_is_taken_in_the_same_breath_as_a_restart(kind: str, rest: str) -> None:
    """RFC 6120 §5.4.3.3: it was said in the clear, perhaps by somebody else."""
    stream: Stream = greeted() if kind == "starttls" else begun()
    if kind == "proceed":
        stream.receive_data((MIRRORED["header"] + MIRRORED["features"]).encode())
    elif kind == "success":
        stream.receive_data(MIRRORED["header"].encode())
        stream.state = "awaiting_success"
    stream.take_events()
    events, _ = feed(stream, [INPUTS[kind].encode() + rest.encode()])
    assert [type(event) for event in events] == [StreamFailed]
    assert stream.state == "closed"


# any input in any state


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("name", STREAMS)
def test_every_input_in_every_state_lands_somewhere_legal(name: str, state: State) -> None:
    """What has a row in the table acts; what has none changes nothing; nothing is raised."""
    build, inputs = STREAMS[name]
    for kind, text in inputs.items():
        stream: Stream = build()
        if kind.endswith("header"):
            stream._restart()
        elif name == "begun":
            stream._parser.feed(inputs["header"].encode())
        stream.state = state
        events, answer = feed(stream, [text.encode()])
        assert stream.state in get_args(State)
        assert all(isinstance(event, get_args(stream_events.Event)) for event in events)
        assert_readable(answer)
        if (state, kind) not in stream.table:
            assert (events, answer, stream.state) == ([], b"", state), f"{kind} has no row"
        if stream.state == "closed":
            assert feed(stream, [INPUTS["stanza"].encode()]) == ([], b"")
            stream.receive_eof()
            assert stream.take_events() == []


def test_every_kind_of_input_was_tried() -> None:
    """None was added that the tests do not know."""
    assert INPUTS.keys() == set(get_args(Input))


# anything at all

GARBAGE = st.lists(
    st.binary(max_size=40)
    | st.sampled_from([text.encode() for text in {**INPUTS, **MIRRORED}.values()])
    | st.sampled_from([b"<", b">", b"&", b"'", b"<!--", b"<?x", b"]]>", b"<![CDATA[", b"\0", b"\xff", b"</", b"<a "]),
    max_size=12,
)  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=100)
@given(GARBAGE)
def test_garbage_is_answered_and_never_raised(name: str, chunks: list[bytes]) -> None:
    """The stream ends with an error, if it does; afterwards it is silent."""
    stream: Stream = STREAMS[name][0]()
    events, answer = feed(stream, chunks)
    assert_readable(answer)
    stream.receive_eof()
    events += stream.take_events()
    assert stream.state in ("closed", "starting_tls")
    assert (
        sum(isinstance(event, stream_events.StreamFailed | stream_events.StreamEnded) for event in events)
        <= 1
    )
    if name in ("greeted", "begun"):
        assert not of_type(events, Element), "nobody has proven anything"


# hostile strangers


def test_ten_thousand_hostile_openings_are_refused_at_little_cost() -> None:
    """Each with its stream error, in a stream of ours; they cost milliseconds, and no memory."""
    rng = random.Random(10_000)
    spent, worst, before = 0.0, 0.0, 0
    for number in range(10_000):
        data, condition = attack(rng)
        chunks, reception = cut(data, rng), Reception()
        began = time.process_time()
        reception.hear(chunks)
        took = time.process_time() - began
        spent, worst = spent + took, max(worst, took)
        assert reception.condition == condition, f"number {number}: {data[:300]!r}"
        assert reception.stream.state == "closed"
        if number % 10 == 0:
            *_, error, end = assert_readable(reception.answer)
            assert next(error.elements()).name == condition
            assert isinstance(end, StreamClosed)
        if number in (1_000, 9_999):
            gc.collect()
            held = len(gc.get_objects())
            assert not before or held < before + 1_000, "something is kept of each"
            before = held
    assert spent / 10_000 < 0.002
    assert worst < 0.2


@pytest.mark.parametrize("kind", sorted(INPUTS))
def test_flood_of_small_things_costs_its_size_only(kind: str) -> None:
    """All at once they take no longer than one after the other."""

    def seconds(chunks: Sequence[bytes]) -> float:
        stream = admitted()
        began = time.process_time()
        feed(stream, chunks)
        return time.process_time() - began

    data = INPUTS[kind].encode() * (65_536 // len(INPUTS[kind]))
    pieces = [data[start : start + 1_024] for start in range(0, len(data), 1_024)]
    assert min(seconds([data]) for _ in range(3)) < 4 * seconds(pieces) + 0.02
