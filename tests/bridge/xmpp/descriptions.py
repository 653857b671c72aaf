"""Descriptions of calls, and requests of Jingle that mean no good, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from bridge.calls import (
    Candidate,
    Codec,
    Content,
    Crypto,
    Endpoint,
    Feedback,
    Fingerprint,
    Flow,
    HeaderExtension,
    MediaKind,
    SessionDescription,
    Setup,
    Source,
    SourceGroup,
)
from bridge.xmpp.element import Element, clean
from bridge.xmpp.payloads.jingle import NS_JINGLE, Action
from bridge.xmpp.payloads.jingle_ice import NS_DTLS, NS_ICE, NS_RAW
from bridge.xmpp.payloads.jingle_info import NS_DTMF, NS_INFO
from bridge.xmpp.payloads.jingle_message import NS_JINGLE_MESSAGE
from bridge.xmpp.payloads.jingle_rtp import NS_EXTENSIONS, NS_FEEDBACK, NS_GROUPING, NS_RTP, NS_SOURCES
from bridge.xmpp.payloads.jingle_transfer import NS_TRANSFER

TOKENS = st.text(
    st.characters(codec="ascii", categories=["L", "N"]) | st.sampled_from("-_+"), min_size=1, max_size=9
)
LINES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=9
)
NUMBERS = st.integers(0, 2**32 - 1)
FLOWS = st.sampled_from(Flow)
ADDRESSES = st.sampled_from(["192.0.2.1", "10.0.0.7", "2001:db8::1"])
PORTS = st.integers(1, 65535)

CANDIDATES = st.builds(
    Candidate,
    foundation=st.integers(0, 10**9).map(str),
    component=st.integers(1, 256),
    protocol=st.just("udp"),
    priority=st.integers(1, 2**32 - 1),
    address=ADDRESSES,
    port=PORTS,
    type=st.sampled_from(["host", "srflx", "prflx", "relay"]),
    related_address=st.just("") | ADDRESSES,
    related_port=st.none() | PORTS,
    generation=st.integers(0, 255),
)
FINGERPRINTS = st.builds(
    Fingerprint,
    hash=st.sampled_from(["sha-1", "sha-256"]),
    value=st.binary(min_size=20, max_size=32).map(lambda digest: digest.hex(":").upper()),
    setup=st.sampled_from(Setup),
)
CREDENTIALS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=9)
ENDPOINTS = st.builds(
    Endpoint,
    ufrag=CREDENTIALS,
    password=CREDENTIALS,
    candidates=st.lists(CANDIDATES, max_size=3, unique=True).map(tuple),
    fingerprint=st.none() | FINGERPRINTS,
    complete=st.booleans(),
)
FEEDBACK = st.builds(Feedback, type=st.sampled_from(["nack", "ccm"]), subtype=st.just("") | TOKENS) | st.just(
    Feedback(type="trr-int", subtype="100")
)
PARAMETERS = st.lists(st.tuples(st.just("") | TOKENS, LINES), max_size=2).map(tuple)
MILLISECONDS = st.none() | st.integers(1, 10_000)
CODECS = st.builds(
    Codec,
    payload=st.integers(0, 127),
    name=TOKENS,
    clock=st.sampled_from([8000, 48000, 90000]),
    channels=st.integers(1, 255),
    parameters=PARAMETERS,
    feedback=st.lists(FEEDBACK, max_size=2).map(lambda found: tuple(sorted(found, key=trr_int_last))),
    ptime=MILLISECONDS,
    maxptime=MILLISECONDS,
)


def trr_int_last(feedback: Feedback) -> bool:
    """Jingle has it in an element of another name: it is read last."""
    return feedback.type == "trr-int"


SOURCES = st.builds(
    Source,
    ssrc=NUMBERS,
    parameters=st.lists(st.tuples(TOKENS, st.just("") | LINES), max_size=2).map(tuple),
)
CONTENTS = st.builds(
    Content,
    name=LINES,
    kind=st.sampled_from(MediaKind),
    flow=FLOWS,
    codecs=st.lists(CODECS, min_size=1, max_size=2, unique_by=lambda codec: codec.payload).map(tuple),
    endpoint=ENDPOINTS,
    rtcp_mux=st.booleans(),
    feedback=st.lists(FEEDBACK, max_size=2).map(lambda found: tuple(sorted(found, key=trr_int_last))),
    extensions=st.lists(
        st.builds(HeaderExtension, id=st.integers(1, 256), uri=TOKENS.map("urn:x:{}".format), flow=FLOWS),
        max_size=2,
    ).map(tuple),
    sources=st.lists(SOURCES, max_size=2).map(tuple),
    groups=st.lists(
        st.builds(SourceGroup, semantics=TOKENS, ssrcs=st.lists(NUMBERS, min_size=1, max_size=2).map(tuple)),
        max_size=2,
    ).map(tuple),
    bandwidth=st.none() | st.integers(1, 10**6),
)


@st.composite
def descriptions(draw: st.DrawFn) -> SessionDescription:
    """A description in which some contents go together."""
    contents = draw(st.lists(CONTENTS, min_size=1, max_size=2, unique_by=lambda content: content.name))
    bundles = draw(st.sampled_from([(), (tuple(content.name for content in contents),)]))
    return SessionDescription(contents=tuple(contents), bundles=bundles)


KEYS = st.lists(
    st.builds(Crypto, tag=st.integers(0, 9), suite=TOKENS, key=TOKENS, session=st.just("") | LINES),
    max_size=2,
).map(tuple)

# ---- what means no good

_NAMESPACES = (
    NS_JINGLE, NS_RTP, NS_ICE, NS_RAW, NS_DTLS, NS_FEEDBACK, NS_EXTENSIONS, NS_SOURCES, NS_GROUPING, NS_INFO,
    NS_DTMF, NS_TRANSFER, NS_JINGLE_MESSAGE,
)  # fmt: skip
_NAMES = (
    "content", "description", "transport", "reason", "text", "busy", "sid", "payload-type", "parameter", "candidate",
    "fingerprint", "rtcp-fb", "rtcp-fb-trr-int", "rtp-hdrext", "source", "ssrc-group", "encryption", "crypto",
    "bandwidth", "rtcp-mux", "group", "mute", "dtmf", "transfer", "propose", "finish", "migrated",
    "gathering-complete",
)  # fmt: skip
_ATTRIBUTES = (
    "action", "sid", "initiator", "responder", "creator", "name", "senders", "disposition", "media", "id", "clockrate",
    "channels", "ptime", "value", "type", "subtype", "uri", "ssrc", "semantics", "ufrag", "pwd", "component",
    "foundation", "ip", "port", "priority", "protocol", "rel-addr", "rel-port", "generation", "tcptype", "hash",
    "setup", "tag", "crypto-suite", "key-params", "code", "duration", "to", "from",
)  # fmt: skip
_VALUES = st.sampled_from(
    [
        "", "0", "1", "96", "-1", "1e9", "٣", "9" * 5000, "audio", "video", "both", "responder", "host", "udp", "192.0.2.1",
        "fe80::1%eth0", "::", "x.local", "a\r\na=b", "\u202e", "session-initiate", "sha-256", "active", "@", "a@b/c", "7",
    ]
) | st.text(max_size=6).map(clean)  # fmt: skip
_FACTS = st.dictionaries(st.sampled_from(_ATTRIBUTES), _VALUES, max_size=8)


def _element(name: str, namespace: str, facts: dict[str, str], children: list[Element | str]) -> Element:
    return Element(name, namespace, facts, *children)


_PARTS = st.recursive(
    st.builds(_element, st.sampled_from(_NAMES), st.sampled_from(_NAMESPACES), _FACTS, st.lists(_VALUES, max_size=1)),
    lambda inner: st.builds(
        _element, st.sampled_from(_NAMES), st.sampled_from(_NAMESPACES), _FACTS, st.lists(inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


def _content(description: list[Element], transport: list[Element], facts: dict[str, str]) -> Element:
    """One that gets past the first looks."""
    return Element(
        "content",
        NS_JINGLE,
        {"name": "a", "creator": "initiator"},
        Element("description", NS_RTP, {"media": "audio", **facts}, *description),
        Element("transport", NS_ICE, {"ufrag": "a", "pwd": "b", **facts}, *transport),
    )


HOSTILE = st.builds(
    lambda facts, children: Element(
        "jingle", NS_JINGLE, {"action": "session-initiate", "sid": "a", **facts}, *children
    ),
    st.fixed_dictionaries({}, optional={"action": st.sampled_from([*(a.value for a in Action), "x"]), "sid": _VALUES}),
    st.lists(_PARTS | st.builds(_content, st.lists(_PARTS, max_size=4), st.lists(_PARTS, max_size=4), _FACTS), max_size=4),
)  # fmt: skip
