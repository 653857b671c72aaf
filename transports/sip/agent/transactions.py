"""All transactions of a user agent: what belongs to which, what is sent, when it is sent again.

Messages come in by `receive` and go out as `Send`; the user of the transactions begins one with
`request`, answers one with `respond`, and takes `events`. Time comes from the clock that is given;
call `expire` when `next_deadline` has come.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from hashlib import blake2s
from itertools import count
from typing import NewType

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.agent.routing import Hop, stamp
from transports.sip.agent.transaction import (
    Action,
    Actions,
    Input,
    State,
    Timer,
    Timings,
    Transaction,
    ack_failure,
    cancel,
    received,
    sent,
)
from transports.sip.wire.headers import MAGIC_COOKIE, Via
from transports.sip.wire.message import Fields, Request, Response, respond

MAX_TRANSACTIONS = 20_000
"""Transactions at a time; a request that would begin one more gets 503."""

TransactionId = NewType("TransactionId", int)
Key = tuple[object, ...]


class Send(Struct, frozen=True):
    """These are to be sent; if it cannot be, call `fail`. `transaction` is None for what has none."""

    hop: Hop
    message: Request | Response
    transaction: TransactionId | None


class Received(Struct, frozen=True):
    """A request that needs an answer."""

    transaction: TransactionId
    request: Request
    hop: Hop


class Responded(Struct, frozen=True):
    """A response to a request of ours; of a 2xx to INVITE there may be several, each wants its ACK."""

    transaction: TransactionId
    response: Response


class Acknowledged(Struct, frozen=True):
    """An ACK of a 2xx: it belongs to a dialog."""

    request: Request
    hop: Hop


class Cancelled(Struct, frozen=True):
    """The INVITE was cancelled before its final response, which should be 487 now. CANCEL is answered."""

    transaction: TransactionId
    request: Request


class TimedOut(Struct, frozen=True):
    """No final response came, or no ACK."""

    transaction: TransactionId


class Failed(Struct, frozen=True):
    """The message could not be sent."""

    transaction: TransactionId


class Ended(Struct, frozen=True):
    """The transaction is gone; nothing more is told of it."""

    transaction: TransactionId


Event = Send | Received | Responded | Acknowledged | Cancelled | TimedOut | Failed | Ended


class Transactions:
    """The transaction layer; `sent_by` says what Via is to say on the way to a hop (port 0 is none).

    `token` makes words that nobody can guess; `secret` keeps the tags of stateless responses from
    being guessed.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        token: Callable[[], str],
        secret: bytes,
        sent_by: Callable[[Hop], tuple[str, int]],
        timings: Timings,
    ) -> None:
        self._clock = clock
        self._token = token
        self._secret = secret
        self._sent_by = sent_by
        self._timings = timings
        self._ids = count(1)
        self._serials = count()
        self._transactions: dict[TransactionId, Transaction] = {}
        self._by_key: dict[Key, TransactionId] = {}
        self._keys: dict[TransactionId, list[Key]] = {}
        self._asked = Counter[str]()
        self._deadlines: list[tuple[float, int, TransactionId, Timer]] = []
        self._events: list[Event] = []

    def __len__(self) -> int:
        return len(self._transactions)

    def awaits(self, host: str) -> bool:
        """Tell whether a request of ours to an address is under way."""
        return host in self._asked

    def events(self) -> list[Event]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def next_deadline(self) -> float | None:
        """Return when `expire` has something to do, in the clock's seconds."""
        while self._deadlines:
            deadline, serial, identifier, timer = self._deadlines[0]
            transaction = self._transactions.get(identifier)
            if transaction is not None and transaction.timers.get(timer) == serial:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def expire(self) -> None:
        """Do what is due."""
        now = self._clock()
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            _, _, identifier, timer = heapq.heappop(self._deadlines)
            del self._transactions[identifier].timers[timer]
            self._step(identifier, timer)

    def request(self, request: Request, hop: Hop, *, is_once: bool = False) -> TransactionId:
        """Send a request that has no Via yet; one that `is_once` is never sent again."""
        return self._send(replace(request, via=(self.via(hop),)), hop, is_once)

    def via(self, hop: Hop) -> Via:
        """Make the Via of a request to a hop."""
        host, port = self._sent_by(hop)
        params = {"branch": MAGIC_COOKIE + self._token(), "rport": ""}
        return Via(transport=hop.transport, host=host, port=port, params=params)

    def cancel(self, identifier: TransactionId, fields: Fields = ()) -> TransactionId | None:
        """Cancel an INVITE of ours; None if it has its final response, or is gone (RFC 3261 §9.1)."""
        transaction = self._transactions.get(identifier)
        if transaction is None or transaction.state not in (State.CALLING, State.PROCEEDING):
            return None
        request = cancel(transaction.request)
        return self._send(replace(request, fields=(*request.fields, *fields)), transaction.hop)

    def _send(self, request: Request, hop: Hop, is_once: bool = False) -> TransactionId:
        key = ("client", request.via[0].branch, request.method)
        return self._begin(Transaction(request, hop, is_client=True, is_once=is_once), key)

    def respond(self, identifier: TransactionId, response: Response) -> None:
        """Answer a request. What comes too late, after the final response, is left out."""
        transaction = self._transactions.get(identifier)
        if transaction is None or not transaction.may(sent(response)):
            return
        transaction.response = response
        if response.status == 401:
            self._may_come_again(identifier, transaction.request)
        self._step(identifier, sent(response))

    def _may_come_again(self, identifier: TransactionId, request: Request) -> None:
        """Let a request that was challenged come again with its number.

        COMPAT Kamailio's uac_auth: it puts credentials on, and leaves the number as it is.
        """
        merge = _merge_key(request)
        if self._by_key.get(merge) == identifier:
            del self._by_key[merge]
            self._keys[identifier].remove(merge)

    def stateless_tag(self, *words: str) -> str:
        """Make a tag that is the same whenever the words are (RFC 3261 §8.2.7)."""
        return blake2s(
            "\0".join(words).encode("utf-8", "surrogateescape"), key=self._secret, digest_size=8
        ).hexdigest()

    def abandon(self, identifier: TransactionId) -> None:
        """Forget a request of ours, as of a cancelled INVITE that nobody answers (RFC 3261 §9.1)."""
        if identifier in self._transactions:
            self._end(identifier)

    def fail(self, identifier: TransactionId) -> None:
        """Tell that something of a transaction could not be sent."""
        if identifier in self._transactions:
            self._step(identifier, Input.ERROR)

    def receive(self, message: Request | Response, hop: Hop) -> None:
        """Take in a message; `hop` is where it came from."""
        if isinstance(message, Response):
            self._receive_response(message)
            return
        request = replace(message, via=(stamp(message.via[0], hop), *message.via[1:]))
        identifier = self._by_key.get(server_key(request, request.method, hop))
        if identifier is not None:
            self._again(identifier, request)
        elif request.method == "ACK":
            self._events.append(Acknowledged(request, hop))
        elif request.method == "CANCEL":
            self._cancel(request, hop)
        else:
            self._new(request, hop)

    def _receive_response(self, response: Response) -> None:
        """Responses to others (RFC 3261 §8.1.3.3) and strays (RFC 6026 §7.2) are dropped."""
        via = response.via[0]
        identifier = self._by_key.get(("client", via.branch, response.cseq.method))
        if identifier is None or len(response.via) > 1:
            return
        transaction = self._transactions[identifier]
        if response.cseq != transaction.request.cseq or response.call_id != transaction.request.call_id:
            return
        if transaction.may(received(response)):
            transaction.arrived = transaction.response = response
            self._step(identifier, received(response))

    def _again(self, identifier: TransactionId, request: Request) -> None:
        transaction = self._transactions[identifier]
        if request.method != "ACK":
            self._step(identifier, Input.REQUEST)
        elif _acknowledges(request, transaction):
            transaction.arrived = request
            self._step(identifier, Input.ACK)

    def _new(self, request: Request, hop: Hop) -> None:
        if len(self._transactions) >= MAX_TRANSACTIONS:
            self._refuse(request, hop, 503)
            return
        merge = _merge_key(request)
        if merge in self._by_key:
            self._refuse(request, hop, 482)
            return
        keys = [server_key(request, request.method, hop)] + ([merge] if not request.to.tag else [])
        self._begin(Transaction(request, hop, is_client=False), *keys)

    def _refuse(self, request: Request, hop: Hop, status: int) -> None:
        tag = self.stateless_tag(request.call_id, request.from_.tag, request.via[0].branch)
        self._events.append(Send(hop, respond(request, status, tag), None))

    def _cancel(self, request: Request, hop: Hop) -> None:
        """Answer CANCEL ourselves; only an INVITE without final response heeds it (RFC 3261 §9.2).

        It has to come from where the INVITE came from, since nobody can ask it for a password.
        """
        identifier = self._by_key.get(server_key(request, "INVITE", hop))
        if identifier is None:
            self._refuse(request, hop, 481)
            return
        transaction = self._transactions[identifier]
        tag = transaction.response.to.tag if transaction.response else ""
        fallback = self.stateless_tag(request.call_id, request.from_.tag, request.via[0].branch)
        self._events.append(Send(hop, respond(request, 200, tag or fallback), None))
        if transaction.state is State.PROCEEDING:
            self._events.append(Cancelled(identifier, request))

    def _begin(self, transaction: Transaction, *keys: Key) -> TransactionId:
        identifier = TransactionId(next(self._ids))
        self._transactions[identifier] = transaction
        self._keys[identifier] = list(keys)
        if transaction.is_client:
            self._asked[transaction.hop.host] += 1
        for key in keys:
            self._by_key[key] = identifier
        self._perform(identifier, transaction, transaction.first_actions)
        return identifier

    def _end(self, identifier: TransactionId) -> None:
        transaction = self._transactions.pop(identifier)
        if transaction.is_client:
            host = transaction.hop.host
            self._asked[host] -= 1
            if not self._asked[host]:
                del self._asked[host]
        for key in self._keys.pop(identifier):
            if self._by_key.get(key) == identifier:
                del self._by_key[key]
        self._events.append(Ended(identifier))

    def _step(self, identifier: TransactionId, cause: Input | Timer) -> None:
        transaction = self._transactions[identifier]
        self._perform(identifier, transaction, transaction.step(cause))
        if transaction.state is State.TERMINATED:
            self._end(identifier)

    def _perform(self, identifier: TransactionId, transaction: Transaction, actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Timer):
                self._start(identifier, transaction, action)
            elif (event := self._event(identifier, transaction, action)) is not None:
                self._events.append(event)

    def _start(self, identifier: TransactionId, transaction: Transaction, timer: Timer) -> None:
        times = transaction.counts.get(timer, 0)
        transaction.counts[timer] = times + 1
        is_reliable = transaction.hop.is_reliable or transaction.is_once
        pause = self._timings.pause(timer, is_reliable, times, transaction.state)
        if pause is not None:
            serial = next(self._serials)
            transaction.timers[timer] = serial
            heapq.heappush(self._deadlines, (self._clock() + pause, serial, identifier, timer))

    def _event(self, identifier: TransactionId, transaction: Transaction, action: Action) -> Event | None:
        request, response = transaction.request, transaction.response
        match action:
            case Action.SEND_REQUEST:
                return Send(transaction.hop, request, identifier)
            case Action.SEND_RESPONSE:
                return Send(transaction.hop, response, identifier) if response else None
            case Action.SEND_TRYING:
                if response is not None:
                    return None
                transaction.response = respond(request, 100)
                return Send(transaction.hop, transaction.response, identifier)
            case Action.SEND_ACK:
                return Send(transaction.hop, ack_failure(request, response), identifier) if response else None
            case Action.DELIVER:
                return _delivery(identifier, transaction)
            case Action.TIMEOUT:
                return TimedOut(identifier)
            case Action.FAIL:
                return Failed(identifier)


