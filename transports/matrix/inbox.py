"""Events of the homeserver on their way in: durable before it is told so, each once, in order per room."""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId
from bridge.network import Uplink
from transports.matrix.order import InOrder

NOBODY = UserId("")
"""Whose memory holds what is the gateway's own."""
TRANSACTIONS = "transactions"
"""Under which key the last transactions are remembered."""
LAST_TRANSACTIONS = 50
"""Transactions that are remembered: a homeserver repeats the one it got no answer to."""
LAST_EVENTS = 20_000
"""Event ids that are remembered."""
ID_LENGTH = 255
"""Bytes of an id (MX v1.19 appendices/event-ids), and characters of a transaction's that are looked at."""
HELD = 100
"""Transactions that may wait while nothing can be passed on."""
ENVELOPE = ("type", "sender", "room_id", "event_id", "state_key")
"""What is a string in every event that has it."""
EVENT_ID = re.compile(rb'"event_id"\s*:\s*"([!-~]{1,255}?)"')
"""To name an event in the log that cannot be read."""

Event = Mapping[str, Any]


class Inbox:
    """See the module's docstring.

    `handle` is given an event and may return a Deferred: the next of the room waits for it. What it
    raises is logged, and the event is done with. `ephemeral` is given what is not kept at all. At most
    `limit` events may wait to be handled.
    """

    log = Logger()

    def __init__(
        self,
        uplink: Uplink,
        handle: Callable[[Event], Deferred[None] | None],
        ephemeral: Callable[[Event], None],
        limit: int,
    ) -> None:
        self._uplink = uplink
        self._handle = handle
        self._ephemeral = ephemeral
        self._limit = limit
        # the bound is that of `receive`: once taken, an event is not refused
        self._rooms = InOrder(sys.maxsize, sys.maxsize)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._transactions: list[str] = []
        self._held: list[Deferred[None]] | None = None

    def start(self) -> None:
        """Go on with what an earlier run took in."""
        try:
            stored = self._uplink.memory(NOBODY).get(TRANSACTIONS, b"[]")
            self._transactions = msgspec.json.decode(stored, type=list[str])
        except msgspec.DecodeError:
            self._transactions = []
        for number, data in self._uplink.kept():
            event = self._read(data)
            if event is not None and self._is_new(event):
                self._begin(event, number)
            else:
                self._uplink.done(number)

    def receive(
        self, transaction: str, events: Sequence[bytes], ephemeral: Sequence[bytes]
    ) -> Deferred[None]:
        """Take a transaction; fires when it is durable (see `appservice.Receive`)."""
        return Deferred.fromCoroutine(self._receive(transaction[:ID_LENGTH], events, ephemeral))

    async def _receive(self, transaction: str, events: Sequence[bytes], ephemeral: Sequence[bytes]) -> None:
        if self._held is not None:
            await self._wait(self._held)
        if transaction in self._transactions:
            # it may be on its way to the disk still
            await self._uplink.durable()
            return
        if self._rooms and len(self._rooms) + len(events) > self._limit:
            raise BridgeError(Trouble.OVERLOADED)
        kept: list[tuple[Event, int]] = []
        try:
            for data in events:
                self._keep(data, kept)
            self._remember([*self._transactions, transaction][-LAST_TRANSACTIONS:])
            await self._uplink.durable()
        except BridgeError:
            # it comes again, and is then as new
            self._forget(transaction, kept)
            raise
        for event, number in kept:
            self._begin(event, number)
        for data in ephemeral:
            self._pass_by(data)

    def _wait(self, held: list[Deferred[None]]) -> Deferred[None]:
        if len(held) >= HELD:
            return fail(BridgeError(Trouble.OVERLOADED))
        waiting: Deferred[None] = Deferred()
        held.append(waiting)
        return waiting

    def _keep(self, data: bytes, kept: list[tuple[Event, int]]) -> None:
        """Keep an event, unless it came before or can be of no use."""
        event = self._read(data)
        if event is None or not self._is_new(event):
            return
        try:
            kept.append((event, self._uplink.keep(data)))
        except BridgeError as error:
            if error.trouble is not Trouble.TOO_LONG:
                self._seen.pop(_id(event), None)
                raise
            self.log.error("the event {id} is skipped: it is too long", id=_id(event))

    def _remember(self, transactions: list[str]) -> None:
        self._uplink.remember(NOBODY, TRANSACTIONS, msgspec.json.encode(transactions))
        self._transactions = transactions

    def _forget(self, transaction: str, kept: Sequence[tuple[Event, int]]) -> None:
        for event, number in kept:
            self._seen.pop(_id(event), None)
            self._uplink.done(number)
        if transaction in self._transactions:
            self._transactions.remove(transaction)

    def _read(self, data: bytes) -> Event | None:
        try:
            event = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            event = None
        if not isinstance(event, dict) or not all(isinstance(event.get(key, ""), str) for key in ENVELOPE):
            found = EVENT_ID.search(data)
            id = found[1].decode("ascii", "replace") if found else "without an id"
            self.log.error("the event {id} is skipped: it cannot be read", id=id)
            return None
        return event

    def _is_new(self, event: Event) -> bool:
        """Tell whether the event did not come before; one without an id is always new."""
        id = _id(event)
        if not id:
            return True
        if id in self._seen:
            return False
        self._seen[id] = None
        if len(self._seen) > LAST_EVENTS:
            self._seen.popitem(last=False)
        return True

    def _begin(self, event: Event, number: int) -> None:
        room = event.get("room_id")
        handling = self._rooms.run(room if isinstance(room, str) else "", lambda: self._handle(event))
        handling.addErrback(self._failed, _id(event)).addBoth(lambda _: self._uplink.done(number))

    def _failed(self, failure: Failure, id: str) -> None:
        self.log.failure("the event {id} is skipped", failure, id=id)

    def _pass_by(self, data: bytes) -> None:
        event = self._read(data)
        if event is not None:
            try:
                self._ephemeral(event)
            except Exception:
                self.log.failure("an ephemeral event is skipped")

    def hold(self) -> None:
        """Let the homeserver wait: nothing more can be passed on now."""
        if self._held is None:
            self._held = []

    def go_on(self) -> None:
        """Take in what waits, and what comes."""
        held, self._held = self._held, None
        for waiting in held or ():
            waiting.callback(None)


def _id(event: Event) -> str:
    id = event.get("event_id")
    return id[:ID_LENGTH] if isinstance(id, str) else ""
