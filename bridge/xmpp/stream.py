"""XEP-0114's initiating side as a pure machine: bytes in, events and bytes out.

What happens is one table, (state, input) → (action, next state); an input that a state's rows do
not name is ignored there.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import Literal

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element, quote
from bridge.xmpp.stanza import CONTENT_NAMESPACES, NS_COMPONENT, STANZAS, error_reply, normalise
from bridge.xmpp.xml import NS_STREAMS, Limits, Oversized, StreamOpened, StreamParser, XmlError
from bridge.xmpp.xml import Event as XmlEvent

NS_STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"

LIMITS = Limits(skip_bytes=8 * 1024 * 1024)
"""The server relays what strangers wrote, escaped anew: a large stanza is refused, the stream goes on."""
PING_ID = "xmppbridge-keep-alive"

State = Literal["idle", "awaiting_header", "awaiting_handshake", "established", "closing", "closed"]
Input = Literal[
    # ours
    "start", "ping", "close",
    # the server's
    "header", "foreign_header", "handshake", "stanza", "oversized", "other", "error", "closing_tag",
    # the link's
    "unreadable", "eof",
]  # fmt: skip

REFUSALS = frozenset({"conflict", "host-gone", "host-unknown", "invalid-namespace", "not-authorized"})
"""Stream errors (RFC 6120 §4.9.3) that trying again soon does not cure."""


class Authenticated(Struct, frozen=True):
    """The server accepted the secret; stanzas may be sent."""


class StreamFailed(Struct, frozen=True):
    """The stream ended against our will.

    `condition` is RFC 6120 §4.9.3's, "" if the peer just went; `refused`: the server does not want
    us as this component, and will not soon.
    """

    condition: str
    text: str
    refused: bool


class StreamEnded(Struct, frozen=True):
    """The server has answered our closing of the stream."""


Event = Authenticated | Element | StreamFailed | StreamEnded


class ComponentStream:
    """One stream to the server of a component's domain."""

    def __init__(self, domain: str, secret: str) -> None:
        self.state: State = "idle"
        self._domain = domain
        self._secret = secret
        self._parser = StreamParser(LIMITS)
        self._events: list[Event] = []
        self._out: list[bytes] = []

    def start(self) -> None:
        """Open the stream."""
        self._input("start", _NOTHING)

    def send(self, stanzas: bytes) -> None:
        """Send serialised stanzas; only after `Authenticated`."""
        if self.state != "established":
            raise ValueError(f"no stanzas while {self.state}")
        self._out.append(stanzas)

    def ping(self) -> None:
        """Make the server send something: a ping (XEP-0199) to our own domain, which it routes back to us."""
        self._input("ping", _NOTHING)

    def close(self) -> None:
        """End the stream properly (RFC 6120 §4.4)."""
        self._input("close", _NOTHING)

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the server."""
        try:
            events, failure = self._parser.feed(data), ""
        except XmlError as error:
            events, failure = error.events, error.condition
        for event in events:
            self._input(*_classify(event))
        if failure:
            self._input("unreadable", Element(failure, NS_STREAM_ERRORS))

    def receive_eof(self) -> None:
        """Learn that the link is gone."""
        self._input("eof", _NOTHING)

    def take_events(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> bytes:
        """Return the bytes to send since the last call."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _input(self, kind: Input, element: Element) -> None:
        row = _TABLE.get((self.state, kind))
        if row is not None:
            action, after = row
            self.state = after
            action(self, element)

    # actions: each gets the element that the input carries

    def _send_header(self, _: Element) -> None:
        self._out.append(
            f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAMS}'"
            f" to='{quote(self._domain)}'>".encode()
        )

    def _send_handshake(self, header: Element) -> None:
        given = header.attributes.get("id", "") + self._secret
        digest = sha1(given.encode(), usedforsecurity=False).hexdigest()
        self._out.append(f"<handshake>{digest}</handshake>".encode())

    def _send_ping(self, _: Element) -> None:
        self._out.append(
            f"<iq type='get' id='{PING_ID}' from='{quote(self._domain)}' to='{quote(self._domain)}'>"
            "<ping xmlns='urn:xmpp:ping'/></iq>".encode()
        )

    def _send_end(self, _: Element) -> None:
        self._out.append(b"</stream:stream>")

    def _authenticate(self, _: Element) -> None:
        self._events.append(Authenticated())

    def _deliver(self, stanza: Element) -> None:
        given = stanza.attributes
        if given.get("id") != PING_ID or given.get("from") != self._domain:
            self._events.append(normalise(stanza))

    def _refuse_size(self, stanza: Element) -> None:
        reply = error_reply(normalise(stanza), BridgeError(Trouble.TOO_LONG))
        if reply is not None:
            self._out.append(reply.to_xml(NS_COMPONENT).encode())

    def _misled(self, _: Element) -> None:
        self._fail("invalid-namespace", "this is not the server's port for components", announced=True)

    def _too_early(self, _: Element) -> None:
        self._fail("not-authorized", "stanzas came before the handshake's answer", announced=True)

    def _unreadable(self, condition: Element) -> None:
        self._fail(condition.name, "the server's XML cannot be read", announced=True)

    def _failed(self, error: Element) -> None:
        """RFC 6120 §4.9.2: one condition, perhaps a text."""
        conditions = [child.name for child in error.elements() if child.namespace == NS_STREAM_ERRORS]
        condition = next((name for name in conditions if name != "text"), "undefined-condition")
        self._send_end(error)
        self._fail(condition, error.child_text("text", NS_STREAM_ERRORS) or "", announced=False)

    def _left(self, end: Element) -> None:
        self._send_end(end)
        self._fail("", "the server ended the stream", announced=False)

    def _lost(self, _: Element) -> None:
        self._fail("", "the link broke", announced=False)

    def _ended(self, _: Element) -> None:
        self._events.append(StreamEnded())

    def _turned_away(self, _: Element) -> None:
        """COMPAT: some servers answer a wrong secret by hanging up."""
        self._fail("not-authorized", "the server hung up after the handshake", announced=False)

    def _fail(self, condition: str, text: str, *, announced: bool) -> None:
        """End; `announced`: the server is told by a stream error of ours (RFC 6120 §4.9.1.1)."""
        if announced:
            error = f"<stream:error><{condition} xmlns='{NS_STREAM_ERRORS}'/></stream:error></stream:stream>"
            self._out.append(error.encode())
        self._events.append(StreamFailed(condition, text, condition in REFUSALS))


