"""Jingle as a client writes and reads it, from and to SDP: nothing of it is the bridge's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import quoteattr

from aiortc import RTCIceCandidate
from aiortc.sdp import (
    DTLS_ROLE_SETUP,
    MediaDescription,
    SessionDescription,
    candidate_from_sdp,
)
from lxml import etree

from tests.live.cast.stanzas import Stanza

JINGLE = "urn:xmpp:jingle:1"
RTP = "urn:xmpp:jingle:apps:rtp:1"
INFO = "urn:xmpp:jingle:apps:rtp:info:1"
ICE = "urn:xmpp:jingle:transports:ice-udp:1"
DTLS = "urn:xmpp:jingle:apps:dtls:0"
DTMF = "urn:xmpp:jingle:dtmf:0"
FEEDBACK = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
EXTENSIONS = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
SOURCES = "urn:xmpp:jingle:apps:rtp:ssma:0"
GROUPING = "urn:xmpp:jingle:apps:grouping:0"
ERRORS = "urn:xmpp:jingle:errors:1"
MESSAGE = "urn:xmpp:jingle-message:0"

_NAMES = {
    "j": JINGLE, "r": RTP, "i": ICE, "d": DTLS, "f": FEEDBACK, "e": EXTENSIONS, "s": SOURCES, "g": GROUPING,
}  # fmt: skip
_OWN_VIEW = {"sendrecv": "both", "sendonly": "{me}", "recvonly": "{other}", "inactive": "none"}


# ---- from SDP


def contents_of(sdp: str, me: str, other: str, *, candidates: bool = True) -> str:
    """Return group and contents as who is `me` ("initiator" or "responder") writes them."""
    description = SessionDescription.parse(sdp)
    names = [media.rtp.muxId for media in description.media]
    members = "".join(f"<content name={quoteattr(name)}/>" for name in names)
    group = f"<group xmlns='{GROUPING}' semantics='BUNDLE'>{members}</group>"
    return group + "".join(_content(media, me, other, candidates) for media in description.media)


def _content(media: MediaDescription, me: str, other: str, candidates: bool) -> str:
    senders = _OWN_VIEW[media.direction or "sendrecv"].format(me=me, other=other)
    name = quoteattr(media.rtp.muxId)
    parts = [
        f"<content creator='initiator' name={name} senders='{senders}'><description xmlns='{RTP}' media='{media.kind}'>"
    ]
    for codec in media.rtp.codecs:
        parts.append(
            f"<payload-type id='{codec.payloadType}' name='{codec.name}' clockrate='{codec.clockRate}'"
            f" channels='{codec.channels or 1}'>"
        )
        for key, value in codec.parameters.items():
            text = "" if value is None else str(value)
            parts.append(f"<parameter name={quoteattr(key)} value={quoteattr(text)}/>")
        for feedback in codec.rtcpFeedback:
            subtype = f" subtype='{feedback.parameter}'" if feedback.parameter else ""
            parts.append(f"<rtcp-fb xmlns='{FEEDBACK}' type='{feedback.type}'{subtype}/>")
        parts.append("</payload-type>")
    parts += (
        f"<rtp-hdrext xmlns='{EXTENSIONS}' id='{extension.id}' uri={quoteattr(extension.uri)}/>"
        for extension in media.rtp.headerExtensions
    )
    parts += (
        f"<source xmlns='{SOURCES}' ssrc='{source.ssrc}'><parameter name='cname' value={quoteattr(source.cname or '')}/>"
        "</source>"
        for source in media.ssrc
    )
    parts.append("<rtcp-mux/></description>")
    parts.append(_transport(media, candidates))
    return "".join(parts) + "</content>"


def _transport(media: MediaDescription, candidates: bool) -> str:
    assert media.dtls is not None and media.ice is not None
    prints = "".join(
        f"<fingerprint xmlns='{DTLS}' hash='{one.algorithm}' setup='{DTLS_ROLE_SETUP[media.dtls.role]}'>{one.value}"
        "</fingerprint>"
        for one in media.dtls.fingerprints
        if one.algorithm == "sha-256"
    )
    found = "".join(map(_candidate, enumerate(media.ice_candidates))) if candidates else ""
    ufrag, password = quoteattr(media.ice.usernameFragment or ""), quoteattr(media.ice.password or "")
    return f"<transport xmlns='{ICE}' ufrag={ufrag} pwd={password}>{prints}{found}</transport>"


def _candidate(numbered: tuple[int, RTCIceCandidate]) -> str:
    number, one = numbered
    related = (
        f" rel-addr='{one.relatedAddress}' rel-port='{one.relatedPort}'"
        if one.relatedAddress is not None
        else ""
    )
    return (
        f"<candidate component='{one.component}' foundation='{one.foundation}' generation='0' id='c{number}' ip='{one.ip}'"
        f" network='0' port='{one.port}' priority='{one.priority}' protocol='{one.protocol}' type='{one.type}'{related}/>"
    )


def trickled(sdp: str, *, complete: bool = True) -> list[str]:
    """Return the candidates of a description as later requests have them, each of its content."""
    found = []
    for media in SessionDescription.parse(sdp).media:
        assert media.ice is not None
        head = (
            f"<content creator='initiator' name={quoteattr(media.rtp.muxId)}><transport xmlns='{ICE}'"
            f" ufrag={quoteattr(media.ice.usernameFragment or '')} pwd={quoteattr(media.ice.password or '')}>"
        )
        inside = [_candidate(one) for one in enumerate(media.ice_candidates)]
        inside += ["<gathering-complete/>"] if complete else []
        found += [f"{head}{one}</transport></content>" for one in inside]
    return found


# ---- to SDP


def sdp_of(jingle: Stanza, author: str) -> str:
    """Return the SDP that a request's contents mean; `author` wrote them, "initiator" or "responder"."""
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    for group in _all(jingle, "g:group"):
        names = " ".join(one.get("name", "") for one in _all(group, "g:content"))
        lines.append(f"a=group:{group.get('semantics')} {names}")
    for content in _all(jingle, "j:content"):
        lines += _media_lines(content, author)
    return "\r\n".join(lines) + "\r\n"


