"""One attempt of `xmppbridge probe` at a server: TCP, TLS, the stream, our pair; each step is told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from bridge.federation.connection import Connection
from bridge.xmpp.element import Element
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.stream_events import Event, PairOpened, PairRefused, Ready, StreamFailed

Tell = Callable[[str], None]
"""Takes one step, in words."""


class ToldStream(OutgoingStream):
    """An outgoing stream that tells what the peer offers and answers."""

    tell: Tell

    def _header(self, element: Element) -> None:
        self.tell(f"stream: id {element.get('id')}, version {element.get('version') or 'none'}")
        super()._header(element)

    def _features_offered(self, features: Element) -> None:
        self.tell(f"features: {', '.join(dict.fromkeys(map(_feature, features.elements()))) or 'none'}")
        super()._features_offered(features)

    def _success(self, element: Element) -> None:
        self.tell("EXTERNAL: our certificate is accepted")
        super()._success(element)

    def _failure(self, element: Element) -> None:
        condition = next((child.name for child in element.elements()), "no reason")
        self.tell(f"EXTERNAL: our certificate is refused ({condition})")
        super()._failure(element)

    def _fall_back(self, condition: str) -> None:
        if not self.tried_external:
            self.tell("EXTERNAL: not offered, or we have no certificate")
        if self.has_dialback:
            self.tell(f"dialback: asked for; {self.remote} now asks the server of {self.local} about our key")
        super()._fall_back(condition)


def _feature(feature: Element) -> str:
    """Name a feature with what stands in it, like ``mechanisms (EXTERNAL)``."""
    inside = [child.text().strip() or child.name for child in feature.elements()]
    return f"{feature.name} ({', '.join(inside)})" if inside else feature.name


class Attempt:
    """What happens on one connection; implements `connection.Owner`.

    `tls` makes TLS connections; `judge` tells what the peer's certificate is worth, and returns what is
    wrong with it. `done` fires with whether the peer takes our stanzas.
    """

    def __init__(
        self,
        tls: Callable[[], Any],
        judge: Callable[[Any], Coroutine[Any, Any, str]],
        tell: Tell,
        *,
        direct_tls: bool,
    ) -> None:
        self.done: Deferred[bool] = Deferred()
        self._direct_tls = direct_tls
        self._tls = tls
        self._judge = judge
        self._tell = tell
        self._on: dict[type[Any], Callable[[OutgoingStream, Any], None]] = {
            Ready: self._ready,
            PairOpened: self._opened,
            PairRefused: self._refused,
            StreamFailed: self._failed,
        }

    def opened(self, connection: Connection) -> None:
        """TCP is up."""
        stream = connection.stream
        assert isinstance(stream, ToldStream)
        stream.tell = self._tell
        if self._direct_tls:
            connection.start_tls()
        else:
            stream.start()

    def tls(self, connection: Connection) -> Any:
        """TLS begins."""
        return self._tls()

    def secured(self, connection: Connection) -> None:
        """TLS is up: tell how, and judge the certificate."""
        handle = connection.transport.getHandle()
        protocol = handle.get_alpn_proto_negotiated().decode("ascii", "replace")
        self._tell(
            f"TLS: {handle.get_protocol_version_name()}, {handle.get_cipher_name()}"
            f"{f', ALPN {protocol}' if protocol else ''}"
        )
        judging = Deferred.fromCoroutine(self._judge(connection.transport))
        judging.addCallbacks(self._judged, self.done.errback, callbackArgs=(connection,))

    def _judged(self, problem: str, connection: Connection) -> None:
        stream = connection.stream
        assert isinstance(stream, OutgoingStream)
        if connection.is_gone:
            return
        fresh = stream.state == "idle"
        stream.tls_started(problem)
        if fresh:
            stream.start()
        connection.settle()

    def happened(self, connection: Connection, event: Event) -> None:
        """Take an event of the stream."""
        action = self._on.get(type(event))
        if action is not None:
            assert isinstance(connection.stream, OutgoingStream)
            action(connection.stream, event)

    def _ready(self, stream: OutgoingStream, _: Ready) -> None:
        stream.authenticate()

    def _opened(self, stream: OutgoingStream, event: PairOpened) -> None:
        self._tell(f"stanzas can be sent: {event.pair.sender} → {event.pair.target}")
        self._finish(True)

    def _refused(self, stream: OutgoingStream, event: PairRefused) -> None:
        self._tell(f"refused: {event.condition}")
        self._finish(False)

    def _failed(self, stream: OutgoingStream, event: StreamFailed) -> None:
        if self.done.called:
            return
        who = "the peer" if event.by_peer else "us"
        reason = " ".join(filter(None, (event.condition, event.text))) or "the connection was lost"
        self._tell(f"stream: ended by {who}: {reason}")

    def received(self, connection: Connection, size: int, stanzas: int) -> float:
        """What comes is little; it is never held back."""
        return 0.0

    def writable(self, connection: Connection) -> None:
        """What is sent is little; it never waits."""

    def closed(self, connection: Connection, reason: str) -> None:
        """The connection is gone."""
        if not self.done.called:
            self._tell(f"connection lost: {reason}")
        self._finish(False)

    def _finish(self, reached: bool) -> None:
        if not self.done.called:
            self.done.callback(reached)
