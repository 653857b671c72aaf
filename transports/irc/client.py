"""The shell around one session: its connection, made and made again, and its deadlines.

Here are no IRC words: the session says what it wants, this file moves bytes and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.events import Enter, Exit, Incoming, Link, NetworkState, Outgoing, ServerId, ServerNotice, UserId
from transports.irc.connection import Connection
from transports.irc.dialer import Dialer, Target, Turnstile
from transports.irc.session import Answer, IrcSession, State
from transports.irc.timers import Timers

FIRST_RETRY = 2.0
"""Seconds before the first attempt to connect again, at most."""
LAST_RETRY = 300.0
"""Seconds between attempts, at most."""
STABLE = 60.0
"""Seconds after which a link is good enough to begin with short pauses again."""
CLOSE_TIMEOUT = 5.0
"""Seconds that a polite end of the connection may take."""
GRACE = 2.0
"""Seconds after a pause in reading during which no server is taken for silent."""


class Owner(Protocol):
    """Whom a client reports to."""

    @property
    def deliver(self) -> Callable[[UserId, Sequence[Incoming]], None]:
        """Takes what happened to a user."""

    def moved(self, client: IrcClient) -> None:
        """The client has something to carry on: now (`advance`), or when a burst ends."""

    def answered(self, answer: Answer) -> None:
        """A question ended."""

    def finished(self, client: IrcClient) -> None:
        """The client has no connection, and wants none."""


class Links(Struct, frozen=True, kw_only=True):
    """What all clients of a network share; `random` gives numbers from 0 to 1, `wall` epoch seconds."""

    clock: IReactorTime
    wall: Callable[[], float]
    random: Callable[[], float]
    timers: Timers
    dialer: Dialer
    turnstile: Callable[[ServerId, str], Turnstile]


class Backoff:
    """Pauses between attempts: doubled each time, with jitter (RFC 6120 §3.3)."""

    __slots__ = ("_failures", "_random")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def pause(self) -> float:
        """Return the seconds to wait after a further failure."""
        longest = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return longest * (0.25 + 0.75 * self._random())

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._failures = 0


class IrcClient:
    """One user's link to one server, for as long as he wants it.

    `target` says where to connect, at each attempt anew; it may raise BridgeError. `patience` is
    how many seconds a lost link is tried to be made again. `connected_at` is in epoch seconds.
    """

    __slots__ = (
        "_again",
        "_backoff",
        "_broken_since",
        "_carrying",
        "_close_by",
        "_deadline",
        "_held",
        "_is_parting",
        "_link",
        "_links",
        "_made_at",
        "_owner",
        "_reason",
        "_retry_at",
        "connected_at",
        "connection",
        "patience",
        "server",
        "session",
        "target",
        "user",
    )
    log = Logger()

    def __init__(
        self,
        user: UserId,
        server: ServerId,
        session: IrcSession,
        *,
        owner: Owner,
        links: Links,
        target: Callable[[], Target],
        patience: float,
    ) -> None:
        self.user = user
        self.server = server
        self.session = session
        self.target = target
        self.patience = patience
        self.connection: Connection | None = None
        self.connected_at = 0.0
        self._owner = owner
        self._links = links
        self._deadline = links.timers.deadline(self._reached)
        self._backoff = Backoff(links.random)
        self._retry_at: float | None = None
        self._close_by: float | None = None
        self._broken_since: float | None = None
        self._made_at = 0.0
        self._link = Link.DISCONNECTED
        self._reason = ""
        self._held = False
        self._is_parting = False
        self._carrying = False
        self._again = False

    @property
    def is_up(self) -> bool:
        """True while there is a connection to the server."""
        return self.connection is not None and self.connection.is_up

    # ---- what the user wants

    def submit(self, event: Outgoing) -> None:
        """Do what the user wants; a new wish to enter ends the pause between attempts."""
        if isinstance(event, Enter):
            self._retry_at = None
        self.session.submit(event)
        self._owner.moved(self)

    def ask(self, query: object, token: int) -> None:
        """Ask the server; the owner gets an `Answer`."""
        self.session.ask(query, token)
        self.advance()

    def quit(self, reason: str, exit_: Exit = Exit.DISCONNECTED) -> None:
        """Leave politely."""
        self.session.quit(reason, exit_)
        self.advance()

    def abort(self) -> None:
        """Cut the connection."""
        if self.connection is not None:
            self.connection.abort("")

    def hold(self) -> None:
        """Read no more for now: the bridge cannot take it."""
        self._held = True
        if self.connection is not None:
            self.connection.pause()

    def release(self) -> None:
        """Read on; what the server sent meanwhile comes before any deadline is looked at."""
        self._held = False
        if self.connection is not None:
            self.connection.resume()
        self._deadline.by(self._links.clock.seconds() + GRACE)

    # ---- what the connection brings

    def progress(self, text: str) -> None:
        """Tell the user of the first attempts, and of success; the rest would be a flood."""
        if self._broken_since is None or self.is_up:
            self._owner.deliver(self.user, (ServerNotice(server=self.server, text=text),))

    def connection_made(self, *, secure: bool) -> None:
        """Begin the session."""
        self._made_at = self._links.clock.seconds()
        self.connected_at = self._links.wall()
        if self._held and self.connection is not None:
            self.connection.pause()
        self.session.connection_made(secure=secure)
        self.advance()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session; a fault in it costs this one link only."""
        only_events = False
        try:
            only_events = self.session.receive_data(data)
        except Exception:
            self.log.failure("session with {server} failed", server=self.server)
            self.abort()
        if only_events and not self._carrying:
            self._pass_on()
        else:
            self.advance()

    def _pass_on(self) -> None:
        """Deliver what other users saw too: the way of nearly all lines, so the shortest."""
        self._carrying = True
        try:
            for events in self.session.take_events():
                self._owner.deliver(self.user, events)
        finally:
            self._carrying = False
        if self._again:
            self.advance()

    def connection_lost(self, text: str, *, made: bool) -> None:
        """Have the session forget the link, and plan the next one if it still wants one."""
        self.connection = None
        self._reason = text = (self.session.reason if made else "") or text
        carrying, self._carrying = self._carrying, True
        try:
            if self._is_parting:
                self.session.connection_lost(None)
            else:
                self._lose(BridgeError(Trouble.LOST if made else Trouble.UNREACHABLE, text))
            self._close_by, self._is_parting = None, False
        finally:
            self._carrying = carrying
        self.advance()

    def _lose(self, error: BridgeError) -> None:
        now = self._links.clock.seconds()
        if self._link is Link.CONNECTED:
            self._broken_since = now
            if now - self._made_at >= STABLE:
                self._backoff.reset()
            if self.session.wants_link:
                self._tell(Link.RETRYING)
        self.session.connection_lost(error, error.text)
        if self.session.wants_link:
            self._plan_retry(error, now)

    def _plan_retry(self, error: BridgeError, now: float) -> None:
        """Try again what once went well; what never did fails visibly."""
        if self._broken_since is None or now - self._broken_since >= self.patience:
            self.session.give_up(error)
        else:
            self._retry_at = now + max(self._backoff.pause(), self.session.retry_after)

    # ---- moving it all on

    def advance(self) -> None:
        """Carry what the session has to where it belongs, until there is nothing left."""
        self._again = True
        if self._carrying:
            return
        self._carrying = True
        try:
            while self._again:
                self._again = False
                self._carry()
                self._settle()
        finally:
            self._carrying = False
        self._arm()

    def _carry(self) -> None:
        session, connection = self.session, self.connection
        if connection is not None and connection.is_up and not connection.choked:
            data = session.data_to_send()
            if data:
                connection.write(data)
        for events in session.take_events():
            self._owner.deliver(self.user, events)
        for answer in session.take_answers():
            self._owner.answered(answer)

    def _settle(self) -> None:
        """Have a connection exactly while the session wants one."""
        session, connection = self.session, self.connection
        state = session.state
        if state is State.ONLINE:
            if self._link is not Link.CONNECTED:
                self._broken_since = None
                self._tell(Link.CONNECTED)
        elif connection is None:
            self._settle_unconnected()
        elif not connection.is_up:
            if not session.wants_link:
                self.connection = None
                connection.close()
                self._again = True
        elif self._close_by is None and (session.close_expected or not session.wants_link):
            self._close_by = self._links.clock.seconds() + CLOSE_TIMEOUT
            self._is_parting = not session.wants_link
            connection.close()

    def _settle_unconnected(self) -> None:
        if self.session.wants_link:
            if self._retry_at is None:
                self._open()
            return
        self._retry_at = None
        self._tell(Link.DISCONNECTED)
        if not self.session.wants_link:
            self._owner.finished(self)

    def _open(self) -> None:
        try:
            target = self.target()
        except BridgeError as error:
            self.session.give_up(error)
            self._again = True
            return
        if self._broken_since is None:
            self._tell(Link.CONNECTING)
        self.connection = Connection(target, self)
        self.connection.open(self._links.dialer, self._links.turnstile(self.server, target.host))

    def _tell(self, link: Link) -> None:
        if link is not self._link:
            self._link = link
            text = self._reason if link in (Link.RETRYING, Link.DISCONNECTED) else ""
            self._owner.deliver(self.user, (NetworkState(server=self.server, link=link, text=text),))

    # ---- deadlines

    def _arm(self) -> None:
        if self.connection is None and not self.session.wants_link:
            self._deadline.cancel()
            return
        deadline = self._deadline
        deadline.by(self.session.next_timer())
        if self._retry_at is not None or self._close_by is not None:
            deadline.by(self._retry_at)
            deadline.by(self._close_by)

    def _reached(self) -> None:
        now = self._links.clock.seconds()
        if self._close_by is not None and now >= self._close_by:
            self.abort()
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
        due = self.session.next_timer()
        if due is not None and now >= due and not self._held:
            self.session.tick()
        self.advance()
