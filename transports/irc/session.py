"""One user's conversation with one IRC server: a pure machine over lines, clock injected.

The session outlives its TCP connections: `connection_made` and `connection_lost` may alternate,
and the channels the user is in are joined again after each registration. The features are in
files of their own, see `features`; here is what the shell around a session works with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import token_urlsafe

from bridge.capabilities import Capabilities
from bridge.errors import BridgeError, Trouble
from bridge.events import Command, Entered, Exit, Incoming, Message, MessageId, Outgoing, RoomId, ServerId

from .capabilities import carried
from .core import Answer, Core, State
from .features import Features
from .gestures import REDACTION
from .hearing import Hearing
from .profile import Profile
from .shared import Shared
from .window import Act

__all__ = ["Answer", "IrcSession", "State"]


class IrcSession:
    """See the module's docstring.

    `ids` gives fresh message ids, `archive` keeps what is said or done in a room, `clock` is in monotonic
    seconds, `wall` in epoch seconds, `nonce` gives random words.
    """

    __slots__ = ("__weakref__", "_core", "_features", "_hearing")

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
        nonce: Callable[[], str] = token_urlsafe,
    ) -> None:
        core = self._core = Core(
            profile=profile, server=server, shared=shared, ids=ids, archive=archive, clock=clock, wall=wall
        )
        self._features = Features(core, self, nonce)
        self._hearing = Hearing(core, self._features.rooms, self._features.read)
        core.leave = self.quit
        core.supports_changed = self._supports_changed

    # ---- what there is to know

    @property
    def state(self) -> State:
        """Where the link to the server is."""
        return self._core.state

    @property
    def reason(self) -> str:
        """Why the server, or the session itself, ended the last link; "" if neither did."""
        return self._core.reason

    @property
    def retry_after(self) -> float:
        """Seconds to stay away after the last link; 0 when the server did not mind us."""
        return self._core.retry_after

    @property
    def nick(self) -> str:
        """The user's nick, as the server has it."""
        return self._core.nick

    @property
    def rooms(self) -> Sequence[RoomId]:
        """The rooms that the user is in, or wants to be in."""
        return self._features.rooms.ids()

    @property
    def wants_link(self) -> bool:
        """True while the user is, or wants to be, in a channel or waits for an answer."""
        return self._features.rooms.wanted or self._features.queries.waiting

    @property
    def close_expected(self) -> bool:
        """True when the shell is to close the transport (after writing what is left)."""
        return self._core.state is State.CLOSING

    def capabilities(self) -> Capabilities:
        """Tell what the server can carry now."""
        core = self._core
        has_tags = "message-tags" in core.capabilities
        reply, typing = core.isupport.allows_tag("reply"), core.isupport.allows_tag("typing")
        return carried(
            replies=has_tags and reply,
            reactions=has_tags and core.isupport.allows_tag("draft/react"),
            redaction=has_tags and REDACTION in core.capabilities,
            typing=has_tags and typing,
        )

    def snapshot(self, room: RoomId) -> Entered | None:
        """Return the room as the user sees it now; None if he is not in it."""
        here = self._features.rooms.find(room)
        return self._features.rooms.snapshot(here) if here is not None else None

    # ---- the link

    def connection_made(self, *, secure: bool) -> None:
        """A transport is up (nobody can listen when `secure`): begin to register."""
        self._core.state = State.REGISTERING
        self._core.reason = ""
        self._features.replies.begin()
        self._hearing.begin()
        self._features.liveness.begin()
        self._features.registration.begin(secure=secure)
        self._settle()

    def connection_lost(self, error: BridgeError | None, text: str = "") -> None:
        """The transport is gone, or none could be made; `text` is a reason for the user."""
        core = self._core
        core.state = State.OFFLINE
        reason = core.reason or text or (error.text if error is not None else "")
        self._features.link_lost()
        for line in core.pace.drop_all():
            if line.ticket is not None:
                core.tickets.fail(line.ticket, BridgeError(Trouble.NOT_CONNECTED))
        core.tickets.lost(BridgeError(Trouble.LOST))
        core.capabilities = frozenset()
        self._features.rooms.link_lost(reason)
        self._settle()

    def give_up(self, error: BridgeError) -> None:
        """No further link will be made: the user is out of all rooms."""
        self._features.rooms.refuse_all(error)
        self._settle()

    def quit(self, reason: str, exit_: Exit = Exit.DISCONNECTED) -> None:
        """Leave politely: `Exited` for each room, then QUIT; `close_expected` turns True."""
        self._features.rooms.leave_all(exit_, reason)
        self._hang_up(reason)
        self._settle()

    def _hang_up(self, reason: str) -> None:
        core = self._core
        if core.state in (State.ONLINE, State.REGISTERING):
            core.send_now("QUIT", *((reason,) if reason else ()))
            core.state = State.CLOSING

    def registered(self) -> None:
        """The server let us in (see `registration.Outcome`)."""
        core, features = self._core, self._features
        core.retry_after = 0.0
        features.rooms.tell_new_nick(core.known_nick)
        core.known_nick = core.nick
        for line in core.profile.after_connect_commands:
            features.raw.send(Command(server=core.server, line=line))
        features.rooms.join_waiting()
        features.away.registered()

    def not_registered(self, error: BridgeError) -> None:
        """The server does not let us in (see `registration.Outcome`)."""
        self._features.rooms.refuse_all(error)

    @property
    def is_return(self) -> bool:
        """True when the user is in rooms, and is to get back into them."""
        return self._features.rooms.any_returning

    def _supports_changed(self) -> None:
        self._hearing.learn_charset()
        self._features.rooms.refold()

    # ---- time

    def next_timer(self) -> float | None:
        """When `tick` is due, on the injected monotonic clock; None for never."""
        return self._core.agenda.next()

    def tick(self) -> None:
        """Let time pass: pacing, keep-alive, time-outs."""
        self._core.agenda.run()
        self._settle()

    def _settle(self) -> None:
        """After anything happened: let lines leave, have them confirmed, hang up when done."""
        core, features = self._core, self._features
        if features.rooms.replay:
            self._replay()
        core.release()
        if core.state is State.ONLINE and features.rooms.is_empty and not features.queries.waiting:
            self._hang_up("")
        if core.tickets.unfenced:
            features.liveness.fence()

    def _replay(self) -> None:
        """Read the lines that were kept back until the user was in."""
        rooms = self._features.rooms
        lines, rooms.replay = rooms.replay, []
        for heard in lines:
            self._features.read(heard)

    # ---- in and out

    def receive_data(self, data: bytes) -> bool:
        """Bytes from the server; tell if nothing can have come of them but events."""
        core = self._core
        if core.state is State.OFFLINE:
            return False
        self._features.liveness.heard_at = now = core.clock()
        if self._hearing.receive(data, now):
            return True
        self._settle()
        return False

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

    def submit(self, event: Outgoing) -> None:
        """Do what the user wants."""
        self._features.carry_out(event)
        self._settle()

    def ask(self, query: object, token: int) -> None:
        """Ask the server; an `Answer` with `token` follows."""
        self._features.queries.ask(query, token)
        self._settle()
