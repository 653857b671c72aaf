"""Values of header fields: addresses, Via, CSeq, lists, parameters (RFC 3261 §20, §25).

Reading is tolerant of white space, folding (undone before), UTF-8 and stray characters; writing
is strict, and nothing that is written can end its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from transports.sip.wire.uri import NONE, Malformed, Uri, parse_host, parse_port, parse_uri, write_host_port

MAGIC_COOKIE = "z9hG4bK"
"""How the branch of an RFC 3261 peer begins (§8.1.1.7)."""
MAX_CSEQ = 2**31 - 1
MAX_PARAMS = 64
"""Parameters of one value."""
MAX_ITEMS = 256
"""Values of one list."""

TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_UNQUOTED = re.compile(r"[A-Za-z0-9.!%*_+`'~:\[\]-]+")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAM = re.compile(rf'\s*;\s*(?:([^\s;=,"<>]+)\s*(?:=\s*({_QUOTED}|[^\s;,"]*))?)?\s*', re.DOTALL)
_NAME_ADDR = re.compile(rf'(?:\s*({_QUOTED})\s*|([^<>",;:]*))<([^<>]*)>\s*', re.DOTALL)
_VIA = re.compile(
    r"\s*SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9.!%*_+`'~-]+)\s+(\[[^\]]*\]|[^\s:;,]+)\s*(?::\s*([0-9]+))?\s*",
    re.IGNORECASE,
)
_CSEQ = re.compile(r"\s*([0-9]{1,10})\s+([A-Za-z0-9.!%*_+`'~-]+)\s*")
_ITEM = re.compile(rf'(?:{_QUOTED}|<[^>]*>|[^,"<])+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'(["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f])')
_AUTH_PARAM = re.compile(rf"\s*([^\s=,\"]+)\s*=\s*({_QUOTED}|[^\s,\"]*)\s*(?:,|$)", re.DOTALL)


class NameAddr(Struct, frozen=True, gc=False):
    """An address in a header field: a name to show, a URI, and the field's own parameters."""

    uri: Uri
    display: str = ""
    params: Mapping[str, str] = NONE

    @property
    def tag(self) -> str:
        """The tag of From or To; "" is none."""
        return self.params.get("tag", "")

    def __str__(self) -> str:
        name = f"{quote_string(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{write_params(self.params)}"

    def with_tag(self, tag: str) -> NameAddr:
        """Return it with another tag, or without one if `tag` is empty."""
        params = {name: value for name, value in self.params.items() if name != "tag"}
        if tag:
            params["tag"] = tag
        return NameAddr(uri=self.uri, display=self.display, params=params)


class Via(Struct, frozen=True, gc=False):
    """One hop (RFC 3261 §20.42): `transport` in capitals; `host` and `port` are sent-by, port 0 is none."""

    transport: str
    host: str
    port: int = 0
    params: Mapping[str, str] = NONE

    @property
    def branch(self) -> str:
        """The identifier of the transaction; "" is none."""
        return self.params.get("branch", "")

    @property
    def has_cookie(self) -> bool:
        """Tell whether the branch is unique, as RFC 3261's are; one of the cookie alone is none."""
        branch = self.branch
        return len(branch) > len(MAGIC_COOKIE) and branch[: len(MAGIC_COOKIE)].lower() == "z9hg4bk"

    def __str__(self) -> str:
        sent_by = write_host_port(self.host, self.port)
        return f"SIP/2.0/{self.transport} {sent_by}{write_params(self.params)}"

    def with_params(self, **params: str) -> Via:
        """Return it with more, or other, parameters."""
        return Via(transport=self.transport, host=self.host, port=self.port, params={**self.params, **params})


