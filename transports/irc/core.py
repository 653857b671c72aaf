"""What the features of one session have in common: who we are to the server, and the ways out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import Failed, Incoming, Message, MessageId, Ref, ServerId, ServerNotice

from . import wire
from .agenda import Agenda, Appointment
from .isupport import ISupport
from .pacing import Pace, QueuedLine
from .profile import Profile
from .shared import Folding, Shared
from .tables import Tag
from .tickets import Ticket, Tickets
from .window import Act, Entry


class State(Enum):
    """Where the link to the server is."""

    OFFLINE = "offline"
    REGISTERING = "registering"
    ONLINE = "online"
    CLOSING = "closing"


class Answer(Struct, frozen=True):
    """The end of a question asked with `IrcSession.ask`: `result`, or a BridgeError."""

    token: int
    result: Any | BridgeError


class Core:
    """See the module's docstring.

    `capabilities` are the IRCv3 ones in force; `reason` is why the link ended, or is to end, and
    `retry_after` how many seconds to stay away then. `known_nick` is the nick that the bridge knows.
    `leave` quits, and `supports_changed` is called when the server has told of itself.
    """

    __slots__ = (
        "_identity",
        "_labels",
        "_release",
        "agenda",
        "answers",
        "archive",
        "capabilities",
        "clock",
        "events",
        "fold",
        "folded_nick",
        "host",
        "ids",
        "isupport",
        "known_nick",
        "leave",
        "nick",
        "pace",
        "profile",
        "reason",
        "retry_after",
        "server",
        "shared",
        "state",
        "supports_changed",
        "tickets",
        "user",
        "wall",
    )  # fmt: skip

    def __init__(
        self,
        *,
        profile: Profile,
        server: ServerId,
        shared: Shared,
        ids: Callable[[], MessageId],
        archive: Callable[[Act | Message], None],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.profile = profile
        self.server = server
        self.shared = shared
        self.ids = ids
        self.archive = archive
        self.clock = clock
        self.wall = wall
        self.state = State.OFFLINE
        self.reason = ""
        self.capabilities: frozenset[str] = frozenset()
        self.events: list[tuple[Incoming, ...]] = []
        self.answers: list[Answer] = []
        self.agenda = Agenda(clock)
        self.pace = Pace(profile.burst, profile.rate, clock)
        self.tickets = Tickets(self.emit, self.keep)
        self.isupport: ISupport = shared.isupport
        self.fold: Folding = shared.folding(shared.isupport)
        self.nick = profile.nick
        self.folded_nick = self.fold[profile.nick]
        self.known_nick = ""
        self.retry_after = 0.0
        self.leave: Callable[[str], None] = _nothing
        self.supports_changed: Callable[[], None] = _nothing
        self.user = ""
        self.host = ""
        self._labels = 0
        self._identity = (-1, "", "")
        self._release: Appointment | None = None

    def supports(self, isupport: ISupport) -> None:
        """The server has said this of itself so far; another session may have heard it all."""
        known = self.shared.isupport.tokens
        if any(known.get(name) != value for name, value in isupport.tokens.items()):
            self.shared.isupport = isupport
        self.isupport = self.shared.isupport
        self.fold = self.shared.folding(self.isupport)
        self.folded_nick = self.fold[self.nick]
        self.supports_changed()

    def renamed(self, nick: str) -> None:
        """The user has this nick."""
        self.nick = nick
        self.folded_nick = self.fold[nick]

    def is_me(self, nick: str) -> bool:
        """Tell whether a nick is the user's own."""
        return self.fold[nick] == self.folded_nick

    @property
    def identity(self) -> str:
        """What is stable of the user; see `Occupant.identity`."""
        people = self.shared.people
        if self._identity[:2] != (people.knowledge, self.folded_nick):
            self._identity = (people.knowledge, self.folded_nick, people.identity(self.folded_nick))
        return self._identity[2]

    # ---- towards the user

    def emit(self, event: Incoming) -> None:
        """Something happened to this user alone."""
        self.events.append((event,))

    def keep(self, entry: Entry) -> None:
        """Have a message archived, once."""
        if not entry.archived:
            entry.archived = True
            self.archive(entry.message)

    def notice(self, text: str) -> None:
        """The server has words for the user."""
        self.emit(ServerNotice(server=self.server, text=text))

    def answer(self, token: int, result: Any | BridgeError) -> None:
        """A question ended."""
        self.answers.append(Answer(token, result))

    def fail(self, ref: Ref, trouble: Trouble, text: str = "") -> None:
        """An event of the user's cannot be carried out."""
        if ref:
            self.emit(Failed(ref=ref, error=BridgeError(trouble, text)))

    # ---- towards the server

    @property
    def online(self) -> bool:
        """True when commands can be sent."""
        return self.state is State.ONLINE

    def encode(self, command: str, *params: str, tags: Mapping[str, str] | None = None) -> bytes:
        """Write a line within the server's limits; may raise UnsafeParameter."""
        return wire.encode(command, *params, tags=tags, limit=self.isupport.line_length)

    def send(self, command: str, *params: str, written: Callable[[], None] | None = None) -> bool:
        """Send a line in its turn; tell if it can be sent at all."""
        data = self._encoded(command, params)
        if data:
            self.pace.put(QueuedLine(data, None, written))
        return bool(data)

    def send_now(self, command: str, *params: str) -> None:
        """Send a line at once."""
        data = self._encoded(command, params)
        if data:
            self.pace.overtake(data)

    def request(
        self, ticket: Ticket, *params: str, tags: Mapping[str, str] | None = None, first: bool = False
    ) -> None:
        """Send the line that a ticket stands for in its turn, or `first` of all; or fail it."""
        if not self.online or self.pace.is_full:
            trouble = Trouble.OVERLOADED if self.online else Trouble.NOT_CONNECTED
            self.tickets.fail(ticket, BridgeError(trouble))
            return
        if "labeled-response" in self.capabilities:
            self._labels += 1
            ticket.label = f"{self._labels:x}"
            tags = {**(tags or {}), Tag.LABEL: ticket.label}
        try:
            data = wire.encode(ticket.command, *params, tags=tags, limit=self.isupport.line_length)
        except wire.UnsafeParameter:
            self.tickets.fail(ticket, BridgeError(Trouble.NOT_ACCEPTABLE))
            return
        if self.pace.lets_go(data):
            self._left(ticket)
        else:
            self.pace.put(QueuedLine(data, ticket), first=first)

    def _left(self, ticket: Ticket) -> None:
        self.tickets.written(ticket)
        if ticket.written is not None:
            ticket.written(ticket)

    def release(self) -> None:
        """Let go of the lines whose turn has come."""
        if not self.pace.waiting:
            return
        for line in self.pace.released():
            if line.ticket is not None:
                self._left(line.ticket)
            if line.written is not None:
                line.written()
        delay = self.pace.delay()
        if delay is not None and self._release is None:
            self._release = self.agenda.after(delay + 0.001, self._release_again)

    def _release_again(self) -> None:
        self._release = None
        self.release()

    def _encoded(self, command: str, params: tuple[str, ...]) -> bytes:
        try:
            return self.encode(command, *params)
        except wire.UnsafeParameter:
            return b""


def _nothing(*_: str) -> None:
    """Until the session is put together there is nothing to do."""
