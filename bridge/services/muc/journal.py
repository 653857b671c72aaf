"""Accepted messages whose fate is not known yet, kept over a crash: none is lost silently.

What is settled at once is never written; what waits longer than a moment is (paced, or the link
is slow). After a crash each sender is told which of his messages may not have arrived.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.events import Ref, UserId
from bridge.store import Store
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT, error_reply

MOMENT = 0.1
"""Seconds that an accepted message may be without either an outcome or an entry in the store."""


class Envelope(Struct, frozen=True):
    """What must be known of a message to tell its sender that it was not delivered."""

    full_jid: str
    to: str
    id: str
    kind: str

    def undelivered(self, error: BridgeError) -> Element:
        """RFC 6120 §8.3.1: the error that answers it."""
        attributes = {"from": self.full_jid, "to": self.to, "id": self.id or None, "type": self.kind}
        reply = error_reply(Element("message", NS_COMPONENT, attributes), error)
        assert reply is not None
        return reply


class Journal:
    """Keeps the envelopes of messages under way in one gateway domain."""

    log = Logger()

    def __init__(self, domain: str, store: Store, clock: IReactorTime) -> None:
        self._domain = domain
        self._store = store
        self._clock = clock
        self._fresh: dict[Ref, tuple[UserId, Envelope]] = {}
        self._due: IDelayedCall | None = None

    def accepted(self, ref: Ref, user: UserId, envelope: Envelope) -> None:
        """A message is under way."""
        self._fresh[ref] = (user, envelope)
        if self._due is None:
            self._due = self._clock.callLater(MOMENT, self._keep)

    def settled(self, ref: Ref, user: UserId) -> None:
        """Its sender knows, or will see, what became of it."""
        if self._fresh.pop(ref, None) is None:
            self._store.settled(self._domain, user, ref)

    def _keep(self) -> None:
        self._due = None
        fresh, self._fresh = self._fresh, {}
        try:
            for ref, (user, envelope) in fresh.items():
                self._store.journal(self._domain, user, ref, msgspec.json.encode(envelope))
        except BridgeError as error:
            self.log.warn("messages under way are not journalled: {error}", error=error)

    def report(self, send: Callable[[Element], None]) -> None:
        """Tell the senders of what was under way when the bridge crashed; once."""
        for kept in self._store.journalled(self._domain):
            envelope = msgspec.json.decode(kept.stanza, type=Envelope)
            send(
                envelope.undelivered(
                    BridgeError(Trouble.LOST, "The gateway restarted before this was delivered.")
                )
            )
            self._store.settled(self._domain, kept.owner, kept.ref)