def _all(parent: Stanza, path: str) -> Sequence[Stanza]:
    return parent.xpath(path, namespaces=_NAMES)


def _media_lines(content: Stanza, author: str) -> Iterator[str]:
    (description,) = _all(content, "r:description")
    (transport,) = _all(content, "i:transport")
    formats = _all(description, "r:payload-type")
    numbers = " ".join(one.get("id", "") for one in formats)
    yield f"m={description.get('media')} 9 UDP/TLS/RTP/SAVPF {numbers}"
    yield "c=IN IP4 0.0.0.0"
    yield f"a=mid:{content.get('name')}"
    senders = content.get("senders", "both")
    directions = {"both": "sendrecv", "none": "inactive", author: "sendonly"}
    yield f"a={directions.get(senders, 'recvonly')}"
    if _all(description, "r:rtcp-mux"):
        yield "a=rtcp-mux"
    for one in formats:
        yield from _format_lines(one)
    for one in _all(description, "e:rtp-hdrext"):
        yield f"a=extmap:{one.get('id')} {one.get('uri')}"
    for one in _all(description, "s:source"):
        for parameter in _all(one, "s:parameter[@name='cname']"):
            yield f"a=ssrc:{one.get('ssrc')} cname:{parameter.get('value')}"
    yield f"a=ice-ufrag:{transport.get('ufrag')}"
    yield f"a=ice-pwd:{transport.get('pwd')}"
    for one in _all(transport, "d:fingerprint"):
        yield f"a=fingerprint:{one.get('hash')} {(one.text or '').strip()}"
        yield f"a=setup:{one.get('setup')}"
    for one in _all(transport, "i:candidate"):
        yield f"a=candidate:{_candidate_words(one)}"


def _format_lines(one: Stanza) -> Iterator[str]:
    number, channels = one.get("id"), one.get("channels", "1")
    suffix = f"/{channels}" if channels != "1" else ""
    yield f"a=rtpmap:{number} {one.get('name')}/{one.get('clockrate')}{suffix}"
    pairs = [(each.get("name", ""), each.get("value", "")) for each in _all(one, "r:parameter")]
    if pairs:
        yield f"a=fmtp:{number} " + ";".join("=".join(filter(None, pair)) for pair in pairs)
    for each in _all(one, "f:rtcp-fb"):
        yield f"a=rtcp-fb:{number} {each.get('type')} {each.get('subtype', '')}".rstrip()


def _candidate_words(one: Stanza) -> str:
    words = [one.get(name, "") for name in ("foundation", "component", "protocol", "priority", "ip", "port")]
    words += ["typ", one.get("type", "")]
    if one.get("rel-addr"):
        words += ["raddr", one.get("rel-addr", ""), "rport", one.get("rel-port", "0")]
    return " ".join(words)


def candidates_of(jingle: Stanza) -> Iterator[RTCIceCandidate]:
    """Iterate over the candidates of a later request."""
    for content in _all(jingle, "j:content"):
        for one in _all(content, "i:transport/i:candidate"):
            candidate = candidate_from_sdp(_candidate_words(one))
            candidate.sdpMid = content.get("name")
            yield candidate


def reason_of(element: Stanza) -> str:
    """Return the condition of the reason in a request or a step, "" if there is none."""
    names = [etree.QName(one).localname for one in _all(element, "j:reason/*")]
    return next((name for name in names if name != "text"), "")
