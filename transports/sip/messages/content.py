"""What a MESSAGE carries: words, or that somebody is writing them (RFC 3428, RFC 3994)."""

from __future__ import annotations

import re

from bridge.events import TypingState
from transports.sip.wire.headers import parse_value
from transports.sip.wire.message import Fields, Request
from transports.sip.wire.uri import Malformed

PLAIN, COMPOSING = "text/plain", "application/im-iscomposing+xml"
ACCEPT: Fields = (("Accept", f"{PLAIN}, {COMPOSING}"),)
MAX_TEXT = 65536
"""Bytes of a text that is passed on; XMPP servers take stanzas of some such size."""
REFRESH = 60
"""Seconds for which we say that somebody is writing (RFC 3994 §3.2)."""

_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "iso-8859-1": "latin-1", "": "utf-8"}
_STATE = re.compile(rb"<(?:[A-Za-z][\w.-]*:)?state\s*>\s*(active|idle)\s*</")
_STATES = {b"active": TypingState.COMPOSING, b"idle": TypingState.PAUSED}


class Unsupported(Exception):
    """This is not content that we take; the request gets the status."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def read(request: Request) -> str | TypingState:
    """Return what a MESSAGE says. Raises Unsupported."""
    if (request.get("Content-Encoding") or "identity").lower() != "identity":
        raise Unsupported(415)
    return read_content(request.get("Content-Type") or PLAIN, request.body)


def subject_of(request: Request) -> str:
    """Return what a MESSAGE is about (RFC 7572 §5), "" if it does not say so."""
    subject = (request.get("Subject") or "").strip()
    return subject.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_content(content_type: str, body: bytes) -> str | TypingState:
    """Return what content of a type says. Raises Unsupported."""
    try:
        kind = parse_value(content_type)
    except Malformed:
        raise Unsupported(400) from None
    if len(body) > MAX_TEXT:
        raise Unsupported(413)
    match kind.value.lower():
        case "text/plain":
            return _words(body, kind.params.get("charset", ""))
        case "application/im-iscomposing+xml":
            found = _STATE.search(body)
            if found is None:
                raise Unsupported(400)
            return _STATES[found[1]]
    raise Unsupported(415)


def _words(body: bytes, charset: str) -> str:
    codec = _CHARSETS.get(charset.lower())
    if codec is None:
        raise Unsupported(415)
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        raise Unsupported(400) from None


def words(text: str) -> tuple[Fields, bytes]:
    """Write a text."""
    return (("Content-Type", f"{PLAIN};charset=UTF-8"),), text.encode("utf-8", "replace")


def about(subject: str) -> Fields:
    """Write what a MESSAGE is about (RFC 7572 §4), in one line."""
    line = " ".join(subject.split())
    return (("Subject", line),) if line else ()


def composing(state: TypingState) -> tuple[Fields, bytes]:
    """Write that somebody is writing, or has stopped."""
    is_active = state is TypingState.COMPOSING
    refresh = f"<refresh>{REFRESH}</refresh>" if is_active else ""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">'
        f"<state>{'active' if is_active else 'idle'}</state><contenttype>{PLAIN}</contenttype>{refresh}"
        "</isComposing>"
    )
    return (("Content-Type", COMPOSING),), body.encode()
