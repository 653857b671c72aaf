"""What media a call has: XEP-0167 Jingle RTP Sessions 1.2.3, with feedback (XEP-0293 1.0.2), header
extensions (XEP-0294 1.1.2), sources (XEP-0339 1.0.1) and bundles (XEP-0338 1.0.0).

Jingle says who sends by the names of initiator and responder, `bridge.calls` by the author's view.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bridge.calls import (
    Codec,
    Content,
    Crypto,
    Ending,
    Endpoint,
    Feedback,
    Flow,
    HeaderExtension,
    MediaKind,
    Parameters,
    SessionDescription,
    Source,
    SourceGroup,
)
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import (
    Jingle,
    Unacceptable,
    build_content,
    is_line,
    name_of,
    read_number,
)
from bridge.xmpp.payloads.jingle_ice import build_transport, parse_endpoint

NS_RTP = "urn:xmpp:jingle:apps:rtp:1"
NS_FEEDBACK = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
NS_EXTENSIONS = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
NS_SOURCES = "urn:xmpp:jingle:apps:rtp:ssma:0"
NS_GROUPING = "urn:xmpp:jingle:apps:grouping:0"

MAX_CODECS = 128
"""Formats of one content: as many as there are payload types."""
MAX_EACH = 64
"""Parameters and feedback of one format; extensions, keys, sources and groups of one content."""
MAX_VALUE = 4096
"""Characters of one value."""
MAX_KBITS = 10_000_000

_STATIC: dict[int, tuple[str, int, int]] = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    13: ("CN", 8000, 1),
    15: ("G728", 8000, 1),
    18: ("G729", 8000, 1),
    26: ("JPEG", 90000, 1),
    31: ("H261", 90000, 1),
    34: ("H263", 90000, 1),
}
"""Payload types that mean something without more words: name, clock, channels (RFC 3551 §6)."""
_CLOCKS = {MediaKind.AUDIO: 8000, MediaKind.VIDEO: 90000}
"""The clock of a format that says none, as most of its kind have it."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_VISIBLE = re.compile(r"[!-~]{1,1024}")
_TRR_INT = "trr-int"
_BUNDLE = "BUNDLE"
_SENDERS = {Flow.BOTH: "both", Flow.SENDS: "initiator", Flow.RECEIVES: "responder", Flow.NONE: "none"}
_FLOWS = {senders: flow for flow, senders in _SENDERS.items()}
_REVERSED = {Flow.SENDS: Flow.RECEIVES, Flow.RECEIVES: Flow.SENDS}
_KINDS = {kind.value: kind for kind in MediaKind}


def flow_of(senders: str | None, is_initiator: bool) -> Flow:
    """Return which way media go as an author sees it; BAD_REQUEST if `senders` is unknown, None is both."""
    flow = _FLOWS.get("both" if senders is None else senders)
    if flow is None:
        raise BridgeError(Trouble.BAD_REQUEST)
    return flow if is_initiator else _REVERSED.get(flow, flow)


def senders_of(flow: Flow, is_initiator: bool) -> str:
    """Return who sends, where an author sees media go that way."""
    return _SENDERS[flow if is_initiator else _REVERSED.get(flow, flow)]


# ---- read


def parse_description(request: Jingle, is_initiator: bool) -> SessionDescription:
    """Read what the author of a request offers or answers; contents that cannot be had are left out.

    Raises `Unacceptable` if none is left, BAD_REQUEST if one is malformed or says more than anybody needs.
    """
    found: dict[str, Content] = {}
    refusals: list[Unacceptable] = []
    sessions = [one for one in request.contents if one.get("disposition") in (None, "session")]
    if not sessions:
        raise BridgeError(Trouble.BAD_REQUEST)  # XEP-0166 §7.2.10
    for element in sessions:
        if name_of(element) not in found:  # further ones are alternatives (XEP-0166 §7.3)
            try:
                found[name_of(element)] = _parse_content(element, is_initiator)
            except Unacceptable as refusal:
                refusals.append(refusal)
    if not found:
        raise refusals[-1]
    return SessionDescription(contents=tuple(found.values()), bundles=_parse_bundles(request, found))


