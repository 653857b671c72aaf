"""One MSRP session: messages to and from the peer, and what became of them (RFC 4975 §7).

Frames go in, events come out; who carries the bytes is told by `Transmit`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from transports.sip.msrp.assembly import Assembly, TooLong, Whole, chunks
from transports.sip.msrp.frame import Fields, Frame, write
from transports.sip.wire.headers import quote_string, unquote_string
from transports.sip.wire.uri import Malformed

RESPONSE_TIMEOUT = 30.0
"""Seconds in which what we sent has to be answered (RFC 4975 §7.1.1)."""
MAX_SENT = 200
"""Messages that may wait for their answer at a time."""


class Transmit(Struct, frozen=True):
    """Bytes to be sent to the next hop."""

    data: bytes


class Arrived(Struct, frozen=True):
    """The peer says something; it may want a report when it is delivered, or when it is not."""

    message: Whole
    wants_success: bool
    wants_failure: bool


class Delivered(Struct, frozen=True):
    """The peer has a message of ours."""

    id: str


class Lost(Struct, frozen=True):
    """The peer has not got a message of ours, or is not known to have: 408."""

    id: str
    status: int


class Named(Struct, frozen=True):
    """What became of the nickname that we asked for: 200, or why not; 408 if nobody said (RFC 7701 §7)."""

    nick: str
    status: int


class NameWanted(Struct, frozen=True):
    """The peer wants to be called so, "" for no nickname; `Session.answer` answers it."""

    nick: str
    request: Frame


Event = Transmit | Arrived | Delivered | Lost | Named | NameWanted


class _Sent(Struct):
    """A message of ours: until when it has to be answered, and which chunks are not yet."""

    deadline: float
    length: int
    waiting: set[str]
    is_reported: bool


class Session:
    """See the module's docstring. `local` is our URI, `remote` the path to the peer, the next hop first.

    `reads` tells which types of content are taken, `limit` how many bytes a message may have. A message
    is delivered when the peer reports so; should it never report, its response counts, if no relay gave it.
    """

    def __init__(
        self,
        local: str,
        remote: tuple[str, ...],
        limit: int,
        reads: Callable[[str], bool],
        clock: Callable[[], float],
        token: Callable[[], str],
    ) -> None:
        self.local, self.remote = local, remote
        self._reads, self._clock, self._token = reads, clock, token
        self._assembly = Assembly(limit)
        self._sent: OrderedDict[str, _Sent] = OrderedDict()
        self._transactions: dict[str, str] = {}
        self._naming: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    @property
    def is_full(self) -> bool:
        """Tell whether too much waits for its answer."""
        return len(self._sent) >= MAX_SENT

    @property
    def next_deadline(self) -> float | None:
        """When `expire` has something to do."""
        first = next((one.deadline for one in self._sent.values()), None)
        naming = next((deadline for deadline, _ in self._naming.values()), None)
        return min((one for one in (first, naming) if one is not None), default=None)

    def expire(self) -> None:
        """Give up what was not answered in time."""
        now = self._clock()
        while self._sent and next(iter(self._sent.values())).deadline <= now:
            self._settle(next(iter(self._sent)))
        while self._naming and next(iter(self._naming.values()))[0] <= now:
            self._named(next(iter(self._naming)), 408)

    def close(self) -> None:
        """Give up all that was not answered: the connection is gone."""
        for id in list(self._sent):
            self._settle(id)
        for transaction in list(self._naming):
            self._named(transaction, 408)

    def _settle(self, id: str) -> None:
        """Say what became of a message of which no more will be heard."""
        if self._sent[id].waiting or len(self.remote) > 1:
            self._lose(id, 408)
        else:
            self._deliver(id)

    # ---- ours

    def greet(self) -> None:
        """Send nothing, so that the peer knows whose connection this is (RFC 4975 §5.4)."""
        fields = (("Message-ID", self._token()), ("Failure-Report", "no"))
        self._request(self._token(), "SEND", fields)

    def send(
        self, content_type: str, body: bytes, *, is_tracked: bool = True, is_reported: bool = True
    ) -> str:
        """Send a message; return what names it. What is not tracked may be lost unnoticed.

        What is not reported counts as delivered when it is answered: a switch answers for many.
        """
        id = self._token()
        reports = (("Success-Report", "yes"),) if is_reported else ()
        reports = reports if is_tracked else (("Failure-Report", "no"),)
        sent = _Sent(self._clock() + RESPONSE_TIMEOUT, len(body), set(), is_reported)
        for place, flag, part in chunks(body):
            transaction = self._token()
            while transaction.encode() in part:
                transaction = self._token()
            fields = (("Message-ID", id), ("Byte-Range", place), *reports, ("Content-Type", content_type))
            self._request(transaction, "SEND", fields, part, flag)
            if is_tracked:
                sent.waiting.add(transaction)
                self._transactions[transaction] = id
        if is_tracked:
            self._sent[id] = sent
        return id

    def name(self, nick: str) -> None:
        """Ask to be called so (RFC 7701 §7.1); `Named` tells the outcome."""
        transaction = self._token()
        self._naming[transaction] = (self._clock() + RESPONSE_TIMEOUT, nick)
        self._request(transaction, "NICKNAME", (("Use-Nickname", quote_string(nick)),))

    def _named(self, transaction: str, status: int) -> None:
        self._events.append(Named(self._naming.pop(transaction)[1], status))

    def report(self, id: str, length: int, status: int) -> None:
        """Tell the peer what became of a message of his (RFC 4975 §7.1.2)."""
        fields = (
            ("Message-ID", id),
            ("Byte-Range", f"1-{length}/{length}"),
            ("Status", f"000 {status:03}"),
        )
        self._request(self._token(), "REPORT", fields)

    def _request(
        self, transaction: str, method: str, fields: Fields, body: bytes | None = None, flag: str = "$"
    ) -> None:
        frame = Frame(
            transaction=transaction,
            method=method,
            to_path=self.remote,
            from_path=(self.local,),
            fields=fields,
            body=body,
            flag=flag,
        )
        self._events.append(Transmit(write(frame)))

    # ---- the peer's

    def receive(self, frame: Frame) -> None:
        """Take in a frame of this session."""
        if not frame.method:
            self._receive_response(frame)
        elif frame.method == "REPORT":
            self._receive_report(frame)
        elif frame.method == "SEND":
            self._receive_send(frame)
        elif frame.method == "NICKNAME":
            self._receive_name(frame)
        else:
            self._respond(frame, 501)

    def _receive_send(self, frame: Frame) -> None:
        if frame.body is None and not frame.is_cut:
            self._respond(frame, 200)
            return
        kind = frame.get("Content-Type")
        if kind is not None and not self._reads(kind):
            self._respond(frame, 415)
            return
        try:
            whole = self._assembly.receive(frame)
        except Malformed:
            self._respond(frame, 400)
        except TooLong:
            self._respond(frame, 413)
        else:
            self._respond(frame, 200)
            if whole is not None:
                wants = ((frame.get("Success-Report") or "no").lower(), _wants_failure(frame))
                self._events.append(Arrived(whole, wants[0] == "yes", wants[1] == "yes"))

    def _receive_name(self, frame: Frame) -> None:
        """RFC 7701 §7.1: without a nickname, the peer gives his up."""
        text = (frame.get("Use-Nickname") or "").strip()
        nick = unquote_string(text) if text.startswith('"') else text
        self._events.append(NameWanted(nick, frame))

    def answer(self, request: Frame, status: int) -> None:
        """Answer what was left to be answered."""
        self._respond(request, status)

    def _respond(self, frame: Frame, status: int) -> None:
        """Answer as far as the peer wants to hear of it (RFC 4975 §7.2)."""
        answer = response(frame, status, self.local)
        if answer is not None:
            self._events.append(Transmit(answer))

    def _receive_response(self, frame: Frame) -> None:
        if frame.transaction in self._naming:
            self._named(frame.transaction, frame.status)
            return
        id = self._transactions.pop(frame.transaction, "")
        sent = self._sent.get(id)
        if sent is None:
            return
        sent.waiting.discard(frame.transaction)
        if frame.status != 200:
            self._lose(id, frame.status)
        elif not (sent.waiting or sent.is_reported):
            self._deliver(id)

    def _receive_report(self, frame: Frame) -> None:
        """What nobody waits for, or cannot be read, is left out (RFC 4975 §7.1.2)."""
        namespace, _, rest = (frame.get("Status") or "").partition(" ")
        status = rest.strip()[:3]
        sent = self._sent.get(frame.get("Message-ID") or "")
        if sent is None or namespace != "000" or not (status.isascii() and status.isdecimal()):
            return
        id = frame.message_id
        if int(status) != 200:
            self._lose(id, int(status))
        elif _covers(frame, sent.length):
            self._deliver(id)

    def _deliver(self, id: str) -> None:
        self._forget(id)
        self._events.append(Delivered(id))

    def _lose(self, id: str, status: int) -> None:
        self._forget(id)
        self._events.append(Lost(id, status))

    def _forget(self, id: str) -> None:
        for transaction in self._sent.pop(id).waiting:
            self._transactions.pop(transaction, None)


def response(request: Frame, status: int, local: str) -> bytes | None:
    """Write the response to a request, None if its sender wants none; REPORT gets none ever."""
    wanted = _wants_failure(request)
    if request.method == "REPORT" or wanted == "no" or (wanted == "partial" and status == 200):
        return None
    to_path = request.from_path[:1] if request.method == "SEND" else request.from_path
    return write(Frame(transaction=request.transaction, status=status, to_path=to_path, from_path=(local,)))


def _wants_failure(frame: Frame) -> str:
    return (frame.get("Failure-Report") or "yes").lower()


def _covers(frame: Frame, length: int) -> bool:
    """Tell whether a report is of all of a message; what it says of parts is not counted together."""
    text = (frame.get("Byte-Range") or "").partition("/")[0]
    start, _, end = text.partition("-")
    return not text or (start == "1" and end.isdecimal() and int(end) >= length)
