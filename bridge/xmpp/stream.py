"""What all XML streams share: the header, and the errors that end them (RFC 6120 §4)."""

from __future__ import annotations

from bridge.xmpp.element import Element, escape, quote
from bridge.xmpp.xml import NS_STREAMS

NS_STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
END = b"</stream:stream>"
"""The closing tag (RFC 6120 §4.4)."""


def header(namespace: str, *, declared: str = "", **attributes: str) -> bytes:
    """Return an opening tag (RFC 6120 §4.7): empty attributes are left out, ``from_`` is ``from``.

    `namespace` is the content namespace; `declared` holds further declarations as they stand.
    """
    named = ((name.rstrip("_"), value) for name, value in attributes.items() if value)
    given = "".join(f" {name}='{quote(value)}'" for name, value in named)
    declaring = f"xmlns='{namespace}' xmlns:stream='{NS_STREAMS}'{declared}"
    return f"<?xml version='1.0'?><stream:stream {declaring}{given}>".encode()


def stream_error(condition: str, text: str = "") -> bytes:
    """Return the error that ends a stream, and the closing tag after it (RFC 6120 §4.9)."""
    told = f"<text xmlns='{NS_STREAM_ERRORS}' xml:lang='en'>{escape(text)}</text>" if text else ""
    error = f"<stream:error><{condition} xmlns='{NS_STREAM_ERRORS}'/>{told}</stream:error>"
    return error.encode() + END


def read_stream_error(error: Element) -> tuple[str, str]:
    """Return condition and text of a peer's stream error (RFC 6120 §4.9.2)."""
    conditions = (child.name for child in error.elements() if child.namespace == NS_STREAM_ERRORS)
    condition = next((name for name in conditions if name != "text"), "undefined-condition")
    return condition, error.child_text("text", NS_STREAM_ERRORS) or ""