def kinds_of(descriptions: Iterable[Element]) -> tuple[MediaKind, ...]:
    """Return what media descriptions are of, each once; other things than RTP are none."""
    kinds = (
        _KINDS.get(one.get("media") or "")
        for one in descriptions
        if one.name == "description" and one.namespace == NS_RTP
    )
    return tuple(dict.fromkeys(kind for kind in kinds if kind is not None))


def _parse_content(element: Element, is_initiator: bool) -> Content:
    flow = flow_of(element.get("senders"), is_initiator)
    description = element.child("description", NS_RTP)
    kind = None if description is None else _KINDS.get(description.get("media") or "")
    if description is None or kind is None:
        raise Unacceptable(Ending.UNSUPPORTED_APPLICATIONS)
    codecs = _parse_codecs(description, kind)
    if not codecs:
        raise Unacceptable(Ending.INCOMPATIBLE)
    endpoint = parse_endpoint(element)
    return Content(
        name=name_of(element),
        kind=kind,
        flow=flow,
        codecs=codecs,
        endpoint=Endpoint(
            ufrag=endpoint.ufrag,
            password=endpoint.password,
            candidates=endpoint.candidates,
            fingerprint=endpoint.fingerprint,
            crypto=_parse_crypto(description),
            complete=endpoint.complete,
        ),
        rtcp_mux=description.child("rtcp-mux") is not None,
        feedback=tuple(_parse_feedback(description)),
        extensions=tuple(_parse_extensions(description, is_initiator)),
        sources=tuple(_parse_sources(description)),
        groups=tuple(_parse_groups(description)),
        bandwidth=_parse_bandwidth(description),
    )


def _all(parent: Element, name: str, namespace: str, most: int = MAX_EACH) -> list[Element]:
    """Return the children so named; BAD_REQUEST if they are too many."""
    found = list(parent.all(name, namespace))
    if len(found) > most:
        raise BridgeError(Trouble.BAD_REQUEST)
    return found


def _parse_codecs(description: Element, kind: MediaKind) -> tuple[Codec, ...]:
    """Return the formats that can be read, each payload type once."""
    codecs: dict[int, Codec] = {}
    for element in _all(description, "payload-type", NS_RTP, MAX_CODECS):
        codec = _parse_codec(element, kind)
        if codec is not None:
            codecs.setdefault(codec.payload, codec)
    return tuple(codecs.values())


def _parse_codec(element: Element, kind: MediaKind) -> Codec | None:
    payload = read_number(element.get("id"), 127)
    if payload is None:
        return None
    name, clock, channels = _STATIC.get(payload, ("", _CLOCKS[kind], 1))
    name = element.get("name") or name
    if not _TOKEN.fullmatch(name):
        return None
    return Codec(
        payload=payload,
        name=name,
        clock=read_number(element.get("clockrate"), 10_000_000) or clock,
        channels=read_number(element.get("channels"), 255) or channels,
        parameters=_parse_parameters(element, NS_RTP),
        feedback=tuple(_parse_feedback(element)),
        ptime=read_number(element.get("ptime"), 10_000) or None,
        maxptime=read_number(element.get("maxptime"), 10_000) or None,
    )


def _parse_parameters(parent: Element, namespace: str) -> Parameters:
    """Return those that can be read.

    COMPAT: stanza.js 12 writes a value that has no name as a name that has no value.
    """
    found = []
    for element in _all(parent, "parameter", namespace):
        name, value = element.get("name") or "", element.get("value")
        if value is None:
            name, value = "", name
        readable = (not name or _VISIBLE.fullmatch(name)) and (not value or is_line(value, MAX_VALUE))
        if readable and (name or value):
            found.append((name, value))
    return tuple(found)


