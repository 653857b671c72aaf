"""The features of one session, and which of them reads which line and carries out which wish.

Each feature declares in `LINES` the commands whose effect sessions share, and in `REPLIES` those
that concern this session alone; the tables here are made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from bridge import events
from bridge.errors import Trouble
from bridge.events import Outgoing, Sent

from . import wire
from .away import Away
from .batches import Batches
from .core import Core, State
from .direct import Direct
from .gestures import Gestures
from .listing import Listing
from .liveness import Liveness
from .moderation import Moderation
from .modes import Modes
from .nicks import Nicks
from .queries import Queries
from .questions import Questions
from .registration import Outcome, Registration
from .replies import Replies
from .rooms import Rooms
from .roster import Roster
from .shared import Heard
from .speech import Speech
from .splits import Splits
from .tables import FORWARDS, JOIN_REFUSALS, NICK_REFUSALS, TROUBLES
from .tickets import Ticket

T = TypeVar("T")


class Features:
    """See the module's docstring."""

    __slots__ = (
        "_core", "away", "batches", "direct", "gestures", "listing", "liveness", "moderation", "modes",
        "nicks", "queries", "questions", "raw", "registration", "replies", "rooms", "roster", "speech",
        "splits",
    )  # fmt: skip

    def __init__(self, core: Core, outcome: Outcome, nonce: Callable[[], str]) -> None:
        self._core = core
        self.rooms = Rooms(core)
        self.liveness = Liveness(core)
        self.splits = Splits(core)
        self.rooms.settle = self.splits.settle
        self.registration = Registration(core, outcome, nonce)
        self.nicks = Nicks(core, self.rooms, self.registration)
        self.questions = Questions(core)
        self.direct = Direct(core, self.rooms, self.questions.receive)
        self.speech = Speech(core, self.rooms, self.direct.receive)
        self.roster = Roster(core, self.rooms, self.splits, self.nicks)
        self.modes = Modes(core, self.rooms)
        self.gestures = Gestures(core, self.rooms)
        self.moderation = Moderation(core, self.rooms)
        self.replies = Replies(core)
        self.away = Away(core)
        self.listing = Listing(core)
        self.queries = Queries(core, self.rooms, self.questions, self.listing)
        self.batches = Batches(core, self.splits, self.replies.error)
        self.raw = Raw(core)

    def link_lost(self) -> None:
        """No answer comes to what is under way."""
        self.registration.end()
        self.liveness.end()
        self.splits.forget()
        self.batches.forget()
        self.nicks.link_lost()
        self.questions.link_lost()
        self.queries.link_lost()

    # ---- lines

    def read(self, heard: Heard) -> None:
        """Have a line read by the feature that knows its command."""
        line = heard.line
        ticket = self.batches.ticket_of(line)
        found = _LINES.get(line.command)
        if found is not None:
            name, read = found
            read(getattr(self, name), heard)
        elif not self._reply(line):
            self._refuse_or_show(line, ticket)
        if ticket is not None:
            self.batches.answered(ticket, line)

    def _reply(self, line: wire.Line) -> bool:
        found = _REPLIES.get(line.command)
        return found is not None and found[1](getattr(self, found[0]), line)

    def _refuse_or_show(self, line: wire.Line, ticket: Ticket | None) -> None:
        """The user reads what the server said before he sees what comes of it."""
        core = self._core
        earlier, core.events = core.events, []
        if not self._refusal(line, ticket):
            outcome, core.events = core.events, []
            self.replies.show(line)
            core.events += outcome
        core.events = [*earlier, *core.events]

    def _refusal(self, line: wire.Line, ticket: Ticket | None) -> bool:
        """An error reply: find out whose wish it refuses; tell if the user need not read it."""
        command = line.command
        if command not in TROUBLES and command not in FORWARDS:
            return False
        if self._core.state is not State.ONLINE:
            return self.registration.refused(line)
        if (command in JOIN_REFUSALS or command in FORWARDS) and self.rooms.on_refusal(line):
            return False
        if command in NICK_REFUSALS and self.nicks.on_refusal(line):
            return False
        if self.queries.refused(line):
            return True
        if ticket is None:
            self.replies.failed(line)
        return False

    # ---- wishes

    def carry_out(self, event: Outgoing) -> None:
        """Have a wish carried out by the feature that can; what IRC does not have is refused."""
        found = _WISHES.get(type(event))
        if found is None:
            self._core.fail(getattr(event, "ref", events.NO_REF), Trouble.UNSUPPORTED)
        else:
            found[1](getattr(self, found[0]), event)


class Raw:
    """Lines in the user's own words."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    def send(self, event: events.Command) -> None:
        """Send one line, whatever its command; it leaves before all that wait."""
        core = self._core
        line = wire.parse(event.line.strip().encode("utf-8", "replace"))
        if line is None:
            core.fail(event.ref, Trouble.NOT_ACCEPTABLE)
        elif line.command == "QUIT":
            core.emit(Sent(ref=event.ref))
            reason = event.line.strip()[len("QUIT") :].strip().removeprefix(":")
            core.leave(reason)
            core.notice(f"ERROR: Quit: {reason}")
            core.notice("ERROR: Connection closed.")
        else:
            core.request(Ticket(event.ref, line.command, "", "raw"), *line.params, first=True)


def _of(name: str, methods: Mapping[str, Callable[..., T]]) -> dict[str, tuple[str, Callable[..., T]]]:
    """Return a table's rows for the feature that `Features` has under `name`."""
    return {command: (name, method) for command, method in methods.items()}


_LINES: Mapping[str, tuple[str, Callable[..., None]]] = {
    **_of("roster", Roster.LINES),
    **_of("speech", Speech.LINES),
    **_of("modes", Modes.LINES),
    **_of("gestures", Gestures.LINES),
}
_REPLIES: Mapping[str, tuple[str, Callable[..., bool]]] = {
    **_of("registration", Registration.REPLIES),
    **_of("replies", Replies.REPLIES),
    **_of("rooms", Rooms.REPLIES),
    **_of("modes", Modes.REPLIES),
    **_of("liveness", Liveness.REPLIES),
    **_of("batches", Batches.REPLIES),
    **_of("moderation", Moderation.REPLIES),
    **_of("listing", Listing.REPLIES),
    **_of("queries", Queries.REPLIES),
}
_WISHES: Mapping[type, tuple[str, Callable[..., None]]] = {
    events.Enter: ("rooms", Rooms.enter),
    events.Depart: ("rooms", Rooms.depart),
    events.ChangeNick: ("nicks", Nicks.change),
    events.Message: ("speech", Speech.say),
    events.DirectMessage: ("direct", Direct.tell),
    events.Kick: ("moderation", Moderation.kick),
    events.SetRole: ("moderation", Moderation.set_role),
    events.SetAffiliation: ("moderation", Moderation.set_affiliation),
    events.Topic: ("moderation", Moderation.set_topic),
    events.Invite: ("moderation", Moderation.invite),
    events.Presence: ("away", Away.set),
    events.ContactAnswer: ("questions", Questions.answer),
    events.Command: ("raw", Raw.send),
    events.Typing: ("gestures", Gestures.type),
    events.Reaction: ("gestures", Gestures.react),
    events.Retraction: ("gestures", Gestures.retract),
}
