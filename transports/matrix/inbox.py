"""Events of the homeserver on their way in: durable before it is told so, each once, in order per room."""

from __future__ import annotations

import contextlib
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId
from bridge.network import Uplink
from transports.matrix.content import time_of
from transports.matrix.order import InOrder

NOBODY = UserId("")
"""Whose memory holds what is the gateway's own."""
TRANSACTIONS = "transactions"
"""Under which key the last transactions are remembered."""
LAST_TRANSACTIONS = 50
"""Transactions that are remembered: a homeserver repeats the one it got no answer to."""
LAST_EVENTS = 20_000
"""Event ids that are remembered."""
RECORD = "events "
"""Begins the keys under which the ids of what came are remembered, by transaction."""
RECORDS = 100
"""Transactions whose events are remembered over a restart."""
ID_LENGTH = 255
"""Bytes of an id (MX v1.19 appendices/event-ids), and characters of a transaction's that are looked at."""
HELD = 100
"""Transactions that may wait while nothing can be passed on."""
ENVELOPE = ("type", "sender", "room_id", "event_id", "state_key")
"""What is a string in every event that has it."""
EVENT_ID = re.compile(rb'"event_id"\s*:\s*"([!-~]{1,255}?)"')
"""To name an event in the log that cannot be read."""

Event = Mapping[str, Any]


class Record(Struct, frozen=True):
    """Which events came together, and when, in seconds since the epoch."""

    time: float
    ids: Sequence[str]


class Inbox:
    """See the module's docstring.

    `handle` is given an event and may return a Deferred: the next of the room waits for it. What it
    raises is logged, and the event is done with. `ephemeral` is given what is not kept at all. At most
    `limit` events may wait to be handled. `now` tells the seconds since the epoch.
    """

    log = Logger()

    def __init__(
        self,
        uplink: Uplink,
        handle: Callable[[Event], Deferred[None] | None],
        ephemeral: Callable[[Event], None],
        limit: int,
        now: Callable[[], float],
    ) -> None:
        self._uplink = uplink
        self._handle = handle
        self._ephemeral = ephemeral
        self._limit = limit
        self._now = now
        # the bound is that of `receive`: once taken, an event is not refused
        self._rooms = InOrder(sys.maxsize, sys.maxsize)
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._known_from = 0.0
        self._records = 0
        self._transactions: list[str] = []
        self._held: list[Deferred[None]] = []
        self._holders: list[object] = []

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
        self._restore()

    def _restore(self) -> None:
        """Know again what came to an earlier run."""
        records: list[tuple[float, int, Record]] = []
        for key, value in self._uplink.memory(NOBODY).items():
            number = key.removeprefix(RECORD)
            if key.startswith(RECORD) and number.isdecimal():
                with contextlib.suppress(msgspec.DecodeError):
                    record = msgspec.json.decode(value, type=Record)
                    records.append((record.time, int(number), record))
        records.sort(key=lambda one: one[0])
        self._known_from = records[0][0] if records else self._now()
        self._records = records[-1][1] + 1 if records else 0
        if not records:
            # whatever is not pushed from now on is missing, should we end before anything is
            self._record([])
        for time, _, record in records:
            self._seen.update((id, time) for id in record.ids if id not in self._seen)

    def knows(self, event: Event) -> bool:
        """Tell whether an event came, or is so old that this is not known any more."""
        return _id(event) in self._seen or (time_of(event) or 0.0) <= self._known_from

    def insert(self, events: Sequence[bytes]) -> Deferred[None]:
        """Take in what should have come, even while all else is held; fires when it is durable."""
        return Deferred.fromCoroutine(self._take("", self._parsed(events)))

    def receive(
        self, transaction: str, events: Sequence[bytes], ephemeral: Sequence[bytes]
    ) -> Deferred[None]:
        """Take a transaction; fires when it is durable (see `appservice.Receive`)."""
        return Deferred.fromCoroutine(self._receive(transaction, events, ephemeral))

    async def _receive(self, transaction: str, events: Sequence[bytes], ephemeral: Sequence[bytes]) -> None:
        if self._holders:
            await self._wait()
        read = self._parsed(events)
        name = _name(transaction, [_id(event) for event, _ in read if event is not None])
        if events and name in self._transactions:
            # it may be on its way to the disk still
            await self._uplink.durable()
            return
        if self._rooms and len(self._rooms) + len(events) > self._limit:
            raise BridgeError(Trouble.OVERLOADED)
        if events:
            await self._take(name, read)
        for data in ephemeral:
            self._pass_by(data)

    def _parsed(self, events: Sequence[bytes]) -> list[tuple[Event | None, bytes]]:
        return [(self._read(data), data) for data in events]

    async def _take(self, name: str, read: Sequence[tuple[Event | None, bytes]]) -> None:
        kept: list[tuple[Event, int]] = []
        try:
            for event, data in read:
                self._keep(event, data, kept)
            if name:
                self._remember([*self._transactions, name][-LAST_TRANSACTIONS:])
            if kept:
                self._record([_id(event) for event, _ in kept])
            await self._uplink.durable()
        except BridgeError:
            # it comes again, and is then as new
            self._forget(name, kept)
            raise
        for event, number in kept:
            self._begin(event, number)

    def _wait(self) -> Deferred[None]:
        if len(self._held) >= HELD:
            return fail(BridgeError(Trouble.OVERLOADED))
        waiting: Deferred[None] = Deferred()
        self._held.append(waiting)
        return waiting

    def _record(self, ids: Sequence[str]) -> None:
        record = msgspec.json.encode(Record(self._now(), ids))
        self._uplink.remember(NOBODY, f"{RECORD}{self._records % RECORDS}", record)
        self._records += 1

    def _keep(self, event: Event | None, data: bytes, kept: list[tuple[Event, int]]) -> None:
        """Keep an event, unless it came before or can be of no use."""
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
        if kept:
            # in place of what is wrong in it
            self._records -= 1
            self._record([])
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
        self._seen[id] = self._now()
        if len(self._seen) > LAST_EVENTS:
            self._known_from = self._seen.popitem(last=False)[1]
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

    def hold(self, holder: object) -> None:
        """Let the homeserver wait: nothing more can be passed on now."""
        if holder not in self._holders:
            self._holders.append(holder)

    def go_on(self, holder: object) -> None:
        """Take in what waits, and what comes, if nobody else holds it."""
        if holder in self._holders:
            self._holders.remove(holder)
        if not self._holders:
            held, self._held = self._held, []
            for waiting in held:
                waiting.callback(None)


def _name(transaction: str, event_ids: Sequence[str]) -> str:
    """Return what tells a transaction from all others.

    COMPAT: Synapse 1.163 on SQLite numbers its transactions from 1 again after a restart.
    """
    return f"{transaction[:ID_LENGTH]} {sha256(' '.join(event_ids).encode()).hexdigest()}"


def _id(event: Event) -> str:
    id = event.get("event_id")
    return id[:ID_LENGTH] if isinstance(id, str) else ""
