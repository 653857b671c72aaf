"""Session descriptions of calls and of SDP, each made from the other (RFC 3264, RFC 8866, XEP-0167 §6).

What a description of SDP says by the place of a medium, that of a call says by a content's name:
`Lines` keep which is which, over all offers and answers of a call (RFC 3264 §8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

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
    Parameters,
    SessionDescription,
    Setup,
    Source,
    SourceGroup,
)
from transports.sip.wire.sdp import (
    MAX_FORMATS,
    MAX_MEDIA,
    Attributes,
    Description,
    Direction,
    Media,
    Origin,
    is_of_many,
)
from transports.sip.wire.uri import MAX_PORT, Malformed

MAX_CANDIDATES = 64
"""Candidates of a content; others are left out."""
MAX_SOURCES = 64
"""Sources, groups and extensions of a content, each; others are left out."""
NO_ADDRESS, NO_PORT = "127.0.0.1", 1
"""Where media are sent of which nobody knows yet where they go.

Zeros would be a hold; and port 9, as RFC 8840 has it, is a place that rtpengine 10.5 never sends to.
"""

_TOKEN = re.compile(r"[A-Za-z0-9.!#$%&'*^_`{|}~+-]{1,64}")
_VALUE = re.compile(r"[^\r\n\0;]{0,1000}")
_LINE = re.compile(r"[^\r\n\0]{0,1000}")
_ICE = re.compile(r"[A-Za-z0-9+/=_-]{1,256}")
_CANDIDATE = re.compile(
    r"(\S{1,32}) +([0-9]{1,3}) +([A-Za-z]{3,8}) +([0-9]{1,10}) +(\S{1,255}) +([0-9]{1,5}) +typ +(\S{1,16})"
    r"((?: +\S+ +\S+)*) *"
)
_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{1,16}) +([0-9A-Fa-f:]{1,256})")
_CRYPTO = re.compile(r"([0-9]{1,9}) +([A-Za-z0-9_]{1,64}) +(inline:\S{1,500}) *([^\r\n]{0,200})")
_EXTENSION = re.compile(r"([0-9]{1,5})(?:/([a-z]+))? +(\S{1,255})( .*)?")
_SOURCE = re.compile(r"([0-9]{1,10})(?: +([^:\s]{1,64})(?::(.{0,500}))?)?")
_GROUP = re.compile(r"([A-Za-z0-9-]{1,16})((?: +[0-9]{1,10})+)")
_RTCP = re.compile(r"([0-9]{1,5})(?: +IN +IP[46] +(\S+))?")


class Line(Struct, frozen=True, kw_only=True):
    """One medium of the latest offer: the content's name, and what its answer has to repeat."""

    name: str
    kind: str
    protocol: str
    format: str
    is_open: bool


Lines = tuple[Line, ...]


# ---- which content is which medium


def lines_of_contents(offer: SessionDescription, before: Lines = ()) -> Lines:
    """Return the media of an offer that is a call's; those that have ended stay, closed (RFC 3264 §8.2).

    A new content takes the place of an ended one of its kind (§8.1). Raises Malformed for too many.
    """
    contents = {content.name: content for content in offer.contents}
    if len(contents) != len(offer.contents):
        raise Malformed("two contents have one name")
    lines = [
        _line(contents.pop(line.name)) if line.name in contents else replace(line, is_open=False)
        for line in before
    ]
    for content in contents.values():
        free = (n for n, line in enumerate(lines) if not line.is_open and line.kind == content.kind.value)
        place = next(free, len(lines))
        lines[place : place + 1] = [_line(content)]
    if len(lines) > MAX_MEDIA:
        raise Malformed("a session description has too many media")
    return tuple(lines)


def _line(content: Content) -> Line:
    payload = str(content.codecs[0].payload) if content.codecs else "0"
    return Line(
        name=content.name,
        kind=content.kind.value,
        protocol=_protocol(content),
        format=payload,
        is_open=True,
    )


def _protocol(content: Content) -> str:
    has_feedback = bool(content.feedback) or any(codec.feedback for codec in content.codecs)
    if content.endpoint.fingerprint:
        return "UDP/TLS/RTP/SAVPF"
    return ("RTP/SAVP" if content.endpoint.crypto else "RTP/AVP") + ("F" if has_feedback else "")


