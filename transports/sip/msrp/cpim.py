"""What a message of MSRP says: words, or that somebody writes them; plain or wrapped (RFC 3862, RFC 2046)."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message

from msgspec import Struct

from bridge.events import TypingState
from transports.sip.messages.content import Unsupported, read_content
from transports.sip.msrp.terms import ACCEPTED, CPIM
from transports.sip.wire.headers import NameAddr, parse_name_addr
from transports.sip.wire.uri import Malformed

MAX_PARTS = 32
"""Parts of a message that are looked at, and how deep they may be in each other."""


class Letter(Struct, frozen=True):
    """What is said, and from whom to whom; None where there is no address that can be read."""

    said: str | TypingState
    sender: NameAddr | None = None
    recipient: NameAddr | None = None


def reads(content_type: str) -> bool:
    """Tell whether content of a type is taken."""
    return content_type.partition(";")[0].strip().lower() in ACCEPTED


def read(content_type: str, body: bytes) -> str | TypingState:
    """Return what a message says. Raises Unsupported."""
    kind = content_type.partition(";")[0].strip().lower()
    if body.lower().count(b"multipart/") > MAX_PARTS:
        raise Unsupported(413)
    if kind == CPIM:
        return _unwrap(body)
    if kind.startswith("multipart/"):
        return _first(message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body))
    return read_content(content_type, body)


def open_letter(content_type: str, body: bytes) -> Letter:
    """Return what a message says, and the addresses of one of CPIM (RFC 3862 §3.2). Raises Unsupported."""
    said = read(content_type, body)
    if content_type.partition(";")[0].strip().lower() != CPIM:
        return Letter(said)
    head = body.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    return Letter(said, _address(head, "From"), _address(head, "To"))


def _address(head: str, name: str) -> NameAddr | None:
    for line in head.split("\r\n"):
        found, colon, value = line.partition(":")
        if colon and found.strip().lower() == name.lower():
            try:
                return parse_name_addr(value.strip())
            except Malformed:
                return None
    return None


def _unwrap(body: bytes) -> str | TypingState:
    """Read the content of a message of CPIM; who it is from, the dialog has said (RFC 3862 §2)."""
    _, blank, content = body.partition(b"\r\n\r\n")
    if not blank:
        raise Unsupported(400)
    return _first(message_from_bytes(content))


def _first(message: Message) -> str | TypingState:
    """Read the first part that can be read."""
    unreadable = Unsupported(415)
    for _, part in zip(range(MAX_PARTS), message.walk(), strict=False):
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        try:
            return read_content(
                part.get("Content-Type") or "text/plain", payload if isinstance(payload, bytes) else b""
            )
        except Unsupported as unsupported:
            unreadable = unsupported
    raise unreadable


def wrap(sender: str, recipient: str, content_type: str, body: bytes) -> bytes:
    """Write a message of CPIM; both addresses are as `NameAddr` writes them."""
    head = f"From: {sender}\r\nTo: {recipient}\r\n\r\nContent-Type: {content_type}\r\n\r\n"
    return head.encode() + body
