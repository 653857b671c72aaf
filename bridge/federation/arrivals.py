"""What comes over the streams of other servers, whoever opened them."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from bridge.errors import BridgeError, Trouble
from bridge.federation.connection import Connection
from bridge.federation.exchange import Exchange
from bridge.federation.guard import Guard
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import error_reply, normalise
from bridge.xmpp.stream_events import AcknowledgementRequested, Event, TooLarge

SETTLING = 0.3
"""Seconds before a stanza counts as handled (XEP-0198 §4): by then it was passed on, or is in the journal."""


class Arrivals:
    """Passes stanzas on to whom they are for; both owners of connections have one."""

    def __init__(self, exchange: Exchange, guard: Guard, clock: IReactorTime) -> None:
        self._exchange = exchange
        self._guard = guard
        self._clock = clock
        self._to_acknowledge: dict[Connection, int] = {}
        """What the latest questions ask about, while an answer is under way."""

    def take(self, connection: Connection, event: Event) -> bool:
        """Deal with an event if it is of this kind; False if it is not."""
        if isinstance(event, Element):
            self._exchange.arrive(event)
        elif isinstance(event, TooLarge):
            self._refuse(event.stanza)
        elif isinstance(event, AcknowledgementRequested):
            self._settle(connection, event.handled)
        else:
            return False
        return True

    def count(self, connection: Connection, size: int, stanzas: int) -> float:
        """Count what came; returns the seconds for which nothing more should be read."""
        return self._guard.take(connection.stream.remote, size, stanzas)

    def _refuse(self, stanza: Element) -> None:
        reply = error_reply(normalise(stanza), BridgeError(Trouble.TOO_LONG))
        if reply is not None:
            self._exchange.submit(reply)

    def _settle(self, connection: Connection, handled: int) -> None:
        """However often a peer asks, it is answered once in a while."""
        if connection not in self._to_acknowledge:
            self._clock.callLater(SETTLING, self._acknowledge, connection, handled)
        self._to_acknowledge[connection] = handled

    def _acknowledge(self, connection: Connection, handled: int) -> None:
        latest = self._to_acknowledge.pop(connection)
        connection.stream.acknowledge(handled)
        connection.flush()
        if latest != handled and not connection.is_gone:
            self._settle(connection, latest)