def lines_of_media(offer: Description, before: Lines = ()) -> Lines:
    """Return the media of an offer that is SDP; names are a=mid, or made up where it has none."""
    bundled = {name for group in _bundles(offer) for name in group}
    lines: list[Line] = []
    for n, media in enumerate(offer.media):
        mid = media.get("mid") or ""
        name = before[n].name if n < len(before) else mid if _TOKEN.fullmatch(mid) else str(n)
        while any(name == line.name for line in lines):
            name += "-"
        lines.append(
            Line(
                name=name,
                kind=media.kind,
                protocol=media.protocol,
                format=media.formats[0],
                is_open=bool(media.port) or (media.get("bundle-only") is not None and mid in bundled),
            )
        )
    return tuple(lines)


# ---- a call's description → SDP


def to_sdp(description: SessionDescription, lines: Lines, origin: Origin) -> Description:
    """Return an offer or answer as SDP; contents that it has not are refused or ended: port 0.

    Raises Malformed for what cannot be said in SDP, or was not offered.
    """
    contents = {content.name: content for content in description.contents}
    if not contents.keys() <= {line.name for line in lines if line.is_open}:
        raise Malformed("a content was not offered")
    leaders = {name: group[0] for group in description.bundles for name in group}
    media = []
    for line in lines:
        content = contents.get(line.name)
        if content is None:
            media.append(Media(kind=line.kind, port=0, protocol=line.protocol, formats=(line.format,)))
            continue
        leader = contents.get(leaders.get(line.name, ""), content)
        shared = content if _is_reachable(content.endpoint) else replace(content, endpoint=leader.endpoint)
        media.append(_media(shared, line.protocol))
    bundles = tuple(("group", " ".join(("BUNDLE", *names))) for names in description.bundles)
    return Description(origin=origin, media=tuple(media), address=_first_address(media), attributes=bundles)


def _is_reachable(endpoint: Endpoint) -> bool:
    return bool(endpoint.ufrag or endpoint.candidates)


def _first_address(media: Sequence[Media]) -> str:
    """The session's own address (RFC 8866 §5.7 wants one unless each medium has its own)."""
    return next((each.address for each in media if each.address), NO_ADDRESS)


def _media(content: Content, protocol: str) -> Media:
    if not _TOKEN.fullmatch(content.name):
        raise Malformed("a content's name is no token")
    payloads: dict[int, Codec] = {}
    for codec in content.codecs:
        if 0 <= codec.payload <= 127 and _TOKEN.fullmatch(codec.name):
            payloads.setdefault(codec.payload, codec)
    if not payloads or len(payloads) > MAX_FORMATS:
        raise Malformed("a content has no codecs, or too many")
    codecs = tuple(payloads.values())
    candidates = usable(content.endpoint.candidates)
    address, port = _default(candidates)
    return Media(
        kind=content.kind.value,
        port=port,
        protocol=protocol,
        formats=tuple(str(codec.payload) for codec in codecs),
        address=address,
        bandwidth=(("AS", str(content.bandwidth)),) if content.bandwidth is not None else (),
        attributes=(
            ("mid", content.name),
            *_codec_attributes(codecs),
            *(("rtcp-fb", f"* {text}") for text in _feedback_texts(content.feedback)),
            *_description_attributes(content),
            *_endpoint_attributes(content.endpoint, candidates, content.rtcp_mux),
            (content.flow.value, ""),
        ),
    )


