"""SIP requests and responses: bytes to `Request` and `Response`, and back (RFC 3261 §7).

What every message must have is read at once into fields of its own (Via, From, To, Call-ID,
CSeq, Max-Forwards); the rest stays text. What cannot be read raises `Refused`, which knows the
answer that its sender is to get.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from transports.sip.tables import METHODS, REASONS
from transports.sip.wire.headers import (
    MAX_ITEMS,
    TOKEN,
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_via,
    split_list,
)
from transports.sip.wire.uri import Malformed, Uri, parse_uri

MAX_HEAD = 32768
"""Bytes of a message before its body."""
MAX_BODY = 262144
"""Bytes of a body."""
MAX_FIELDS = 256
"""Header fields of a message."""
MAX_FORWARDS = 70
"""Hops that a request of ours may take (RFC 3261 §8.1.1.6)."""

BAD_REQUEST, NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED, TOO_LARGE = 400, 501, 505, 513

Fields = tuple[tuple[str, str], ...]
"""Header fields in their order: canonical name, value without folding."""

COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"""Compact forms of header names (RFC 3261 §7.3.3 and IANA's registry)."""
_SHORT = {name: key for key, name in COMPACT.items()}
_FREQUENT = (
    *COMPACT.values(),
    *(
        "Call-ID",
        "CSeq",
        "MIME-Version",
        "Min-SE",
        "RAck",
        "RSeq",
        "SIP-ETag",
        "SIP-If-Match",
        "WWW-Authenticate",
    ),
    *("Allow", "Content-Disposition", "Max-Forwards", "Record-Route", "Require", "Route", "User-Agent"),
)
_CANONICAL = {**COMPACT, **{key: name for name in _FREQUENT for key in (name, name.lower())}}
_SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length")
_NEEDED = ("Via", "From", "To", "Call-ID", "CSeq")
_CORE = frozenset({*_SINGLE, "Via"})

_REQUEST_LINE = re.compile(r"([A-Za-z0-9.!%*_+`'~-]+) ([^\s<>]+) (SIP/[0-9]+\.[0-9]+)", re.IGNORECASE)
_VERSION = re.compile(r".* (SIP/[0-9]+\.[0-9]+)", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE | re.DOTALL)
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
_LINE_END = re.compile(r"\r?\n|\r")
_DIGITS = re.compile(r"[0-9]{1,9}")


class UnsafeMessage(ValueError):
    """This cannot be sent: a value would end its line, or a name is no token."""


class Message(Struct, frozen=True, kw_only=True):
    """What requests and responses have in common; `fields` are all but those that have an own place."""

    via: tuple[Via, ...]
    from_: NameAddr
    to: NameAddr
    call_id: str
    cseq: CSeq
    fields: Fields = ()
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """Return the first value of a field of `fields`, by its canonical name."""
        for found, value in self.fields:
            if found == name:
                return value
        return None

    def values(self, name: str) -> list[str]:
        """Return the items of a field that is a list, of all its lines. Raises Malformed."""
        return [item for found, value in self.fields if found == name for item in split_list(value)]

    def requires(self, tag: str) -> bool:
        """Tell whether an option tag, in lower case, is required. Raises Malformed."""
        return any(tag == item.lower() for item in self.values("Require"))

    def supports(self, tag: str) -> bool:
        """Tell whether its sender knows an option tag, in lower case. Raises Malformed."""
        return self.requires(tag) or any(tag == item.lower() for item in self.values("Supported"))


class Request(Message, frozen=True, kw_only=True):
    """A request; `uri` is the Request-URI, the method is that of `cseq`."""

    uri: Uri
    max_forwards: int = MAX_FORWARDS

    @property
    def method(self) -> str:
        """Which method; case matters."""
        return self.cseq.method

    def start_line(self) -> str:
        """Write the request line."""
        return f"{self.method} {self.uri} SIP/2.0"


class Response(Message, frozen=True, kw_only=True):
    """A response; `cseq` is that of the request."""

    status: int
    reason: str = ""

    @property
    def is_final(self) -> bool:
        """Tell whether it ends a transaction."""
        return self.status >= 200

    @property
    def is_success(self) -> bool:
        """Tell whether it is a 2xx."""
        return 200 <= self.status < 300

    def start_line(self) -> str:
        """Write the status line."""
        return f"SIP/2.0 {self.status} {self.reason}"


class Refused(Malformed):
    """A message that cannot be read; `status` and `reason` are what a request's sender is told."""

    def __init__(
        self, status: int, reason: str, fields: Fields = (), method: str = "", size: int = 0
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self._fields = fields
        self._method = method
        self._size = size

    def answer(self, tag: str, *, is_limited: bool) -> bytes | None:
        """Return the response, or None if there must be none.

        Responses, ACK, and what lacks the fields that lead a response home get none. Where it
        `is_limited`, nor does what would get more bytes than it sent; what is too long is written
        without words, and then in compact form. `tag` becomes the tag of To, and has to be the same
        for a retransmission (RFC 3261 §8.2.6.2, §8.2.7).
        """
        copied = [(name, value) for name, value in self._fields if name in _NEEDED]
        if self._method in ("", "ACK") or not {"Via", "CSeq"} <= {name for name, _ in copied}:
            return None
        copied = [(name, _tagged(value, tag) if name == "To" else value) for name, value in copied]
        fields = (*copied, ("Content-Length", "0"))
        for reason, is_compact in ((self.reason, False), (REASONS[self.status], False), ("", True)):
            lines = (f"{_short(name) if is_compact else name}: {value}" for name, value in fields)
            written = _encode([f"SIP/2.0 {self.status} {reason}", *lines, "", ""])
            if not is_limited or len(written) <= self._size:
                return written
        return None


def _tagged(to: str, tag: str) -> str:
    return to if ";tag=" in to.replace(" ", "") else f"{to};tag={tag}"


def _short(name: str) -> str:
    return _SHORT.get(name, name)


def canonical(name: str) -> str:
    """Return the long form and usual spelling of a header's name."""
    known = _CANONICAL.get(name)
    if known is None:
        lower = name.lower()
        known = _CANONICAL.get(lower) or "-".join(word.capitalize() for word in lower.split("-"))
    return known


def parse(data: bytes) -> Request | Response:
    """Read one message, a datagram or what `framing` cut out of a stream. Raises Refused.

    Of a datagram, what is beyond Content-Length is dropped (RFC 3261 §18.3).
    """
    end, size = find_head_end(data)
    if end < 0:
        end, size = len(data), 0
    if end > MAX_HEAD or len(data) - end - size > MAX_BODY:
        raise Refused(TOO_LARGE, REASONS[TOO_LARGE])
    start, fields = parse_head(data[:end])
    is_response = start[:4].upper() == "SIP/"
    method = "" if is_response else start.partition(" ")[0]
    try:
        body = _body(fields, data[end + size :])
        return _parse_response(start, fields, body) if is_response else _parse_request(start, fields, body)
    except Refused as refused:
        raise Refused(refused.status, refused.reason, fields, method, len(data)) from None
    except Malformed as malformed:
        raise Refused(BAD_REQUEST, f"Bad Request: {malformed}", fields, method, len(data)) from None


def find_head_end(data: bytes | bytearray, start: int = 0) -> tuple[int, int]:
    """Return where the empty line begins, after the last field, and its length; -1 if it is not there yet."""
    end = data.find(b"\r\n\r\n", start)
    if end >= 0:
        return end, 4
    return data.find(b"\n\n", start), 2


def parse_head(head: bytes) -> tuple[str, Fields]:
    """Cut what is before the body into start line and fields; lines that are none are left out.

    Raises Refused for too many of them.
    """
    text = head.decode("utf-8", "surrogateescape")
    if text.count("\n") != text.count("\r\n") or text.count("\r") != text.count("\r\n"):
        text = _LINE_END.sub("\r\n", text)
    text = text.lstrip("\r\n")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    start, *lines = text.split("\r\n")
    if len(lines) > MAX_FIELDS:
        raise Refused(TOO_LARGE, REASONS[TOO_LARGE])
    return start, tuple(_parse_fields(lines))


def _parse_fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        if known := _CANONICAL.get(name):
            yield known, value.strip()
        elif TOKEN.fullmatch(name := name.strip()):
            yield canonical(name), value.strip()


def content_length(fields: Fields) -> int | None:
    """Return the length of the body, None if it is not said. Raises Malformed."""
    lengths = {value for name, value in fields if name == "Content-Length"}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not _DIGITS.fullmatch(length):
        raise Malformed("Content-Length")
    if int(length) > MAX_BODY:
        raise Refused(TOO_LARGE, REASONS[TOO_LARGE])
    return int(length)


def _body(fields: Fields, rest: bytes) -> bytes:
    length = content_length(fields)
    if length is None:
        return rest
    if length > len(rest):
        raise Malformed("Content-Length")
    return rest[:length]


def _parse_request(start: str, fields: Fields, body: bytes) -> Request:
    found = _REQUEST_LINE.fullmatch(start)
    if found is None or found[3].upper() != "SIP/2.0":
        version = _VERSION.fullmatch(start)
        if version and version[1].upper() != "SIP/2.0":
            raise Refused(VERSION_NOT_SUPPORTED, REASONS[VERSION_NOT_SUPPORTED])
        raise Malformed("Request-Line")
    core = _core(fields)
    uri = parse_uri(found[2])
    if uri.headers:
        raise Malformed("the Request-URI has headers")
    cseq = parse_cseq(core["CSeq"])
    if cseq.method != found[1]:
        if found[1] not in METHODS:  # RFC 4475 §3.1.2.18
            raise Refused(NOT_IMPLEMENTED, REASONS[NOT_IMPLEMENTED])
        raise Malformed("CSeq and Request-Line differ")
    return Request(
        uri=uri,
        via=_parse_vias(fields),
        from_=parse_name_addr(core["From"]),
        to=parse_name_addr(core["To"]),
        call_id=_call_id(core),
        cseq=cseq,
        max_forwards=_max_forwards(core.get("Max-Forwards")),
        fields=tuple(field for field in fields if field[0] not in _CORE),
        body=body,
    )


def _parse_response(start: str, fields: Fields, body: bytes) -> Response:
    found = _STATUS_LINE.fullmatch(start)
    if found is None:
        raise Malformed("Status-Line")
    core = _core(fields)
    return Response(
        status=int(found[1]),
        reason=found[2] or "",
        via=_parse_vias(fields),
        from_=parse_name_addr(core["From"]),
        to=parse_name_addr(core["To"]),
        call_id=_call_id(core),
        cseq=parse_cseq(core["CSeq"]),
        fields=tuple(field for field in fields if field[0] not in _CORE),
        body=body,
    )


def _core(fields: Fields) -> dict[str, str]:
    core: dict[str, str] = {}
    for name, value in fields:
        if name in _CORE:
            if name in core and name in _SINGLE:
                raise Malformed(f"more than one {name}")
            core[name] = value
    for name in _NEEDED:
        if name not in core:
            raise Malformed(f"no {name}")
    return core


def _parse_vias(fields: Fields) -> tuple[Via, ...]:
    vias = []
    for name, value in fields:
        if name == "Via":
            vias += [parse_via(item) for item in split_list(value)]
    if not 0 < len(vias) <= MAX_ITEMS:
        raise Malformed("Via")
    return tuple(vias)


def _call_id(core: dict[str, str]) -> str:
    call_id = core["Call-ID"]
    if not call_id or " " in call_id or "\t" in call_id:
        raise Malformed("Call-ID")
    return call_id


def _max_forwards(text: str | None) -> int:
    if text is None:  # RFC 2543 has no such field
        return MAX_FORWARDS
    if not _DIGITS.fullmatch(text) or int(text) > 255:
        raise Malformed("Max-Forwards")
    return int(text)


def write(message: Request | Response, *, is_compact: bool = False) -> bytes:
    """Write a message, with the compact forms of names where that is wished. Raises UnsafeMessage."""
    fields: list[tuple[str, object]] = [("Via", via) for via in message.via]
    if isinstance(message, Request):
        fields.append(("Max-Forwards", message.max_forwards))
    fields += (
        ("From", message.from_),
        ("To", message.to),
        ("Call-ID", message.call_id),
        ("CSeq", message.cseq),
    )
    for name, value in message.fields:
        if not TOKEN.fullmatch(name) or name in _CORE:
            raise UnsafeMessage("a header field's name is no token, or has a place of its own")
        fields.append((name, value))
    fields.append(("Content-Length", len(message.body)))
    if is_compact:
        fields = [(_short(name), value) for name, value in fields]
    lines = (message.start_line(), *(f"{name}: {value}" for name, value in fields), "", "")
    return _encode(lines) + message.body


def _encode(lines: Sequence[str]) -> bytes:
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise UnsafeMessage("a value has a line end in it")
    return text.encode("utf-8", "surrogateescape")


def respond(
    request: Request, status: int, tag: str = "", fields: Fields = (), body: bytes = b"", reason: str = ""
) -> Response:
    """Make a response with what it copies from its request (RFC 3261 §8.2.6.2).

    `tag` becomes the tag of To where there is none; 100 gets none.
    """
    to = request.to if request.to.tag or not tag or status == 100 else request.to.with_tag(tag)
    return Response(
        status=status,
        reason=reason or REASONS.get(status, ""),
        via=request.via,
        from_=request.from_,
        to=to,
        call_id=request.call_id,
        cseq=request.cseq,
        fields=fields,
        body=body,
    )