def _delivery(identifier: TransactionId, transaction: Transaction) -> Event:
    arrived = transaction.arrived
    if isinstance(arrived, Response):
        return Responded(identifier, arrived)
    if arrived.method == "ACK":
        return Acknowledged(arrived, transaction.hop)
    return Received(identifier, arrived, transaction.hop)


def server_key(request: Request, method: str, hop: Hop) -> Key:
    """Return what a request and its retransmissions have in common (RFC 3261 §17.2.3).

    ACK and the INVITE that it acknowledges have the same key; so has a CANCEL with `method` INVITE.
    All come from the same host in the same way: whoever else says the same is somebody else.
    """
    via = request.via[0]
    named = "INVITE" if method == "ACK" else method
    source = (hop.transport, hop.host)
    if via.has_cookie:
        return ("server", source, via.branch, via.host, via.port, named)
    to_tag = "" if named == "INVITE" else request.to.tag
    way = (source, via.transport, via.host, via.port, via.branch)
    return (
        "RFC 2543",
        str(request.uri),
        to_tag,
        request.from_.tag,
        request.call_id,
        request.cseq.number,
        way,
        named,
    )


def _merge_key(request: Request) -> Key:
    """Return what one request has in common that comes on two ways (RFC 3261 §8.2.2.2)."""
    if request.to.tag:
        return ("none",)
    return ("merged", request.from_.tag, request.call_id, request.cseq.number, request.method)


def _acknowledges(ack: Request, transaction: Transaction) -> bool:
    """An ACK without a branch of its own has to have the tag of the response (RFC 3261 §17.2.3)."""
    response = transaction.response
    return ack.via[0].has_cookie or (response is not None and ack.to.tag == response.to.tag)
