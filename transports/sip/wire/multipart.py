"""Bodies of several parts: the one that is understood is taken out (RFC 5621, RFC 2046 §5.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from email import message_from_bytes
from email.message import Message as Part
from typing import TypeVar

from msgspec.structs import replace

from transports.sip.wire.headers import parse_value
from transports.sip.wire.message import Message
from transports.sip.wire.sdp import MAX_SDP, SDP_TYPE
from transports.sip.wire.uri import Malformed

MIXED, ALTERNATIVE = "multipart/mixed", "multipart/alternative"
MULTIPARTS = (MIXED, ALTERNATIVE)
MAX_BODY = 2 * MAX_SDP
"""Bytes of a body that is looked through."""
MAX_PARTS = 16
"""Parts of a body, and how deep they may be in each other."""

M = TypeVar("M", bound=Message)
_OF_BODY = ("Content-Type", "Content-Disposition", "Content-Encoding", "Content-Transfer-Encoding")


class _Unknown(Exception):
    """A part has to be understood, and is not."""


def unpack(message: M, types: Collection[str]) -> M:
    """Return the message with the one part of its body that is of `types`, as if there were no others.

    Of alternatives that is the last; of a mixture the first, and all others have to be optional, or be
    understood too. Where there is none, or too much, the message stays as it is, and is refused for its type.
    """
    try:
        kind = parse_value(message.get("Content-Type") or "").value.lower()
        if kind not in MULTIPARTS or len(message.body) > MAX_BODY:
            return message
        if message.body.lower().count(b"multipart/") > MAX_PARTS:
            return message
        head = f"Content-Type: {message.get('Content-Type')}\r\n\r\n".encode("utf-8", "surrogateescape")
        part = _choose(message_from_bytes(head + message.body), types)
    except (Malformed, _Unknown):
        return message
    if part is None:
        return message
    own = ((name, str(part[name])) for name in _OF_BODY[:2] if part[name] is not None)
    fields = tuple(field for field in message.fields if field[0] not in _OF_BODY)
    return replace(message, fields=(*fields, *own), body=_bytes(part))


def _choose(part: Part, types: Collection[str]) -> Part | None:
    """Return the part that is taken of one, None if there is none that has to be. Raises _Unknown."""
    kind = part.get_content_type()
    if kind == ALTERNATIVE:
        return _best(part, types)
    if kind == MIXED:
        found = [_choose(one, types) for one in _parts(part)]
        return next((one for one in found if one is not None), None)
    if kind in types and _is_plain(part, kind):
        return part
    if _param(part, "handling") == "optional":
        return None
    raise _Unknown


def _best(part: Part, types: Collection[str]) -> Part:
    """Return the last alternative that is understood. Raises _Unknown."""
    for one in reversed(list(_parts(part))):
        try:
            found = _choose(one, types)
        except _Unknown:
            continue
        if found is not None:
            return found
    raise _Unknown


def _parts(part: Part) -> Iterator[Part]:
    payload = part.get_payload()
    if not isinstance(payload, list) or len(payload) > MAX_PARTS:
        raise _Unknown
    return (one for one in payload if isinstance(one, Part))


def _is_plain(part: Part, kind: str) -> bool:
    """Tell whether it is what it seems: a description of the session (RFC 3261 §20.11), without coding."""
    coding = str(part.get("Content-Encoding") or "identity").strip().lower()
    disposition = (part.get_content_disposition() or "").lower()
    return coding == "identity" and (kind != SDP_TYPE[1] or disposition in ("", "session"))


def _param(part: Part, name: str) -> str:
    return str(part.get_param(name, "", "Content-Disposition")).lower()


def _bytes(part: Part) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
