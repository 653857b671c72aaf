"""Session descriptions: bytes to `Description` and back (RFC 8866; RFC 4566 is read as well).

Attributes stay in their order as names and values; what media, directions and codecs mean is
read from them when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.wire.uri import MAX_PORT, Malformed

MAX_SDP = 65536
"""Bytes of a description."""
MAX_MEDIA = 32
"""Media of a description."""
MAX_LINES = 2048
"""Lines of a description."""
MAX_FORMATS = 64
"""Formats of one medium."""

SDP_TYPE = ("Content-Type", "application/sdp")
"""The header field of a message that has a description."""

Attributes = tuple[tuple[str, str], ...]
"""Names and values; one without a value has ""."""

STATIC_CODECS = {
    "0": ("PCMU", 8000),
    "3": ("GSM", 8000),
    "4": ("G723", 8000),
    "8": ("PCMA", 8000),
    "9": ("G722", 8000),
    "13": ("CN", 8000),
    "15": ("G728", 8000),
    "18": ("G729", 8000),
    "26": ("JPEG", 90000),
    "31": ("H261", 90000),
    "34": ("H263", 90000),
}
"""Payload types that mean something without a=rtpmap (RFC 3551 §6)."""

_ORIGIN = re.compile(r"(\S+) +([0-9]+) +([0-9]+) +IN +IP[46] +(\S+)")
_CONNECTION = re.compile(r"IN +IP[46] +(\S+)", re.IGNORECASE)
_MEDIA = re.compile(
    r"([A-Za-z0-9.+!#$%&'*^_`{|}~-]+) +([0-9]{1,5})(?:/([0-9]{1,4}))? +([A-Za-z0-9/.+-]+) +(\S.*)"
)
_RTPMAP = re.compile(r"(\S+) +([^/\s]+)/([0-9]{1,9})(?:/([0-9]{1,3}))?")
_BANDWIDTH = re.compile(r"([A-Za-z0-9-]+):([0-9]{1,12})")
_LINE_END = re.compile(r"\r?\n|\r")
_BROADCAST = IPv4Address("255.255.255.255")
_UNSAFE = re.compile(r"[\r\n\0]")


class Direction(Enum):
    """Which way a stream goes, as the author of a description sees it (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Tell whether the author sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Tell whether the author receives."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @classmethod
    def of(cls, sends: bool, receives: bool) -> Direction:
        """Return the direction that does these."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    def reversed(self) -> Direction:
        """Return it as the other end sees it."""
        return Direction.of(self.receives, self.sends)


_DIRECTIONS = {direction.value for direction in Direction}


class Origin(Struct, frozen=True):
    """Who made a description, and its version."""

    username: str
    session: int
    version: int
    address: str


class Codec(Struct, frozen=True):
    """One format of RTP; `format` is the payload type, `parameters` the value of a=fmtp."""

    format: str
    name: str
    clock: int
    channels: int = 1
    parameters: str = ""


class Media(Struct, frozen=True):
    """One medium (m= and what follows): `port` 0 refuses or ends it; `address` "" is the session's."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    address: str = ""
    attributes: Attributes = ()
    bandwidth: Attributes = ()
    ports: int = 1

    @property
    def codecs(self) -> list[Codec]:
        """The formats whose meaning is known, the preferred first."""
        maps: dict[str, tuple[str, int, int]] = {}
        parameters: dict[str, str] = {}
        for name, value in self.attributes:
            if name == "rtpmap" and (found := _RTPMAP.fullmatch(value)):
                maps.setdefault(found[1], (found[2], int(found[3]), int(found[4] or 1)))
            elif name == "fmtp":
                payload, _, rest = value.partition(" ")
                parameters.setdefault(payload, rest.strip())
        codecs = []
        for payload in self.formats:
            if payload in maps:
                name, clock, channels = maps[payload]
            elif payload in STATIC_CODECS:
                (name, clock), channels = STATIC_CODECS[payload], 1
            else:
                continue
            codecs.append(Codec(payload, name, clock, channels, parameters.get(payload, "")))
        return codecs

    def get(self, name: str) -> str | None:
        """Return the first value of an attribute, None if there is none."""
        return next((value for found, value in self.attributes if found == name), None)

    def with_direction(self, direction: Direction) -> Media:
        """Return it with another direction."""
        kept = tuple(pair for pair in self.attributes if pair[0] not in _DIRECTIONS)
        return replace(self, attributes=(*kept, (direction.value, "")))

    def refused(self) -> Media:
        """Return it as an answer that does not want it (RFC 3264 §6)."""
        return Media(kind=self.kind, port=0, protocol=self.protocol, formats=self.formats[:1])


class Description(Struct, frozen=True):
    """What one end offers or answers."""

    origin: Origin
    media: tuple[Media, ...] = ()
    name: str = "-"
    address: str = ""
    attributes: Attributes = ()
    bandwidth: Attributes = ()

    def direction(self, media: Media) -> Direction:
        """Return which way a medium goes; an address of zeros is an old peer's hold (RFC 3264 §8.4)."""
        found = [name for name, _ in (*media.attributes, *self.attributes) if name in _DIRECTIONS]
        direction = Direction(found[0]) if found else Direction.SENDRECV
        if self.address_of(media) in ("0.0.0.0", "::"):
            return Direction.of(direction.sends, receives=False)
        return direction

    def address_of(self, media: Media) -> str:
        """Return where a medium is to be sent."""
        return media.address or self.address


def parse_sdp(data: bytes) -> Description:
    """Read a description; lines of unknown types are left out. Raises Malformed."""
    lines = _LINE_END.split(data.decode("utf-8", "surrogateescape"))
    if len(data) > MAX_SDP or len(lines) > MAX_LINES:
        raise Malformed("a session description is too long")
    if b"\0" in data:
        raise Malformed("a session description has a NUL")
    sections: list[list[tuple[str, str]]] = [[]]
    for line in lines:
        if line[1:2] == "=":
            if line[0] == "m":
                sections.append([])
            sections[-1].append((line[0], line[2:].strip()))
    session, *media = sections
    if len(media) > MAX_MEDIA:
        raise Malformed("a session description has too many media")
    values = dict(reversed(session))
    origin = _ORIGIN.fullmatch(values.get("o", ""))
    if values.get("v") != "0" or origin is None:
        raise Malformed("a session description has no version or origin")
    return Description(
        origin=Origin(origin[1], _number(origin[2]), _number(origin[3]), origin[4]),
        media=tuple(_parse_media(section) for section in media),
        name=values.get("s") or "-",
        address=_address(session),
        attributes=tuple(_attributes(session)),
        bandwidth=tuple(_bandwidth(session)),
    )


def _number(text: str) -> int:
    if len(text) > 20:
        raise Malformed("an origin's number is too long")
    return int(text)


def _parse_media(section: list[tuple[str, str]]) -> Media:
    found = _MEDIA.fullmatch(section[0][1])
    if found is None or int(found[2]) > MAX_PORT:
        raise Malformed("a medium is malformed")
    formats = tuple(found[5].split())
    if len(formats) > MAX_FORMATS:
        raise Malformed("a medium has too many formats")
    return Media(
        kind=found[1],
        port=int(found[2]),
        ports=int(found[3] or 1),
        protocol=found[4],
        formats=formats,
        address=_address(section),
        attributes=tuple(_attributes(section)),
        bandwidth=tuple(_bandwidth(section)),
    )


def _address(section: list[tuple[str, str]]) -> str:
    """Return the first connection address, without the TTL or count that a multicast one has."""
    for kind, value in section:
        if kind == "c":
            found = _CONNECTION.fullmatch(value)
            if found is None:
                raise Malformed("a connection address is malformed")
            return found[1].partition("/")[0]
    return ""


def _attributes(section: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for kind, value in section:
        if kind == "a":
            name, _, rest = value.partition(":")
            yield name.strip(), rest.strip()


def _bandwidth(section: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for kind, value in section:
        if kind == "b" and (found := _BANDWIDTH.fullmatch(value)):
            yield found[1], found[2]


def is_of_many(text: str) -> bool:
    """Tell whether an address is a multicast or broadcast one, be it one of IPv4 that is written as IPv6."""
    try:
        address = ip_address(text.partition("/")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_multicast or address == _BROADCAST


def write_sdp(description: Description) -> bytes:
    """Write a description (RFC 8866 §5). Raises Malformed for a value that would end its line."""
    origin = description.origin
    lines = [
        "v=0",
        f"o={origin.username} {origin.session} {origin.version} {_network(origin.address)}",
        f"s={description.name}",
    ]
    lines += _body_lines(description.address, description.bandwidth, ("t=0 0",), description.attributes)
    for media in description.media:
        count = f"/{media.ports}" if media.ports > 1 else ""
        lines.append(f"m={media.kind} {media.port}{count} {media.protocol} {' '.join(media.formats)}")
        lines += _body_lines(media.address, media.bandwidth, (), media.attributes)
    if any(_UNSAFE.search(line) for line in lines):
        raise Malformed("a session description has a line end in a value")
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _network(address: str) -> str:
    return f"IN {'IP6' if ':' in address else 'IP4'} {address}"


def _body_lines(
    address: str, bandwidth: Attributes, times: tuple[str, ...], attributes: Attributes
) -> Iterator[str]:
    if address:
        yield f"c={_network(address)}"
    for name, value in bandwidth:
        yield f"b={name}:{value}"
    yield from times
    for name, value in attributes:
        yield f"a={name}:{value}" if value else f"a={name}"
