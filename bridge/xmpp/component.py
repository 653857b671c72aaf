"""XEP-0114's two sides as pure machines: bytes in, events and bytes out.

A component opens a stream to the server of its domain (`ComponentStream`); a server takes the streams
of the components that it hosts (`IncomingComponentStream`). What happens is a table for each side,
(state, input) → (action, next state), where an action that fails the stream closes it; an input that
a state's rows do not name is ignored there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha1
from hmac import compare_digest
from typing import Any, ClassVar, Literal

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element, quote
from bridge.xmpp.jid import Jid, JidError
from bridge.xmpp.stanza import CONTENT_NAMESPACES, NS_COMPONENT, STANZAS, error_reply, normalise
from bridge.xmpp.stream import END, NS_STREAM_ERRORS, header, read_stream_error, stream_error
from bridge.xmpp.xml import NS_STREAMS, Limits, Oversized, StreamOpened, StreamParser, XmlError
from bridge.xmpp.xml import Event as XmlEvent

LIMITS = Limits(skip_bytes=8 * 1024 * 1024)
"""The peer relays what strangers wrote, escaped anew: a large stanza is refused, the stream goes on."""
STRANGERS_BYTES = 10_000
"""Bytes that a component may send before it has proven its secret."""
PING_ID = "xmppbridge-keep-alive"

State = Literal["idle", "awaiting_header", "awaiting_handshake", "established", "closing", "closed"]
Input = Literal[
    # ours
    "start", "ping", "close", "fail",
    # the peer's
    "header", "foreign_header", "handshake", "stanza", "oversized", "other", "error", "closing_tag",
    # the link's
    "unreadable", "eof",
]  # fmt: skip

REFUSALS = frozenset({"conflict", "host-gone", "host-unknown", "invalid-namespace", "not-authorized"})
"""Stream errors (RFC 6120 §4.9.3) that trying again soon does not cure."""


class Authenticated(Struct, frozen=True):
    """The secret is proven and accepted; stanzas may be sent."""


class StreamFailed(Struct, frozen=True):
    """The stream ended against our will.

    `condition` is RFC 6120 §4.9.3's, "" if the peer just went; `refused`: the server does not want
    us as this component, and will not soon.
    """

    condition: str
    text: str
    refused: bool


class StreamEnded(Struct, frozen=True):
    """The stream was closed properly."""


Event = Authenticated | Element | StreamFailed | StreamEnded


_Table = Mapping[tuple[State, Input], tuple[Callable[[Any, Element], None], State]]


class _Stream:
    """What both sides share; actions get the element that their input carries."""

    _table: ClassVar[_Table]

    def __init__(self, state: State) -> None:
        self.state = state
        self._parser = StreamParser(LIMITS)
        self._events: list[Event] = []
        self._out: list[bytes] = []

    def send(self, stanzas: bytes) -> None:
        """Send serialised stanzas; only after `Authenticated`."""
        if self.state != "established":
            raise ValueError(f"no stanzas while {self.state}")
        self._out.append(stanzas)

    def ping(self) -> None:
        """Say something that shows whether the link is alive."""
        self._input("ping", _NOTHING)

    def close(self) -> None:
        """End the stream properly (RFC 6120 §4.4)."""
        self._input("close", _NOTHING)

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer."""
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
        row = self._table.get((self.state, kind))
        if row is not None:
            action, self.state = row
            action(self, element)

    def _send_end(self, _: Element) -> None:
        self._out.append(END)

    def _answer(self, stanza: Element, trouble: Trouble) -> None:
        reply = error_reply(normalise(stanza), BridgeError(trouble))
        if reply is not None:
            self._out.append(reply.to_xml(NS_COMPONENT).encode())

    def _refuse_size(self, stanza: Element) -> None:
        self._answer(stanza, Trouble.TOO_LONG)

    def _failed(self, error: Element) -> None:
        """RFC 6120 §4.9: the peer's error is answered by the closing tag."""
        condition, text = read_stream_error(error)
        self._out.append(END)
        self._fail(condition, text)

    def _lost(self, _: Element) -> None:
        self._fail("", "the link broke")

    def _ended(self, _: Element) -> None:
        self._events.append(StreamEnded())

    def _refuse(self, condition: str, text: str) -> None:
        """End by a stream error of ours (RFC 6120 §4.9.1.1)."""
        self._out.append(stream_error(condition))
        self._fail(condition, text)

    def _fail(self, condition: str, text: str) -> None:
        self.state = "closed"
        self._events.append(StreamFailed(condition, text, condition in REFUSALS))