def _parse_feedback(parent: Element) -> Iterator[Feedback]:
    """Iterate over the feedback of a content or format; further parameters follow its subtype in SDP."""
    for element in _all(parent, "rtcp-fb", NS_FEEDBACK):
        words = [element.get("subtype") or ""]
        words += ["=".join(filter(None, pair)) for pair in _parse_parameters(element, NS_FEEDBACK)]
        type, subtype = element.get("type") or "", " ".join(filter(None, words))
        if _TOKEN.fullmatch(type) and (not subtype or is_line(subtype, MAX_VALUE)):
            yield Feedback(type=type, subtype=subtype)
    for element in _all(parent, "rtcp-fb-trr-int", NS_FEEDBACK):
        interval = read_number(element.get("value"), 2**32 - 1)
        if interval is not None:
            yield Feedback(type=_TRR_INT, subtype=str(interval))


def _parse_extensions(description: Element, is_initiator: bool) -> Iterator[HeaderExtension]:
    for element in _all(description, "rtp-hdrext", NS_EXTENSIONS):
        id, uri = read_number(element.get("id"), 4351), element.get("uri") or ""
        senders = element.get("senders") or "both"
        if id and _VISIBLE.fullmatch(uri) and senders in _FLOWS:
            yield HeaderExtension(id=id, uri=uri, flow=flow_of(senders, is_initiator))


def _parse_sources(description: Element) -> Iterator[Source]:
    for element in _all(description, "source", NS_SOURCES):
        ssrc = read_number(element.get("ssrc"), 2**32 - 1)
        if ssrc is not None:
            yield Source(ssrc=ssrc, parameters=tuple(_parse_attributes(element)))


def _parse_attributes(source: Element) -> Iterator[tuple[str, str]]:
    for element in _all(source, "parameter", NS_SOURCES):
        name, value = element.get("name") or "", element.get("value") or ""
        if _TOKEN.fullmatch(name) and (not value or is_line(value, MAX_VALUE)):
            yield name, value


def _parse_groups(description: Element) -> Iterator[SourceGroup]:
    for element in _all(description, "ssrc-group", NS_SOURCES):
        semantics = element.get("semantics") or ""
        numbers = [read_number(one.get("ssrc"), 2**32 - 1) for one in _all(element, "source", NS_SOURCES)]
        ssrcs = tuple(number for number in numbers if number is not None)
        if _TOKEN.fullmatch(semantics) and ssrcs and len(ssrcs) == len(numbers):
            yield SourceGroup(semantics=semantics, ssrcs=ssrcs)


def _parse_crypto(description: Element) -> tuple[Crypto, ...]:
    """Return the keys that can be read (XEP-0167 §7)."""
    encryption = description.child("encryption")
    found = []
    for element in () if encryption is None else _all(encryption, "crypto", NS_RTP):
        tag, suite = read_number(element.get("tag"), 999_999_999), element.get("crypto-suite") or ""
        key, session = element.get("key-params") or "", element.get("session-params") or ""
        if not (tag is not None and _TOKEN.fullmatch(suite) and _VISIBLE.fullmatch(key)):
            continue
        if not session or is_line(session, MAX_VALUE):
            found.append(Crypto(tag=tag, suite=suite, key=key, session=session))
    return tuple(found)


