"""One user's conversation with one IRC server: a pure machine over lines, clock injected.

The session outlives its TCP connections: `connection_made` and `connection_lost` may alternate,
and the channels the user is in are joined again after each registration. The features are in
files of their own; here lines and the user's events are dispatched to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from secrets import token_urlsafe
from typing import Any

from bridge.capabilities import Capabilities, Level
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    Command,
    ContactAnswer,
    Depart,
    DirectMessage,
    Enter,
    Entered,
    Exit,
    Incoming,
    Invite,
    Kick,
    Message,
    MessageId,
    Outgoing,
    Presence,
    Reaction,
    Retraction,
    RoomId,
    RoomNotice,
    Sent,
    ServerId,
    SetAffiliation,
    SetRole,
    Topic,
    Typing,
)

from . import wire
from .away import Away
from .batches import Batches
from .core import Answer, Core, State
from .direct import Direct
from .gestures import REDACTION, Gestures
from .isupport import DEFAULT
from .liveness import Liveness
from .moderation import Moderation
from .modes import Modes
from .nicks import Nicks
from .profile import Profile
from .queries import Queries
from .questions import Questions
from .registration import Registration
from .replies import Replies, Reply
from .rooms import Rooms, Stage
from .roster import Roster
from .shared import Heard, Shared
from .speech import Speech
from .splits import Splits
from .tables import FORWARDS, JOIN_REFUSALS, NICK_REFUSALS, TROUBLES, Numeric
from .tickets import Ticket
from .window import MAX_AGE

__all__ = ["Answer", "IrcSession", "State"]

BANISHED = ("k-line", "kline", "g-line", "gline", "z-line", "banned", "killed", "throttl", "too fast")
"""Words of an ERROR after which coming back at once makes it worse."""
RETRY_AFTER_BAN = 300.0
"""Seconds to stay away then."""


class IrcSession:
    """See the module's docstring.

    `ids` gives fresh message ids, `archive` keeps a room message, `clock` is in monotonic seconds,
    `wall` in epoch seconds, `nonce` gives random words.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        server: ServerId,
        shared: Shared,
        ids: Callable[[], MessageId],
        archive: Callable[[Message], None],
        clock: Callable[[], float],
        wall: Callable[[], float],
        nonce: Callable[[], str] = token_urlsafe,
    ) -> None:
        core = self._core = Core(
            profile=profile, server=server, shared=shared, ids=ids, archive=archive, clock=clock, wall=wall
        )
        self._buffer = wire.LineBuffer()
        self._is_at_border = True
        self._rooms = Rooms(core)
        self._liveness = Liveness(core)
        self._splits = Splits(core)
        self._registration = Registration(core, self, nonce)
        self._direct = Direct(core, self._rooms, self._on_ctcp)
        self._speech = Speech(core, self._rooms, self._direct.receive)
        self._roster = Roster(core, self._rooms, self._splits, self._registration.somebody_left)
        self._modes = Modes(core, self._rooms)
        self._gestures = Gestures(core, self._rooms)
        self._rooms.settle = self._splits.settle
        self._nicks = Nicks(core, self._rooms, self._registration)
        self._moderation = Moderation(core, self._rooms)
        self._replies = Replies(core)
        self._away = Away(core)
        self._questions = Questions(core)
        self._queries = Queries(core, self._rooms, self._questions)
        self._batches = Batches(core, self._splits, self._replies.error)
        self._last_nick = ""
        self.retry_after = 0.0
        self._lines: dict[bytes, Heard] = {}
        self._hear_as_told()
        self._on_line = {
            **self._roster.on_line,
            **self._speech.on_line,
            **self._modes.on_line,
            **self._gestures.on_line,
        }
        self._on_reply = self._reply_table()
        self._on_event: dict[type, Callable[[Any], None]] = {
            Enter: self._rooms.enter,
            Depart: self._rooms.depart,
            ChangeNick: self._nicks.change,
            Message: self._speech.say,
            DirectMessage: self._direct.tell,
            Kick: self._moderation.kick,
            SetRole: self._moderation.set_role,
            SetAffiliation: self._moderation.set_affiliation,
            Topic: self._moderation.set_topic,
            Invite: self._moderation.invite,
            Presence: self._away.set,
            ContactAnswer: self._questions.answer,
            Command: self._command,
            Typing: self._gestures.type,
            Reaction: self._gestures.react,
            Retraction: self._gestures.retract,
        }

    def _reply_table(self) -> Mapping[str, Reply]:
        rooms = self._rooms
        return {
            **self._registration.on_command,
            **self._replies.on_line,
            **self._queries.on_line,
            "PING": self._liveness.on_ping,
            "PONG": self._liveness.on_pong,
            "BATCH": self._batches.on_batch,
            "ERROR": self._on_error,
            "INVITE": self._on_invite,
            Numeric.RPL_NAMREPLY: rooms.on_names,
            Numeric.RPL_ENDOFNAMES: rooms.on_end_of_names,
            Numeric.RPL_TOPIC: rooms.on_topic,
            Numeric.RPL_NOTOPIC: rooms.on_topic,
            Numeric.RPL_TOPICWHOTIME: rooms.on_topic_setter,
            Numeric.RPL_CHANNELMODEIS: self._modes.on_channel_modes,
            Numeric.RPL_INVITING: self._moderation.on_inviting,
        }

    # ---- the link

    @property
    def state(self) -> State:
        """Where the link to the server is."""
        return self._core.state

    @property
    def reason(self) -> str:
        """Why the server, or the session itself, ended the last link; "" if neither did."""
        return self._core.reason

    @property
    def nick(self) -> str:
        """The user's nick, as the server has it."""
        return self._core.nick

    @property
    def rooms(self) -> Sequence[RoomId]:
        """The rooms that the user is in, or wants to be in."""
        return self._rooms.ids()

    def capabilities(self) -> Capabilities:
        """Tell what the server can carry now."""
        core = self._core
        has_tags = "message-tags" in core.capabilities
        reply, typing = core.isupport.allows_tag("reply"), core.isupport.allows_tag("typing")
        reactions = has_tags and core.isupport.allows_tag("draft/react")
        redaction = has_tags and REDACTION in core.capabilities
        return Capabilities(
            formatting=Level.NATIVE,
            replies=Level.NATIVE if has_tags and reply else Level.FALLBACK,
            reactions=Level.NATIVE if reactions else Level.FALLBACK,
            retractions=Level.NATIVE if redaction else Level.REJECTED,
            moderation=Level.NATIVE if redaction else Level.REJECTED,
            typing=Level.NATIVE if has_tags and typing else Level.DROPPED,
            presence=Level.NATIVE,
        )

    def connection_made(self, *, secure: bool) -> None:
        """A transport is up (TLS included when `secure`): begin to register."""
        self._core.state = State.REGISTERING
        self._core.reason = ""
        self._buffer = wire.LineBuffer()
        self._is_at_border = True
        self._core.supports(DEFAULT)
        self._hear_as_told()
        self._liveness.begin()
        self._registration.begin(secure=secure)
        self._settle()

    def connection_lost(self, error: BridgeError | None, text: str = "") -> None:
        """The transport is gone, or none could be made; `text` is a reason for the user."""
        core = self._core
        self._last_nick = core.nick if core.state is State.ONLINE else self._last_nick
        core.state = State.OFFLINE
        reason = core.reason or text or (error.text if error is not None else "")
        self._registration.end()
        self._liveness.end()
        self._splits.forget()
        self._batches.forget()
        self._nicks.link_lost()
        self._questions.link_lost()
        self._queries.link_lost()
        for line in core.pace.drop_all():
            if line.ticket is not None:
                core.tickets.fail(line.ticket, BridgeError(Trouble.NOT_CONNECTED))
        core.tickets.lost(BridgeError(Trouble.LOST))
        core.capabilities = frozenset()
        self._rooms.link_lost(reason)
        self._settle()

    def give_up(self, error: BridgeError) -> None:
        """No further link will be made: the user is out of all rooms."""
        self._rooms.refuse_all(error)
        self._settle()

    def registered(self) -> None:
        """The server let us in (see `registration.Outcome`)."""
        core = self._core
        self.retry_after = 0.0
        self._rooms.tell_new_nick(self._last_nick)
        self._last_nick = core.nick
        for line in core.profile.after_connect_commands:
            self._command(Command(server=core.server, line=line))
        self._rooms.join_waiting()
        self._away.registered()

    def not_registered(self, error: BridgeError) -> None:
        """The server does not let us in (see `registration.Outcome`)."""
        self._rooms.refuse_all(error)

    @property
    def is_return(self) -> bool:
        """True when the user is in rooms, and is to get back into them."""
        return self._rooms.any_returning

    def quit(self, reason: str, exit_: Exit = Exit.DISCONNECTED) -> None:
        """Leave politely: `Exited` for each room, then QUIT; `close_expected` turns True."""
        self._rooms.leave_all(exit_, reason)
        self._quit(reason)
        self._settle()

    def _quit(self, reason: str) -> None:
        core = self._core
        if core.state in (State.ONLINE, State.REGISTERING):
            core.send_now("QUIT", *((reason,) if reason else ()))
            core.state = State.CLOSING

    @property
    def wants_link(self) -> bool:
        """True while the user is, or wants to be, in a channel or waits for an answer."""
        return self._rooms.wanted or self._queries.waiting

    @property
    def close_expected(self) -> bool:
        """True when the shell is to close the transport (after writing what is left)."""
        return self._core.state is State.CLOSING

    def next_timer(self) -> float | None:
        """When `tick` is due, on the injected monotonic clock; None for never."""
        return self._core.agenda.next()

    def tick(self) -> None:
        """Let time pass: pacing, keep-alive, time-outs."""
        self._core.agenda.run()
        self._settle()

    # ---- out

    def data_to_send(self) -> bytes:
        """Take the bytes that may be written now (pacing has let them through)."""
        self._core.release()
        return self._core.pace.take()

    def take_events(self) -> Sequence[Sequence[Incoming]]:
        """Take what happened, as tuples that may be shared with other sessions."""
        core = self._core
        events = core.events
        if events:
            core.events = []
        return events

    def take_answers(self) -> Sequence[Answer]:
        """Take the questions that ended."""
        core = self._core
        answers = core.answers
        if answers:
            core.answers = []
        return answers

    def snapshot(self, room: RoomId) -> Entered | None:
        """Return the room as the user sees it now; None if he is not in it."""
        here = self._rooms.find(room)
        return self._rooms.snapshot(here) if here is not None else None

    def _settle(self) -> None:
        """After anything happened: let lines leave, have them confirmed, hang up when done."""
        core = self._core
        if self._rooms.replay:
            self._replay()
        core.release()
        if core.state is State.ONLINE and self._rooms.is_empty and not self._queries.waiting:
            self._quit("")
        if core.tickets.unfenced:
            self._liveness.fence()

    # ---- in

    def receive_data(self, data: bytes) -> bool:
        """Bytes from the server; tell if nothing can have come of them but events."""
        core = self._core
        if core.state is State.OFFLINE:
            return False
        self._liveness.heard_at = now = core.clock()
        if self._is_at_border:
            known = self._lines.get(data)
            if known is not None and self._takes(known, now):
                return True
        was_at_border = self._is_at_border
        self._is_at_border = data[-1:] == b"\n"
        before = len(core.events)
        lines = self._buffer.feed(data)
        for raw in lines:
            known = self._lines.get(raw)
            if known is None or not self._takes(known, now):
                self._read_line(raw, known)
        if was_at_border and self._is_at_border:
            self._keep_chunk(data, lines, before)
        self._settle()
        return False

    def _takes(self, heard: Heard, now: float) -> bool:
        """Take bytes as another session did, if we stand where it stood."""
        channel = heard.channel
        if channel is None:
            return False
        here = self._rooms.here.get(channel.folded)
        if here is None or here.channel is not channel or self._core.folded_nick in heard.subjects:
            return False
        if heard.effects is None:
            if here.cursor != heard.start or here.ahead is not None or now - heard.time > MAX_AGE:
                return False
            here.cursor = heard.end
            self._core.events.append(heard.events)
            return True
        effect = heard.effects.get(channel)
        if effect is None or effect[0] is not here.members or here.gone is not None:
            return False
        if effect[1] != channel.people.revision:
            return False
        here.members = effect[2]
        if effect[3]:
            self._core.events.append(effect[3])
        return True

    def _keep_chunk(self, data: bytes, lines: list[bytes], before: int) -> None:
        """Remember bytes that held messages of one channel only, for the others in it."""
        heard = [self._lines.get(raw) for raw in lines]
        first = heard[0] if heard else None
        if first is None or first.channel is None or first.channel.sessions < 2:
            return
        core = self._core
        if len(heard) == 1:
            core.shared.keep(self._lines, data, first)
            return
        chunk = Heard(first.line, data)
        chunk.channel, chunk.start, chunk.time = first.channel, first.start, first.time
        chunk.end = first.start
        for each in heard:
            if each is None or each.channel is not chunk.channel or each.start != chunk.end:
                return
            chunk.events += each.events
            chunk.subjects |= each.subjects
            chunk.end = each.end
        if len(core.events) - before == len(lines) and chunk.start >= 0:
            core.events[before:] = [chunk.events]
            core.shared.keep(self._lines, data, chunk)

    def _hear_as_told(self) -> None:
        charset = self._core.profile.encoding_in or wire.FALLBACK_CHARSET
        self._lines = self._core.shared.lines(charset, self._core.isupport.utf8_only)

    def _read_line(self, raw: bytes, heard: Heard | None) -> None:
        core = self._core
        if heard is None:
            charset = core.profile.encoding_in or wire.FALLBACK_CHARSET
            line = wire.parse(raw, charset, core.isupport.utf8_only)
            if line is None:
                return
            heard = Heard(line, raw)
            self._read(heard)
            if heard.effects is not None or (heard.channel is not None and heard.channel.sessions > 1):
                core.shared.keep(self._lines, raw, heard)
        else:
            self._read(heard)
        if self._rooms.replay:
            self._replay()

    def _replay(self) -> None:
        """Read the lines that were kept back until the user was in."""
        lines, self._rooms.replay = self._rooms.replay, []
        for heard in lines:
            self._read(heard)

    def _read(self, heard: Heard) -> None:
        """Dispatch a line by its command."""
        line = heard.line
        ticket = self._batches.ticket_of(line)
        method = self._on_line.get(line.command)
        if method is not None:
            method(heard)
        else:
            reply = self._on_reply.get(line.command)
            if (reply is None or not reply(line)) and not self._refusal(line, ticket):
                self._replies.show(line)
        if ticket is not None:
            self._batches.answered(ticket, line)

    def _refusal(self, line: wire.Line, ticket: Ticket | None) -> bool:
        """An error reply: find out whose wish it refuses; tell if the user need not read it."""
        command = line.command
        if command not in TROUBLES and command not in FORWARDS:
            return False
        if self._core.state is not State.ONLINE:
            return self._registration.refused(line)
        if (command in JOIN_REFUSALS or command in FORWARDS) and self._rooms.on_refusal(line):
            return False
        if command in NICK_REFUSALS and self._nicks.on_refusal(line):
            return False
        if self._queries.refused(line):
            return True
        if ticket is None:
            self._replies.failed(line)
        return False

    def _on_error(self, line: wire.Line) -> bool:
        """The server ends the link, and says why."""
        text = line.params[-1] if line.params else ""
        self._core.reason = self._core.reason or text
        self._core.notice(f"ERROR: {text}")
        words = text.lower()
        if "flood" in words:
            self._core.pace.slow_down()
        if any(word in words for word in BANISHED):
            self.retry_after = RETRY_AFTER_BAN
        return True

    def _on_invite(self, line: wire.Line) -> bool:
        """``INVITE nick #chan``: us, or (IRCv3 invite-notify) somebody else."""
        if len(line.params) < 2:
            return True
        core = self._core
        nick, channel = line.params[:2]
        if core.is_me(nick):
            core.emit(Invite(room=core.shared.room_id(channel), nick=line.nick))
            return True
        here = self._rooms.get(channel)
        if here is not None and here.stage is Stage.IN:
            text = f"{nick} has been invited to {channel} by {line.nick}"
            core.emit(RoomNotice(room=here.channel.room, text=text))
        return True

    def _on_ctcp(self, line: wire.Line, command: str, argument: str) -> None:
        """A CTCP question or answer."""
        if line.command == "PRIVMSG":
            self._questions.asked(line, command, argument)
        else:
            self._questions.answered(line, command, argument)

    # ---- what the user wants

    def submit(self, event: Outgoing) -> None:
        """Do what the user wants."""
        method = self._on_event.get(type(event))
        if method is not None:
            method(event)
        self._settle()

    def ask(self, query: object, token: int) -> None:
        """Ask the server; an `Answer` with `token` follows."""
        self._queries.ask(query, token)
        self._settle()

    def _command(self, event: Command) -> None:
        """A raw line of the user's; it may be any command, but only one."""
        core = self._core
        line = wire.parse(event.line.strip().encode())
        if line is None:
            core.fail(event.ref, Trouble.NOT_ACCEPTABLE)
        elif line.command == "QUIT":
            core.emit(Sent(ref=event.ref))
            self.quit(line.params[-1] if line.params else "")
        else:
            core.request(Ticket(event.ref, line.command, "", "raw"), *line.params, first=True)