def usable(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates that SDP can carry: of IP addresses, and not too many."""
    return tuple(one for one in candidates if _is_usable(one))[:MAX_CANDIDATES]


def _is_usable(candidate: Candidate) -> bool:
    words = (candidate.foundation, candidate.protocol, candidate.type)
    return (
        all(_TOKEN.fullmatch(word) for word in words)
        and _is_address(candidate.address)
        and 0 < candidate.component < 257
        and 0 <= candidate.priority < 2**32
        and 0 <= candidate.port <= MAX_PORT
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return not is_of_many(text)


def _default(candidates: Sequence[Candidate]) -> tuple[str, int]:
    """Choose what a peer without ICE would send to (RFC 8839 §4.2.1.2)."""
    udp = [one for one in candidates if one.component == 1 and one.protocol.lower() == "udp" and one.port]
    best = next((one for one in udp if one.type == "host"), udp[0] if udp else None)
    if best is None or ip_address(best.address).is_unspecified:
        return NO_ADDRESS, NO_PORT
    return best.address, best.port


def _codec_attributes(codecs: Sequence[Codec]) -> Iterator[tuple[str, str]]:
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        yield "rtpmap", f"{codec.payload} {codec.name}/{codec.clock}{channels}"
        if parameters := write_parameters(codec.parameters):
            yield "fmtp", f"{codec.payload} {parameters}"
        for text in _feedback_texts(codec.feedback):
            yield "rtcp-fb", f"{codec.payload} {text}"
    for name in ("ptime", "maxptime"):
        value = next((value for codec in codecs if (value := getattr(codec, name)) is not None), None)
        if value is not None:
            yield name, str(value)


def write_parameters(parameters: Parameters) -> str:
    """Return the value of a=fmtp; what SDP cannot carry is left out."""
    pairs = [
        f"{name}={value}" if name and value else name or value
        for name, value in parameters
        if _VALUE.fullmatch(name) and _VALUE.fullmatch(value)
    ]
    return ";".join(pair for pair in pairs if pair)


def read_parameters(text: str) -> Parameters:
    """Take the value of a=fmtp apart."""
    parts = [part.strip() for part in text.split(";")]
    pairs = []
    for part in filter(None, parts):
        name, equals, value = part.partition("=")
        pairs.append((name.strip(), value.strip()) if equals else ("", name))
    return tuple(pairs)


def _feedback_texts(feedback: Sequence[Feedback]) -> Iterator[str]:
    for one in feedback:
        if _TOKEN.fullmatch(one.type) and _LINE.fullmatch(one.subtype):
            yield f"{one.type} {one.subtype}".strip()


def _description_attributes(content: Content) -> Iterator[tuple[str, str]]:
    for extension in content.extensions[:MAX_SOURCES]:
        if _EXTENSION.fullmatch(f"{extension.id} {extension.uri}"):
            flow = "" if extension.flow is Flow.BOTH else f"/{extension.flow.value}"
            yield "extmap", f"{extension.id}{flow} {extension.uri}"
    for group in content.groups[:MAX_SOURCES]:
        text = " ".join((group.semantics, *map(str, group.ssrcs)))
        if _GROUP.fullmatch(text):
            yield "ssrc-group", text
    for source in content.sources[:MAX_SOURCES]:
        for name, value in source.parameters[:MAX_SOURCES]:
            text = f"{source.ssrc} {name}:{value}" if value else f"{source.ssrc} {name}"
            if _SOURCE.fullmatch(text) and _LINE.fullmatch(text):
                yield "ssrc", text


def _endpoint_attributes(
    endpoint: Endpoint, candidates: Sequence[Candidate], is_muxed: bool
) -> Iterator[tuple[str, str]]:
    if is_muxed:
        yield "rtcp-mux", ""
    if endpoint.ufrag:
        if not (_ICE.fullmatch(endpoint.ufrag) and _ICE.fullmatch(endpoint.password)):
            raise Malformed("the credentials of ICE are malformed")
        yield "ice-ufrag", endpoint.ufrag
        yield "ice-pwd", endpoint.password
        yield "ice-options", "trickle"
        for candidate in candidates:
            yield "candidate", write_candidate(candidate)
        if endpoint.complete:
            yield "end-of-candidates", ""
    elif not is_muxed:
        for candidate in candidates:
            if candidate.component == 2:
                version = ip_address(candidate.address).version
                yield "rtcp", f"{candidate.port} IN IP{version} {candidate.address}"
    if (fingerprint := endpoint.fingerprint) is not None:
        text = f"{fingerprint.hash} {fingerprint.value}"
        if not _FINGERPRINT.fullmatch(text):
            raise Malformed("a fingerprint is malformed")
        yield "fingerprint", text
        yield "setup", fingerprint.setup.value
    for crypto in endpoint.crypto[:MAX_SOURCES]:
        text = f"{crypto.tag} {crypto.suite} {crypto.key} {crypto.session}".strip()
        if _CRYPTO.fullmatch(text):
            yield "crypto", text


def write_candidate(candidate: Candidate) -> str:
    """Return the value of a=candidate (RFC 8839 §5.1)."""
    words = [
        *(candidate.foundation, candidate.component, candidate.protocol, candidate.priority),
        *(candidate.address, candidate.port, "typ", candidate.type),
    ]
    if _is_address(candidate.related_address) and candidate.related_port is not None:
        words += ["raddr", candidate.related_address, "rport", candidate.related_port]
    if _TOKEN.fullmatch(candidate.tcp_type):
        words += ["tcptype", candidate.tcp_type]
    if candidate.generation:
        words += ["generation", candidate.generation]
    return " ".join(map(str, words))


# ---- SDP → a call's description


def from_sdp(description: Description, lines: Lines, *, is_answer: bool) -> SessionDescription:
    """Return an offer or answer of SDP as contents, named by `lines`; other kinds of media are left out.

    Raises Malformed for an answer that has not the media of its offer, and if there is no content left.
    """
    if len(description.media) != len(lines):
        raise Malformed("an answer has not as many media as its offer")
    names = {media.get("mid"): line.name for media, line in zip(description.media, lines, strict=True)}
    kinds = {kind.value: kind for kind in MediaKind}
    contents = []
    for media, line in zip(description.media, lines, strict=True):
        kind = kinds.get(media.kind)
        is_live = bool(media.port) and line.is_open if is_answer else line.is_open
        if kind is not None and is_live and "RTP/" in media.protocol:
            contents.append(_content(description, media, line.name, kind, is_answer))
    if not contents:
        raise Malformed("there is no medium that both know")
    live = {content.name for content in contents}
    bundles = [
        tuple(names[mid] for mid in group if names.get(mid) in live) for group in _bundles(description)
    ]
    return SessionDescription(contents=tuple(contents), bundles=tuple(filter(None, bundles)))


def _bundles(description: Description) -> list[list[str]]:
    groups = [value.split() for name, value in description.attributes if name == "group"]
    return [group[1:] for group in groups if group[:1] == ["BUNDLE"]]


def _content(description: Description, media: Media, name: str, kind: MediaKind, is_answer: bool) -> Content:
    codecs = tuple(_codecs(media))
    if not codecs:
        raise Malformed("a medium has no codec that is explained")
    is_muxed = media.get("rtcp-mux") is not None
    return Content(
        name=name,
        kind=kind,
        flow=Flow(description.direction(media).value),
        codecs=codecs,
        endpoint=_endpoint(description, media, is_muxed, is_answer),
        rtcp_mux=is_muxed,
        feedback=_feedback(media, "*"),
        extensions=tuple(_extensions(media.attributes))[:MAX_SOURCES],
        sources=tuple(_sources(media.attributes)),
        groups=tuple(_groups(media.attributes))[:MAX_SOURCES],
        bandwidth=next((int(value) for kind, value in media.bandwidth if kind == "AS"), None),
    )


def _codecs(media: Media) -> Iterator[Codec]:
    ptime, maxptime = _milliseconds(media.get("ptime")), _milliseconds(media.get("maxptime"))
    for codec in media.codecs:
        if codec.format.isascii() and codec.format.isdecimal() and int(codec.format) <= 127:
            yield Codec(
                payload=int(codec.format),
                name=codec.name,
                clock=codec.clock,
                channels=codec.channels,
                parameters=read_parameters(codec.parameters),
                feedback=_feedback(media, codec.format),
                ptime=ptime,
                maxptime=maxptime,
            )


def _milliseconds(text: str | None) -> int | None:
    """COMPAT: some phones write fractions."""
    found = re.match(r"[0-9]{1,5}", text or "")
    return int(found[0]) if found else None


def _feedback(media: Media, payload: str) -> tuple[Feedback, ...]:
    found = []
    for name, value in media.attributes:
        words = value.split(None, 2) if name == "rtcp-fb" else []
        if len(words) > 1 and words[0] == payload:
            found.append(Feedback(type=words[1], subtype=words[2] if len(words) > 2 else ""))
    return tuple(found[:MAX_SOURCES])


def _extensions(attributes: Attributes) -> Iterator[HeaderExtension]:
    flows = {flow.value: flow for flow in Flow}
    for name, value in attributes:
        if name == "extmap" and (found := _EXTENSION.fullmatch(value)):
            yield HeaderExtension(id=int(found[1]), uri=found[3], flow=flows.get(found[2], Flow.BOTH))


def _sources(attributes: Attributes) -> Iterator[Source]:
    sources: dict[int, list[tuple[str, str]]] = {}
    for name, value in attributes:
        if name == "ssrc" and (found := _SOURCE.fullmatch(value)) and int(found[1]) < 2**32:
            sources.setdefault(int(found[1]), []).append((found[2] or "", found[3] or ""))
    for ssrc, parameters in list(sources.items())[:MAX_SOURCES]:
        yield Source(ssrc=ssrc, parameters=tuple(pair for pair in parameters[:MAX_SOURCES] if pair[0]))


def _groups(attributes: Attributes) -> Iterator[SourceGroup]:
    for name, value in attributes:
        if name == "ssrc-group" and (found := _GROUP.fullmatch(value)):
            yield SourceGroup(semantics=found[1], ssrcs=tuple(map(int, found[2].split())))


def _endpoint(description: Description, media: Media, is_muxed: bool, is_answer: bool) -> Endpoint:
    def get(name: str) -> str:
        return next(
            (value for found, value in (*media.attributes, *description.attributes) if found == name), ""
        )

    ufrag, password = get("ice-ufrag"), get("ice-pwd")
    has_ice = bool(_ICE.fullmatch(ufrag) and _ICE.fullmatch(password))
    values = [value for name, value in media.attributes if name == "candidate"]
    candidates = usable([one for one in map(read_candidate, values) if one is not None])
    is_ended = any(name == "end-of-candidates" for name, _ in (*media.attributes, *description.attributes))
    found = _FINGERPRINT.fullmatch(get("fingerprint"))
    if get("fingerprint") and not found:  # without it nothing would be protected
        raise Malformed("a fingerprint is malformed")
    return Endpoint(
        ufrag=ufrag if has_ice else "",
        password=password if has_ice else "",
        candidates=candidates if has_ice else tuple(_addresses(description, media, is_muxed)),
        complete=has_ice and (is_ended or "trickle" not in get("ice-options").split()),
        fingerprint=Fingerprint(hash=found[1], value=found[2], setup=_setup(get("setup"), is_answer))
        if found
        else None,
        crypto=tuple(
            Crypto(tag=int(found[1]), suite=found[2], key=found[3], session=found[4])
            for name, value in media.attributes
            if name == "crypto" and (found := _CRYPTO.fullmatch(value))
        )[:MAX_SOURCES],
    )


def _setup(text: str, is_answer: bool) -> Setup:
    """COMPAT: who answers actpass, or does not say, never begins, so the other end has to."""
    if text in (Setup.ACTIVE.value, Setup.PASSIVE.value):
        return Setup(text)
    return Setup.PASSIVE if is_answer else Setup.ACTPASS


def read_candidate(text: str) -> Candidate | None:
    """Read the value of a=candidate (RFC 8839 §5.1); None if it is none."""
    found = _CANDIDATE.fullmatch(text)
    if found is None:
        return None
    words = found[8].split()
    more = dict(zip(words[::2], words[1::2], strict=True))
    port, generation = more.get("rport", ""), more.get("generation", "0")
    return Candidate(
        foundation=found[1],
        component=int(found[2]),
        protocol=found[3],
        priority=int(found[4]),
        address=found[5],
        port=int(found[6]),
        type=found[7],
        related_address=more.get("raddr", ""),
        related_port=int(port) if re.fullmatch("[0-9]{1,5}", port) else None,
        tcp_type=more.get("tcptype", ""),
        generation=int(generation) if re.fullmatch("[0-9]{1,9}", generation) else 0,
    )


def _addresses(description: Description, media: Media, is_muxed: bool) -> Iterator[Candidate]:
    """Where a peer without ICE wants RTP and RTCP (a=rtcp)."""
    address = description.address_of(media)
    places = [(1, address, media.port)]
    if not is_muxed:
        found = _RTCP.fullmatch(media.get("rtcp") or "")
        port = int(found[1]) if found else media.port + 1
        places.append((2, (found[2] if found else None) or address, port))
    for component, host, port in places:
        if _is_address(host) and not ip_address(host).is_unspecified and 0 < port <= MAX_PORT:
            yield Candidate(
                foundation="1",
                component=component,
                protocol="udp",
                priority=(126 << 24) + (65535 << 8) + 256 - component,
                address=host,
                port=port,
                type="host",
            )


# ---- what a peer without ICE is told

_PLAIN = {
    *("rtpmap", "fmtp", "ptime", "maxptime", "rtcp", "rtcp-mux", "rtcp-fb", "crypto", "fingerprint", "setup"),
    *(direction.value for direction in Direction),
}


def plain(description: Description, more: frozenset[str] = frozenset()) -> Description:
    """Return SDP without what belongs to ICE, bundles, sources and extensions. Raises Malformed.

    `more` are attributes that stay besides. Feedback stays for what is not audio: it asks for pictures, and
    nothing asks for sound.
    """
    media = []
    for each in description.media:
        address = description.address_of(each)
        if each.port and not _is_address(address):
            raise Malformed("media cannot be sent to that address")
        kept = [
            (name, value)
            for name, value in each.attributes
            if name in _PLAIN | more and not (name == "rtcp-fb" and each.kind == "audio")
        ]
        media.append(replace(each, attributes=tuple(kept)))
    kept = [pair for pair in description.attributes if pair[0] in _PLAIN | more]
    return replace(description, media=tuple(media), attributes=tuple(kept))
