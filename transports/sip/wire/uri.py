"""SIP and SIPS URIs (RFC 3261 §19.1); URIs of other schemes are kept as they are.

Parts are held decoded and written with the escapes that they need. Bytes that are not UTF-8 are
held as lone surrogates, so that what came in goes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv6Address
from types import MappingProxyType
from urllib.parse import quote, unquote

from msgspec import Struct

MAX_URI = 4096
"""Characters of a URI."""
MAX_PORT = 65535

NONE: Mapping[str, str] = MappingProxyType({})

_UNRESERVED = "-_.!~*'()"
_USER = _UNRESERVED + "&=+$,;?/"
_PASSWORD = _UNRESERVED + "&=+$,"
_PARAM = _UNRESERVED + "[]/:&+$"
_HEADER = _UNRESERVED + "[]/?:+$"

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"]")
_SIP = re.compile(r"(?:([^@]*)@)?(\[[^\]]*\]|[^:;?\[\]@]*)(?::([0-9]+))?((?:;[^?]*)?)(?:\?(.*))?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_IPV6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")
_NEVER_IGNORED = ("user", "ttl", "method", "maddr")
"""Parameters that make a difference even if only one of two URIs has them (RFC 3261 §19.1.4)."""


class Malformed(ValueError):
    """This is not what the grammar of SIP allows; the text says where, and quotes nothing of the peer's."""


class Uri(Struct, frozen=True, gc=False):
    """An address. `host` is in lower case, IPv6 without brackets; `port` 0 is none.

    A parameter without a value has "". Of a scheme that is neither sip nor sips there is only
    `opaque`, all that follows the colon.
    """

    scheme: str
    host: str = ""
    user: str = ""
    password: str = ""
    port: int = 0
    params: Mapping[str, str] = NONE
    headers: tuple[tuple[str, str], ...] = ()
    opaque: str = ""

    @property
    def is_sip(self) -> bool:
        """Tell whether it is a SIP or SIPS URI."""
        return self.scheme in ("sip", "sips")

    def __str__(self) -> str:
        if not self.is_sip:
            return f"{self.scheme}:{self.opaque}"
        text = [self.scheme, ":"]
        if self.user:
            text.append(_escape(self.user, _USER))
            if self.password:
                text += ":", _escape(self.password, _PASSWORD)
            text.append("@")
        text.append(write_host_port(self.host, self.port))
        for name, value in self.params.items():
            text += ";", _escape(name, _PARAM)
            if value:
                text += "=", _escape(value, _PARAM)
        for index, (name, value) in enumerate(self.headers):
            text += "&" if index else "?", _escape(name, _HEADER), "=", _escape(value, _HEADER)
        return "".join(text)

    def bare(self) -> Uri:
        """Return it without parameters and headers."""
        return Uri(scheme=self.scheme, host=self.host, user=self.user, port=self.port, opaque=self.opaque)


def parse_uri(text: str) -> Uri:
    """Read a URI. Raises Malformed."""
    found = _SCHEME.match(text)
    if found is None or len(text) > MAX_URI:
        raise Malformed("a URI has no scheme or is too long")
    scheme = found[1].lower()
    rest = text[found.end() :].rstrip()
    if _FORBIDDEN.search(rest):
        raise Malformed("a URI has a character that must be escaped")
    if scheme not in ("sip", "sips"):
        return Uri(scheme=scheme, opaque=rest)
    parts = _SIP.fullmatch(rest)
    if parts is None:
        raise Malformed("a SIP URI is malformed")
    userinfo, host, port, params, headers = parts.groups()
    user = password = ""
    if userinfo is not None:
        user, _, password = userinfo.partition(":")
        if not user:
            raise Malformed("a SIP URI has an empty user")
    return Uri(
        scheme=scheme,
        host=parse_host(host),
        user=_unescape(user),
        password=_unescape(password),
        port=parse_port(port) if port else 0,
        params=_parse_params(params) if params else NONE,
        headers=_parse_headers(headers) if headers else (),
    )


def parse_host(text: str) -> str:
    """Read a name or an address; an IPv6 address has to be in brackets (RFC 5118 §4.2). Raises Malformed.

    The three colons that RFC 3261's grammar makes of ``::`` before an IPv4 address are read as
    two (RFC 5118 §4.10).
    """
    if _NAME.fullmatch(text):
        return text.lower()
    if text[:1] == "[" and text[-1:] == "]" and _IPV6.fullmatch(text, 1, len(text) - 1):
        address = text[1:-1].lower().replace(":::", "::")
        with suppress(ValueError):
            IPv6Address(address)
            return address
    raise Malformed("a host is malformed")


def parse_port(text: str) -> int:
    """Read a port. Raises Malformed."""
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 0 < int(text) <= MAX_PORT:
        raise Malformed("a port is malformed")
    return int(text)


def write_host_port(host: str, port: int) -> str:
    """Write a host with its brackets and port, as in a URI and in Via."""
    written = f"[{host}]" if ":" in host else host
    return f"{written}:{port}" if port else written


def is_equivalent(one: Uri, other: Uri) -> bool:
    """Compare as RFC 3261 §19.1.4 does; for other schemes, by their text."""
    if one.scheme != other.scheme or not one.is_sip:
        return str(one) == str(other)
    if (one.user, one.password, one.host, one.port) != (other.user, other.password, other.host, other.port):
        return False
    common = one.params.keys() & other.params.keys()
    if any(one.params[name].lower() != other.params[name].lower() for name in common):
        return False
    if any((name in one.params) != (name in other.params) for name in _NEVER_IGNORED):
        return False
    return _comparable(one.headers) == _comparable(other.headers)


def _comparable(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers)


def _parse_params(text: str) -> Mapping[str, str]:
    params: dict[str, str] = {}
    for part in text[1:].split(";"):
        name, _, value = part.partition("=")
        if name:
            params.setdefault(_unescape(name).lower(), _unescape(value))
    return params


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in text.split("&")]
    return tuple((_unescape(name), _unescape(value)) for name, _, value in pairs if name)


def _unescape(text: str) -> str:
    return unquote(text, errors="surrogateescape") if "%" in text else text


def _escape(text: str, safe: str) -> str:
    return text if text.isalnum() and text.isascii() else quote(text, safe=safe, errors="surrogateescape")
