"""How media reach each other: XEP-0176 Jingle ICE-UDP 1.1.1, XEP-0177 Jingle Raw UDP 1.1.1, and the
certificates of XEP-0320 DTLS-SRTP in Jingle 1.0.0.

Candidates that are no addresses are left out: nobody is to look up names for a peer, and those that browsers
make up (``….local``) only mean something next door, where a check of theirs tells the address anyway.
"""

from __future__ import annotations

import re
from hashlib import sha1
from ipaddress import IPv4Address, IPv6Address, ip_address

from bridge.calls import Candidate, Ending, Endpoint, Fingerprint, Setup
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import Jingle, Unacceptable, name_of, read_number

NS_ICE = "urn:xmpp:jingle:transports:ice-udp:1"
NS_RAW = "urn:xmpp:jingle:transports:raw-udp:1"
NS_DTLS = "urn:xmpp:jingle:apps:dtls:0"

MAX_CANDIDATES = 64
"""Candidates of one content in one request; further ones are left out."""
MAX_FINGERPRINTS = 8
"""Certificates of one content in one request."""

_CREDENTIAL = re.compile(r"[!-~]{1,256}")
_FOUNDATION = re.compile(r"[A-Za-z0-9+/]{1,32}")
_HASH = re.compile(r"[a-z0-9-]{1,16}")
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){15,63}")
_TYPES = frozenset({"host", "prflx", "relay", "srflx"})
_BROADCAST = IPv4Address("255.255.255.255")
_UDP = "udp"
_PROTOCOLS = frozenset({_UDP, "tcp"})
_TCP_TYPES = frozenset({"active", "passive", "so"})
_BEST_HASH = "sha-256"
_RAW_PRIORITY = (126 << 24) + (0xFFFF << 8) + 256
"""RFC 8839 §5.1.2.1 for the one address of its kind; less the component."""


def parse_endpoint(content: Element) -> Endpoint:
    """Read how one end of a content of a description is reached.

    Raises `Unacceptable` if it is by something else, BAD_REQUEST if that is not said.
    """
    transport = content.child("transport", NS_ICE) or content.child("transport", NS_RAW)
    if transport is None:
        raise Unacceptable(Ending.UNSUPPORTED_TRANSPORTS)
    endpoint = parse_transport(transport)
    ice = transport.namespace == NS_ICE
    if not (endpoint.ufrag and endpoint.password if ice else endpoint.candidates):
        raise BridgeError(Trouble.BAD_REQUEST)
    return endpoint


def parse_endpoints(request: Jingle) -> dict[str, Endpoint]:
    """Read what a ``transport-info`` says of each content, by its name; other transports are left out.

    The `ufrag` is "" where it is not said: that of the description holds.
    """
    found: dict[str, Endpoint] = {}
    for content in request.contents:
        transport = content.child("transport", NS_ICE) or content.child("transport", NS_RAW)
        if transport is not None:
            found.setdefault(name_of(content), parse_transport(transport))
    return found


def parse_transport(transport: Element) -> Endpoint:
    """Read a transport; BAD_REQUEST if its credentials or certificate are malformed.

    COMPAT: stanza.js 12 names the `ufrag` of later candidates without a password: that begins nothing anew.
    """
    raw = transport.namespace == NS_RAW
    password = "" if raw else _credential(transport, "pwd")
    candidates: dict[object, Candidate] = {}
    for element in transport.all("candidate"):
        candidate = _parse_raw(element) if raw else _parse_candidate(element)
        if candidate is not None and len(candidates) < MAX_CANDIDATES:
            candidates.setdefault(candidate.component if raw else candidate, candidate)
    return Endpoint(
        ufrag=_credential(transport, "ufrag") if password else "",
        password=password,
        candidates=tuple(candidates.values()),
        fingerprint=_parse_fingerprint(transport),
        complete=not raw and transport.child("gathering-complete") is not None,
    )


def build_transport(endpoint: Endpoint) -> Element:
    """Write a transport: ICE if the endpoint has a `ufrag`, else raw UDP.

    Candidates of TCP are left out: XEP-0176 §5.3 knows none.
    """
    transport = Element("transport", NS_ICE if endpoint.ufrag else NS_RAW)
    if endpoint.ufrag:
        transport.attributes.update(ufrag=endpoint.ufrag, pwd=endpoint.password)
    if endpoint.fingerprint is not None:
        transport.add(_build_fingerprint(endpoint.fingerprint))
    for candidate in endpoint.candidates:
        if candidate.protocol.lower() != _UDP:
            continue
        transport.add(_build_candidate(candidate) if endpoint.ufrag else _build_raw(candidate))
    if endpoint.complete and endpoint.ufrag:
        transport.add(Element("gathering-complete", NS_ICE))  # XEP-0371 §7, as stanza.js has it here too
    return transport