_NOTHING = Element("", "")

_INPUTS: dict[tuple[str, str], Input] = {
    **{(namespace, name): "stanza" for namespace in CONTENT_NAMESPACES for name in STANZAS},
    (NS_COMPONENT, "handshake"): "handshake",
    (NS_STREAMS, "error"): "error",
}


def _classify(event: XmlEvent) -> tuple[Input, Element]:
    if isinstance(event, Element):
        return _INPUTS.get((event.namespace, event.name), "other"), event
    if isinstance(event, Oversized):
        kind = _INPUTS.get((event.element.namespace, event.element.name), "other")
        return "oversized" if kind == "stanza" else "other", event.element
    if isinstance(event, StreamOpened):
        kind = "header" if event.namespace == NS_COMPONENT else "foreign_header"
        return kind, Element("stream", event.namespace, event.attributes)
    return "closing_tag", _NOTHING


_Action = Callable[[ComponentStream, Element], None]
_S = ComponentStream

_TABLE: dict[tuple[State, Input], tuple[_Action, State]] = {
    ("idle", "start"): (_S._send_header, "awaiting_header"),
    ("idle", "eof"): (_S._lost, "closed"),
    ("awaiting_header", "header"): (_S._send_handshake, "awaiting_handshake"),
    ("awaiting_header", "foreign_header"): (_S._misled, "closed"),
    ("awaiting_header", "close"): (_S._send_end, "closing"),
    ("awaiting_header", "unreadable"): (_S._unreadable, "closed"),
    ("awaiting_header", "eof"): (_S._lost, "closed"),
    ("awaiting_handshake", "handshake"): (_S._authenticate, "established"),
    ("awaiting_handshake", "stanza"): (_S._too_early, "closed"),
    ("awaiting_handshake", "oversized"): (_S._too_early, "closed"),
    ("awaiting_handshake", "error"): (_S._failed, "closed"),
    ("awaiting_handshake", "closing_tag"): (_S._turned_away, "closed"),
    ("awaiting_handshake", "close"): (_S._send_end, "closing"),
    ("awaiting_handshake", "unreadable"): (_S._unreadable, "closed"),
    ("awaiting_handshake", "eof"): (_S._turned_away, "closed"),
    ("established", "stanza"): (_S._deliver, "established"),
    ("established", "oversized"): (_S._refuse_size, "established"),
    ("established", "error"): (_S._failed, "closed"),
    ("established", "closing_tag"): (_S._left, "closed"),
    ("established", "ping"): (_S._send_ping, "established"),
    ("established", "close"): (_S._send_end, "closing"),
    ("established", "unreadable"): (_S._unreadable, "closed"),
    ("established", "eof"): (_S._lost, "closed"),
    ("closing", "stanza"): (_S._deliver, "closing"),
    ("closing", "error"): (_S._ended, "closed"),
    ("closing", "closing_tag"): (_S._ended, "closed"),
    ("closing", "unreadable"): (_S._ended, "closed"),
    ("closing", "eof"): (_S._ended, "closed"),
}