class ComponentStream(_Stream):
    """One stream to the server of a component's domain."""

    def __init__(self, domain: str, secret: str) -> None:
        super().__init__("idle")
        self._domain = domain
        self._secret = secret

    def start(self) -> None:
        """Open the stream."""
        self._input("start", _NOTHING)

    def _send_header(self, _: Element) -> None:
        self._out.append(header(NS_COMPONENT, to=self._domain))

    def _send_handshake(self, opened: Element) -> None:
        digest = _digest(opened.attributes.get("id", ""), self._secret)
        self._out.append(f"<handshake>{digest}</handshake>".encode())

    def _send_ping(self, _: Element) -> None:
        """A ping (XEP-0199) to our own domain: the server routes it back to us."""
        self._out.append(
            f"<iq type='get' id='{PING_ID}' from='{quote(self._domain)}' to='{quote(self._domain)}'>"
            "<ping xmlns='urn:xmpp:ping'/></iq>".encode()
        )

    def _authenticate(self, _: Element) -> None:
        self._events.append(Authenticated())

    def _deliver(self, stanza: Element) -> None:
        given = stanza.attributes
        if given.get("id") != PING_ID or given.get("from") != self._domain:
            self._events.append(normalise(stanza))

    def _misled(self, _: Element) -> None:
        self._refuse("invalid-namespace", "this is not the server's port for components")

    def _too_early(self, _: Element) -> None:
        self._refuse("not-authorized", "stanzas came before the handshake's answer")

    def _unreadable(self, condition: Element) -> None:
        self._refuse(condition.name, "the server's XML cannot be read")

    def _left(self, _: Element) -> None:
        self._out.append(END)
        self._fail("", "the server ended the stream")

    def _turned_away(self, _: Element) -> None:
        """COMPAT: some servers answer a wrong secret by hanging up."""
        self._fail("not-authorized", "the server hung up after the handshake")

    _table: ClassVar[_Table] = {
        ("idle", "start"): (_send_header, "awaiting_header"),
        ("idle", "eof"): (_Stream._lost, "closed"),
        ("awaiting_header", "header"): (_send_handshake, "awaiting_handshake"),
        ("awaiting_header", "foreign_header"): (_misled, "closed"),
        ("awaiting_header", "close"): (_Stream._send_end, "closing"),
        ("awaiting_header", "unreadable"): (_unreadable, "closed"),
        ("awaiting_header", "eof"): (_Stream._lost, "closed"),
        ("awaiting_handshake", "handshake"): (_authenticate, "established"),
        ("awaiting_handshake", "stanza"): (_too_early, "closed"),
        ("awaiting_handshake", "oversized"): (_too_early, "closed"),
        ("awaiting_handshake", "error"): (_Stream._failed, "closed"),
        ("awaiting_handshake", "closing_tag"): (_turned_away, "closed"),
        ("awaiting_handshake", "close"): (_Stream._send_end, "closing"),
        ("awaiting_handshake", "unreadable"): (_unreadable, "closed"),
        ("awaiting_handshake", "eof"): (_turned_away, "closed"),
        ("established", "stanza"): (_deliver, "established"),
        ("established", "oversized"): (_Stream._refuse_size, "established"),
        ("established", "error"): (_Stream._failed, "closed"),
        ("established", "closing_tag"): (_left, "closed"),
        ("established", "ping"): (_send_ping, "established"),
        ("established", "close"): (_Stream._send_end, "closing"),
        ("established", "unreadable"): (_unreadable, "closed"),
        ("established", "eof"): (_Stream._lost, "closed"),
        ("closing", "stanza"): (_deliver, "closing"),
        ("closing", "error"): (_Stream._ended, "closed"),
        ("closing", "closing_tag"): (_Stream._ended, "closed"),
        ("closing", "unreadable"): (_Stream._ended, "closed"),
        ("closing", "eof"): (_Stream._ended, "closed"),
    }