class CSeq(Struct, frozen=True, gc=False):
    """The number of a request in its dialog, and its method (RFC 3261 §20.16)."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class Value(Struct, frozen=True, gc=False):
    """A value with parameters, as Content-Type, Event, Session-Expires and Reason have it."""

    value: str
    params: Mapping[str, str] = NONE

    def __str__(self) -> str:
        return f"{self.value}{write_params(self.params)}"


class AuthParams(Struct, frozen=True):
    """A challenge or credentials (RFC 3261 §25.1): the scheme in lower case, parameters unquoted."""

    scheme: str
    params: Mapping[str, str]


def parse_name_addr(text: str) -> NameAddr:
    """Read one address with or without angle brackets. Raises Malformed.

    Without brackets, what follows a semicolon belongs to the field, not to the URI; a URI with a
    comma or a question mark must have them (RFC 3261 §20).
    """
    found = _NAME_ADDR.match(text)
    if found is not None:
        quoted, words, uri = found.groups()
        display = unquote_string(quoted) if quoted else words.strip()
        return NameAddr(uri=parse_uri(uri), display=display, params=parse_params(text, found.end()))
    spec, semicolon, _ = text.partition(";")
    if "?" in spec or "," in spec or '"' in spec:
        raise Malformed("an address lacks its brackets or a quote")
    params = parse_params(text, len(spec)) if semicolon else NONE
    return NameAddr(uri=parse_uri(spec), params=params)


def parse_via(text: str) -> Via:
    """Read one value of Via. Raises Malformed."""
    found = _VIA.match(text)
    if found is None:
        raise Malformed("Via is malformed")
    transport, host, port = found.groups()
    return Via(
        transport=transport.upper(),
        host=parse_host(host),
        port=parse_port(port) if port else 0,
        params=parse_params(text, found.end()),
    )


def parse_cseq(text: str) -> CSeq:
    """Read CSeq. Raises Malformed, also for a number that is too large (RFC 3261 §8.1.1.5)."""
    found = _CSEQ.fullmatch(text)
    if found is None or int(found[1]) > MAX_CSEQ:
        raise Malformed("CSeq is malformed")
    return CSeq(number=int(found[1]), method=found[2])


def parse_value(text: str) -> Value:
    """Read a value with parameters. Raises Malformed."""
    value, semicolon, _ = text.partition(";")
    return Value(value=value.strip(), params=parse_params(text, len(value)) if semicolon else NONE)


def parse_params(text: str, start: int = 0) -> Mapping[str, str]:
    """Read ``;name=value`` to the end of the text; of equal names the first holds. Raises Malformed."""
    if start >= len(text):
        return NONE
    params: dict[str, str] = {}
    position = start
    while position < len(text):
        found = _PARAM.match(text, position)
        if found is None or len(params) >= MAX_PARAMS:
            raise Malformed("parameters are malformed or too many")
        position = found.end()
        name, value = found.groups()
        if name is None:
            raise Malformed("a parameter has no name")
        if value and value[0] == '"':
            value = unquote_string(value)
        params.setdefault(name.lower(), value or "")
    return params


def write_params(params: Mapping[str, str]) -> str:
    """Write parameters; values that are neither tokens nor hosts are quoted."""
    if not params:
        return ""
    text = []
    for name, value in params.items():
        if not value:
            text.append(f";{name}")
        elif _UNQUOTED.fullmatch(value):
            text.append(f";{name}={value}")
        else:
            text.append(f";{name}={quote_string(value)}")
    return "".join(text)


def split_list(text: str) -> list[str]:
    """Cut a list at its commas, but not inside quotes and brackets; empty items are left out.

    Raises Malformed for an open quote or bracket, and for a list that is too long.
    """
    if "," not in text:
        item = text.strip()
        return [item] if item else []
    items = []
    position = 0
    while position < len(text):
        if text[position] == ",":
            position += 1
            continue
        found = _ITEM.match(text, position)
        if found is None or (found.end() < len(text) and text[found.end()] != ","):
            raise Malformed("a list has an open quote or bracket")
        position = found.end()
        item = found[0].strip()
        if item:
            items.append(item)
    if len(items) > MAX_ITEMS:
        raise Malformed("a list is too long")
    return items


def parse_auth(text: str) -> AuthParams:
    """Read a challenge or credentials. Raises Malformed."""
    scheme, _, rest = text.strip().partition(" ")
    params: dict[str, str] = {}
    position = 0
    rest = rest.strip()
    while position < len(rest):
        found = _AUTH_PARAM.match(rest, position)
        if found is None or len(params) >= MAX_PARAMS:
            raise Malformed("authentication parameters are malformed or too many")
        position = found.end()
        value = found[2]
        params.setdefault(found[1].lower(), unquote_string(value) if value[:1] == '"' else value)
    return AuthParams(scheme=scheme.lower(), params=params)


def quote_string(text: str) -> str:
    """Write a quoted string (RFC 3261 §25.1)."""
    return '"' + _TO_ESCAPE.sub(r"\\\1", text) + '"'


def unquote_string(text: str) -> str:
    """Read a quoted string, with its quotes."""
    inner = text[1:-1]
    return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner


def write_list(values: Iterable[object]) -> str:
    """Write a list of values as one field."""
    return ", ".join(str(value) for value in values)