def _parse_bandwidth(description: Element) -> int | None:
    """Return kbit/s (RFC 8866 §5.8)."""
    for element in description.all("bandwidth"):
        number = read_number(element.text().strip(), 10 * MAX_KBITS)
        if number and element.get("type") == "AS" and number <= MAX_KBITS:
            return number
        if number and element.get("type") == "TIAS":
            return max(1, number // 1000)
    return None


def _parse_bundles(request: Jingle, known: dict[str, Content]) -> tuple[tuple[str, ...], ...]:
    """Return the contents that go together, of those that are known, each in one bundle."""
    bundles, free = [], dict.fromkeys(known)
    for group in request.payloads:
        if (group.name, group.namespace, group.get("semantics")) != ("group", NS_GROUPING, _BUNDLE):
            continue
        wanted = dict.fromkeys(name_of(one) for one in group.all("content"))
        names = tuple(name for name in wanted if name in free)
        for name in names:
            del free[name]
        if names:
            bundles.append(names)
    return tuple(bundles)


# ---- write


def build_contents(description: SessionDescription, creator: str, is_initiator: bool) -> tuple[Element, ...]:
    """Write the contents of what an author offers or answers, all of which `creator` has made."""
    return tuple(
        build_content(
            creator,
            content.name,
            _build_description(content, is_initiator),
            build_transport(content.endpoint),
            senders=senders_of(content.flow, is_initiator),
        )
        for content in description.contents
    )


def build_groups(description: SessionDescription) -> tuple[Element, ...]:
    """Write which contents go together: the `payloads` of a request that has contents."""
    return tuple(
        Element(
            "group",
            NS_GROUPING,
            {"semantics": _BUNDLE},
            *(Element("content", NS_GROUPING, {"name": name}) for name in names),
        )
        for names in description.bundles
    )


def build_kinds(kinds: Iterable[MediaKind]) -> tuple[Element, ...]:
    """Write descriptions that only tell what media they are of."""
    return tuple(Element("description", NS_RTP, {"media": kind.value}) for kind in kinds)


def _build_description(content: Content, is_initiator: bool) -> Element:
    description = Element("description", NS_RTP, {"media": content.kind.value})
    parts: list[Iterable[Element]] = [
        map(_build_codec, content.codecs),
        map(_build_feedback, content.feedback),
        (_build_extension(extension, is_initiator) for extension in content.extensions),
        map(_build_group, content.groups),
        map(_build_source, content.sources),
    ]
    for part in parts:
        description.children.extend(part)
    if content.endpoint.crypto:
        keys = map(_build_crypto, content.endpoint.crypto)
        description.add(Element("encryption", NS_RTP, {"required": "1"}, *keys))
    if content.bandwidth is not None:
        description.add(Element("bandwidth", NS_RTP, {"type": "AS"}, str(content.bandwidth)))
    return description.add(Element("rtcp-mux", NS_RTP)) if content.rtcp_mux else description


def _build_codec(codec: Codec) -> Element:
    _, _, usual_channels = _STATIC.get(codec.payload, ("", 0, 1))
    facts = {
        "id": str(codec.payload),
        "name": codec.name,
        "clockrate": str(codec.clock),
        "channels": None if codec.channels == usual_channels else str(codec.channels),
        "ptime": None if codec.ptime is None else str(codec.ptime),
        "maxptime": None if codec.maxptime is None else str(codec.maxptime),
    }
    element = Element("payload-type", NS_RTP, facts)
    for name, value in codec.parameters:
        element.add(Element("parameter", NS_RTP, {"name": name, "value": value}))
    element.children.extend(map(_build_feedback, codec.feedback))
    return element


def _build_feedback(feedback: Feedback) -> Element:
    if feedback.type == _TRR_INT:
        return Element("rtcp-fb-trr-int", NS_FEEDBACK, {"value": feedback.subtype})
    subtype, *words = feedback.subtype.split(" ")
    element = Element("rtcp-fb", NS_FEEDBACK, {"type": feedback.type, "subtype": subtype or None})
    for word in filter(None, words):
        name, _, value = word.partition("=")
        element.add(Element("parameter", NS_FEEDBACK, {"name": name, "value": value}))
    return element


def _build_extension(extension: HeaderExtension, is_initiator: bool) -> Element:
    senders = senders_of(extension.flow, is_initiator)
    facts = {"id": str(extension.id), "uri": extension.uri, "senders": None if senders == "both" else senders}
    return Element("rtp-hdrext", NS_EXTENSIONS, facts)


def _build_source(source: Source) -> Element:
    element = Element("source", NS_SOURCES, {"ssrc": str(source.ssrc)})
    for name, value in source.parameters:
        element.add(Element("parameter", NS_SOURCES, {"name": name, "value": value or None}))
    return element


def _build_group(group: SourceGroup) -> Element:
    sources = (Element("source", NS_SOURCES, {"ssrc": str(ssrc)}) for ssrc in group.ssrcs)
    return Element("ssrc-group", NS_SOURCES, {"semantics": group.semantics}, *sources)


def _build_crypto(crypto: Crypto) -> Element:
    facts = {
        "tag": str(crypto.tag),
        "crypto-suite": crypto.suite,
        "key-params": crypto.key,
        "session-params": crypto.session or None,
    }
    return Element("crypto", NS_RTP, facts)