class IncomingComponentStream(_Stream):
    """One stream of a component that connects to us; `ident` is the stream's unguessable id.

    `secret_of` tells the secret of a hosted domain, None if it is not hosted; `is_taken` whether a
    domain has a connection already that keeps it.
    """

    def __init__(
        self, ident: str, secret_of: Callable[[str], str | None], is_taken: Callable[[str], bool]
    ) -> None:
        super().__init__("awaiting_header")
        self.domain = ""
        """The domain that the component says it serves; prepared."""
        self._id = ident
        self._secret_of, self._is_taken = secret_of, is_taken
        self._secret = ""
        self._is_opened = False
        self._early_bytes = 0

    def fail(self, condition: str) -> None:
        """End the stream with an error (RFC 6120 §4.9.3)."""
        self._input("fail", Element(condition, NS_STREAM_ERRORS))

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the component; a stranger may send few."""
        super().receive_data(data)
        if self.state in ("awaiting_header", "awaiting_handshake"):
            self._early_bytes += len(data)
            if self._early_bytes > STRANGERS_BYTES:
                self.fail("policy-violation")

    def _greet(self, opened: Element) -> None:
        """XEP-0114 §3: `to` is the component's own name."""
        try:
            named = str(Jid.parse(opened.attributes.get("to", "")))
        except JidError:
            return self._refuse("improper-addressing", "the header names no domain")
        secret = self._secret_of(named)
        if secret is None:
            return self._refuse("host-unknown", f"there is no component {named}")
        self.domain, self._secret = named, secret
        return self._send_header()

    def _send_header(self) -> None:
        self._is_opened = True
        self._out.append(header(NS_COMPONENT, from_=self.domain, id=self._id))

    def _check(self, handshake: Element) -> None:
        """COMPAT: Prosody takes a digest in upper case, too."""
        given = handshake.text().strip().lower()
        if not compare_digest(given.encode(), _digest(self._id, self._secret).encode()):
            return self._refuse("not-authorized", "the secret is wrong")
        if self._is_taken(self.domain):
            return self._refuse("conflict", "the component is connected already")
        self._out.append(b"<handshake/>")
        return self._events.append(Authenticated())

    def _send_space(self, _: Element) -> None:
        """RFC 6120 §4.6.1: it needs no answer but the network's own."""
        self._out.append(b" ")

    def _is_own(self, stanza: Element) -> bool:
        """RFC 6120 §8.1.2.2. COMPAT: Prosody adds a `from`, so that components exist that send none."""
        try:
            return Jid.parse(stanza.attributes.setdefault("from", self.domain)).domain == self.domain
        except JidError:
            return False

    def _deliver(self, stanza: Element) -> None:
        if not self._is_own(stanza):
            self._refuse("invalid-from", "it sent a stanza of another domain")
        elif not stanza.attributes.get("to"):
            stanza.attributes["to"] = self.domain  # whom the answer is from
            self._answer(stanza, Trouble.BAD_REQUEST)
        else:
            self._events.append(normalise(stanza))

    def _deliver_last(self, stanza: Element) -> None:
        """After our closing tag nothing can be said any more."""
        if self._is_own(stanza) and stanza.attributes.get("to"):
            self._events.append(normalise(stanza))

    def _refuse_size(self, stanza: Element) -> None:
        if self._is_own(stanza):
            super()._refuse_size(stanza)
        else:
            self._refuse("invalid-from", "it sent a stanza of another domain")

    def _foreign(self, _: Element) -> None:
        self._refuse("invalid-namespace", "this is no component's stream")

    def _too_early(self, _: Element) -> None:
        self._refuse("not-authorized", "stanzas came before the handshake")

    def _unsupported(self, _: Element) -> None:
        self._refuse("unsupported-stanza-type", "it sent what is no stanza")

    def _unreadable(self, condition: Element) -> None:
        self._refuse(condition.name, "its XML cannot be read")

    def _dismiss(self, condition: Element) -> None:
        self._refuse(condition.name, "")

    def _left(self, end: Element) -> None:
        """RFC 6120 §4.4: a component may go."""
        self._send_end(end)
        self._ended(end)

    def _send_end(self, _: Element) -> None:
        if not self._is_opened:
            self._send_header()
        self._out.append(END)

    def _refuse(self, condition: str, text: str) -> None:
        """RFC 6120 §4.9.1.2: an error needs an open stream around it."""
        if not self._is_opened:
            self._send_header()
        self._out.append(stream_error(condition, text))
        self._fail(condition, text)

    _table: ClassVar[_Table] = {
        ("awaiting_header", "header"): (_greet, "awaiting_handshake"),
        ("awaiting_header", "foreign_header"): (_foreign, "closed"),
        ("awaiting_header", "unreadable"): (_unreadable, "closed"),
        ("awaiting_header", "fail"): (_dismiss, "closed"),
        ("awaiting_header", "close"): (_left, "closed"),
        ("awaiting_header", "eof"): (_Stream._lost, "closed"),
        ("awaiting_handshake", "handshake"): (_check, "established"),
        ("awaiting_handshake", "stanza"): (_too_early, "closed"),
        ("awaiting_handshake", "oversized"): (_too_early, "closed"),
        ("awaiting_handshake", "other"): (_too_early, "closed"),
        ("awaiting_handshake", "error"): (_Stream._failed, "closed"),
        ("awaiting_handshake", "closing_tag"): (_left, "closed"),
        ("awaiting_handshake", "unreadable"): (_unreadable, "closed"),
        ("awaiting_handshake", "fail"): (_dismiss, "closed"),
        ("awaiting_handshake", "close"): (_left, "closed"),
        ("awaiting_handshake", "eof"): (_Stream._lost, "closed"),
        ("established", "stanza"): (_deliver, "established"),
        ("established", "oversized"): (_refuse_size, "established"),
        ("established", "other"): (_unsupported, "closed"),
        ("established", "error"): (_Stream._failed, "closed"),
        ("established", "closing_tag"): (_left, "closed"),
        ("established", "unreadable"): (_unreadable, "closed"),
        ("established", "ping"): (_send_space, "established"),
        ("established", "fail"): (_dismiss, "closed"),
        ("established", "close"): (_send_end, "closing"),
        ("established", "eof"): (_Stream._lost, "closed"),
        ("closing", "stanza"): (_deliver_last, "closing"),
        ("closing", "error"): (_Stream._ended, "closed"),
        ("closing", "closing_tag"): (_Stream._ended, "closed"),
        ("closing", "unreadable"): (_Stream._ended, "closed"),
        ("closing", "eof"): (_Stream._ended, "closed"),
    }


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


def _digest(ident: str, secret: str) -> str:
    """XEP-0114 §3."""
    return sha1(f"{ident}{secret}".encode(), usedforsecurity=False).hexdigest()