def _credential(transport: Element, name: str) -> str:
    text = transport.get(name) or ""
    if text and not _CREDENTIAL.fullmatch(text):
        raise BridgeError(Trouble.BAD_REQUEST)
    return text


# ---- candidates


def _parse_candidate(element: Element) -> Candidate | None:
    """Return None for one that cannot be used; others may do (RFC 8839 §5.1)."""
    address, port = _address(element.get("ip")), read_number(element.get("port"), 65535)
    component, priority = (
        read_number(element.get("component"), 256),
        read_number(element.get("priority"), 2**32 - 1),
    )
    foundation, type = element.get("foundation") or "", element.get("type")
    protocol = (element.get("protocol") or _UDP).lower()
    usable = _FOUNDATION.fullmatch(foundation) and protocol in _PROTOCOLS
    if not (usable and address and port and component and priority) or type not in _TYPES:
        return None
    tcp_type = element.get("tcptype")
    return Candidate(
        foundation=foundation,
        component=component,
        protocol=protocol,
        priority=priority,
        address=address,
        port=port,
        type=type,
        related_address=_address(element.get("rel-addr"), anywhere=True),
        related_port=read_number(element.get("rel-port"), 65535),
        tcp_type=tcp_type if tcp_type in _TCP_TYPES else "",
        generation=read_number(element.get("generation"), 255) or 0,
    )


def _build_candidate(candidate: Candidate) -> Element:
    related = candidate.related_port
    return Element(
        "candidate",
        NS_ICE,
        {
            "component": str(candidate.component),
            "foundation": candidate.foundation,
            "generation": str(candidate.generation),
            "id": _id(candidate),
            "ip": candidate.address,
            "network": "0",
            "port": str(candidate.port),
            "priority": str(candidate.priority),
            "protocol": _UDP,
            "rel-addr": candidate.related_address or None,
            "rel-port": None if related is None else str(related),
            "type": candidate.type,
        },
    )


def _parse_raw(element: Element) -> Candidate | None:
    address, port = _address(element.get("ip")), read_number(element.get("port"), 65535)
    component = read_number(element.get("component"), 256)
    type = element.get("type") or "host"
    if not (address and port and component) or type not in _TYPES:
        return None
    return Candidate(
        foundation="1",
        component=component,
        protocol=_UDP,
        priority=_RAW_PRIORITY - component,
        address=address,
        port=port,
        type=type,
        generation=read_number(element.get("generation"), 255) or 0,
    )


def _build_raw(candidate: Candidate) -> Element:
    return Element(
        "candidate",
        NS_RAW,
        {
            "component": str(candidate.component),
            "generation": str(candidate.generation),
            "id": _id(candidate),
            "ip": candidate.address,
            "port": str(candidate.port),
            "type": candidate.type,
        },
    )


def _address(text: str | None, *, anywhere: bool = False) -> str:
    """Return an address that media can be sent to, or of any kind; "" if it is none."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return ""
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    is_of_one = not (plain.is_unspecified or plain.is_multicast or plain == _BROADCAST)
    return str(address) if "%" not in str(address) and (is_of_one or anywhere) else ""


def _id(candidate: Candidate) -> str:
    """Return what names a candidate in its session and changes with it."""
    told = (candidate.component, candidate.protocol, candidate.address, candidate.port, candidate.generation)
    return "c" + sha1(repr((told, candidate.type)).encode(), usedforsecurity=False).hexdigest()[:12]


# ---- certificates


def _parse_fingerprint(transport: Element) -> Fingerprint | None:
    """Return the certificate; of several that with the hash that everybody knows (XEP-0320 §1)."""
    found = [_read_fingerprint(element) for element in transport.all("fingerprint", NS_DTLS)]
    if len(found) > MAX_FINGERPRINTS:
        raise BridgeError(Trouble.BAD_REQUEST)
    return min(found, key=lambda one: one.hash != _BEST_HASH, default=None)


def _read_fingerprint(element: Element) -> Fingerprint:
    """Read one; none that is malformed is left out, since media without it would not be protected."""
    hash, value = (element.get("hash") or "").strip().lower(), "".join(element.text().split()).upper()
    setup = _SETUPS.get(element.get("setup") or "")
    if setup is None or not _HASH.fullmatch(hash) or not _FINGERPRINT.fullmatch(value):
        raise BridgeError(Trouble.BAD_REQUEST)
    return Fingerprint(hash=hash, value=value, setup=setup)


def _build_fingerprint(fingerprint: Fingerprint) -> Element:
    said = {"hash": fingerprint.hash, "setup": fingerprint.setup.value}
    return Element("fingerprint", NS_DTLS, said, fingerprint.value)


_SETUPS = {setup.value: setup for setup in Setup}
