"""Which outgoing lines are confirmed, and how each `Ref` ends.

A line that a ticket stands for is settled by the first of: its echo, an error that names it, a
labelled answer (IRCv3 labeled-response), or the return of a fence: a PING sent after it, since
servers answer in order. A message without echo-message is reported `Sent` when it is written,
and `Failed` afterwards if the link breaks before its fence returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator

from msgspec import Struct

from bridge.errors import BridgeError
from bridge.events import Failed, Incoming, Message, Ref, Sent

from .window import Entry

CROWD = 256
"""Unconfirmed lines that ask for a fence soon."""
MAX_TICKETS = 4096
"""Lines of a session that can be unconfirmed."""


class Ticket(Struct, eq=False):
    """One line that somebody waits for; `target` and `other` are its first two names, folded.

    For a message `other` is the text as sent, and `message`, `entry` what the room saw of it.
    `written` is called when the line has left.
    """

    ref: Ref
    command: str
    target: str
    other: str = ""
    last: bool = True
    label: str = ""
    fence: int = 0
    reported: bool = False
    ended: bool = False
    message: Message | None = None
    entry: Entry | None = None
    written: Callable[[Ticket], None] | None = None


class Tickets:
    """The unconfirmed lines of one session, oldest first.

    What ends is told to `emit`, and a message that was said to `keep`.

    `fence` is the number of the last fence sent, `unfenced` that lines have left since the next one
    was planned, `hurried` that somebody waits for it.
    """

    __slots__ = ("_emit", "_keep", "_labels", "_written", "fence", "hurried", "unfenced")

    def __init__(self, emit: Callable[[Incoming], None], keep: Callable[[Entry], None]) -> None:
        self._emit = emit
        self._keep = keep
        self._written: deque[Ticket] = deque()
        self._labels: dict[str, Ticket] = {}
        self.fence = 0
        self.hurried = False
        self.unfenced = False

    def __iter__(self) -> Iterator[Ticket]:
        return (ticket for ticket in self._written if not ticket.ended)

    @property
    def waiting(self) -> bool:
        """True while a written line is unconfirmed."""
        written = self._written
        while written and written[0].ended:
            written.popleft()
        return bool(written)

    @property
    def is_crowded(self) -> bool:
        """True when so many lines are unconfirmed that a fence is due before its time."""
        return len(self._written) >= CROWD

    def written(self, ticket: Ticket) -> None:
        """The ticket's line has left."""
        ticket.fence = self.fence + 1
        self._written.append(ticket)
        self.unfenced = True
        if ticket.command != "PRIVMSG":
            self.hurried = True
        if ticket.label:
            self._labels[ticket.label] = ticket
        if len(self._written) > MAX_TICKETS:
            self.settle(self._written.popleft())

    def labelled(self, label: str) -> Ticket | None:
        """Return the ticket that was sent with this label."""
        return self._labels.get(label)

    def find(self, command: str, target: str, other: str | None = None) -> Ticket | None:
        """Return the oldest ticket so named; `other` None admits any."""
        for ticket in self._written:
            named = ticket.command == command and ticket.target == target
            if named and not ticket.ended and other in (None, ticket.other):
                return ticket
        return None

    def blamed(self, names: Collection[str], *, message: bool, command: str = "") -> Ticket | None:
        """Return the ticket that an error naming these (folded) is about, None if it cannot be told.

        The oldest request of another kind comes first, and then, if the error can be about a
        `message`, the latest message to one of the names.
        """
        found = None
        for ticket in self:
            if command and ticket.command != command:
                continue
            is_message = ticket.command == "PRIVMSG"
            if not is_message and (ticket.target in names or ticket.other in names):
                return ticket
            if is_message and message and ticket.target in names:
                found = ticket
        return found

    def report(self, ticket: Ticket) -> None:
        """Tell the sender that it went through, for all that is known."""
        if not ticket.reported:
            ticket.reported = True
            if ticket.ref:
                self._emit(Sent(ref=ticket.ref, message=ticket.message, last=ticket.last))

    def settle(self, ticket: Ticket) -> None:
        """The line went through."""
        if not ticket.ended:
            self._end(ticket)
            if ticket.entry is not None:
                self._keep(ticket.entry)
            self.report(ticket)

    def fail(self, ticket: Ticket, error: BridgeError) -> None:
        """The line did not go through; nor will the others of its event."""
        if ticket.ended:
            return
        self._end(ticket)
        if ticket.ref:
            for other in self._written:
                if other.ref == ticket.ref:
                    self._end(other)
            self._emit(Failed(ref=ticket.ref, error=error))

    def returned(self, fence: int) -> None:
        """A fence came back: all before it were dealt with."""
        while self._written and self._written[0].fence <= fence:
            self.settle(self._written.popleft())

    def lost(self, error: BridgeError) -> None:
        """The link broke."""
        refs = dict.fromkeys(ticket.ref for ticket in self if ticket.ref)
        for ticket in self._written:
            ticket.ended = True
        self._written.clear()
        self._labels.clear()
        for ref in refs:
            self._emit(Failed(ref=ref, error=error))

    def _end(self, ticket: Ticket) -> None:
        ticket.ended = True
        if ticket.label:
            self._labels.pop(ticket.label, None)
