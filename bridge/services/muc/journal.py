"""Accepted messages whose fate is not known yet, kept over a crash: none is lost silently.

What is settled at once is never written; what waits longer than a moment is (paced, or the link
is slow). After a crash the network goes on with what it can do once only however often it tries; of
the rest each sender is told that it may not have arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import Ref, UserId
from bridge.store import STANZA_BYTES, Journalled, Store
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT, error_reply

MOMENT = 0.1
"""Seconds that an accepted message may be without either an outcome or an entry in the store."""
NOT_KNOWN = "The gateway restarted; it is not known whether this was delivered."


class Envelope(Struct, frozen=True):
    """What must be known of a message to tell its sender what became of it.

    A room reflects it with `extras`, and with `markup` as its formatted body. `again` is by what the network
    goes on with it after a crash, b"" if it cannot.
    """

    full_jid: str
    to: str
    id: str
    kind: str
    extras: str = ""
    markup: str = ""
    is_receipt_wanted: bool = False
    again: bytes = b""

    @property
    def least(self) -> Envelope:
        """What it takes to tell the sender of a failure."""
        return Envelope(self.full_jid, self.to, self.id, self.kind)

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
        self._left: list[Journalled] = []
        self._due: IDelayedCall | None = None

    def accepted(self, ref: Ref, user: UserId, envelope: Envelope) -> None:
        """A message is under way."""
        self._fresh[ref] = (user, envelope)
        if self._due is None:
            self._due = self._clock.callLater(MOMENT, self._keep)

    def repeatable(self, ref: Ref, user: UserId, envelope: Envelope) -> Deferred[None] | None:
        """The network can go on with it after a crash, from now on.

        Fires, and never fails, when the store does not say otherwise any more; None if it does not.
        """
        if ref in self._fresh:
            self._fresh[ref] = (user, envelope)
            return None
        self._write(ref, user, envelope)
        return self._store.flush().addErrback(self._unkept)

    def _unkept(self, failure: Failure) -> None:
        failure.trap(BridgeError)
        self.log.warn("a message under way is not on disk: {error}", error=failure.value)

    def settled(self, ref: Ref, user: UserId) -> None:
        """Its sender knows, or will see, what became of it."""
        if self._fresh.pop(ref, None) is None:
            self._store.settled(self._domain, user, ref)

    def _keep(self) -> None:
        self._due = None
        fresh, self._fresh = self._fresh, {}
        for ref, (user, envelope) in fresh.items():
            self._write(ref, user, envelope)

    def _write(self, ref: Ref, user: UserId, envelope: Envelope) -> None:
        data = msgspec.json.encode(envelope)
        if len(data) > STANZA_BYTES:
            data = msgspec.json.encode(envelope.least)
        try:
            self._store.journal(self._domain, user, ref, data)
        except BridgeError as error:
            self.log.warn("a message under way is not journalled: {error}", error=error)

    # ---- after a crash

    def repeatables(self) -> Iterator[tuple[Ref, UserId, Envelope]]:
        """Iterate, once, over what the network goes on with; it stays in the store until it is settled."""
        self._left += self._store.journalled(self._domain)
        left, self._left = self._left, []
        for kept in left:
            envelope = msgspec.json.decode(kept.stanza, type=Envelope)
            if envelope.again:
                yield Ref(kept.ref), UserId(kept.owner), envelope
            else:
                self._left.append(kept)

    def report(self, send: Callable[[Element], None]) -> None:
        """Tell the senders of what else was under way when the bridge crashed; once."""
        left, self._left = [*self._left, *self._store.journalled(self._domain)], []
        for kept in left:
            envelope = msgspec.json.decode(kept.stanza, type=Envelope)
            send(envelope.undelivered(BridgeError(Trouble.LOST, NOT_KNOWN)))
            self._store.settled(self._domain, kept.owner, kept.ref)
