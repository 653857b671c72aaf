"""What the MUC's features share: who is where, the way out, the network, the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import structs
from twisted.internet.defer import Deferred, FirstError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import Failed, Outgoing, Ref, RoomId, Sent, UserId
from bridge.network import Network
from bridge.router import Request, Router
from bridge.services.muc.archive import Archive, NetworkArchive, StoreArchive
from bridge.services.muc.journal import Envelope, Journal
from bridge.services.muc.occupancy import Occupancy, Resource, Rooms
from bridge.services.muc.render import GAP, Renderer
from bridge.settings import UserSettings
from bridge.store import Store
from bridge.xmpp.jid import spelt_domain

TICKETS_PER_USER = 1_000
"""How many outgoing events of one user may be unanswered by the network."""
NOBODY = ""
"""In the store, the client of a user who stays in a persistent room without any."""
RECENT_TICKETS = 2_000
"""How many messages that went through are remembered, at least, in case they fail after all."""


class Ticket(Protocol):
    """Somebody who waits for the outcome of an outgoing event."""

    @property
    def user(self) -> UserId:
        """Whose event it is."""

    @property
    def envelope(self) -> Envelope | None:
        """What is journalled of a message."""

    def sent(self, event: Sent) -> None:
        """Take one `Sent`."""

    def failed(self, error: BridgeError) -> None:
        """Take the failure."""


class Tickets:
    """Outgoing events that the network has not answered yet, by `Ref`; bounded per user.

    A message that was answered by `Sent` may still fail (its line was refused, or the link turned
    out to be dead), so the latest ones are remembered: in two halves, the older thrown away whole.
    `first` must be greater than any `Ref` of an earlier run.
    """

    def __init__(self, journal: Journal, first: int) -> None:
        self._journal = journal
        self._open: dict[Ref, Ticket] = {}
        self._count: dict[UserId, int] = {}
        self._last = first
        self._recent: dict[Ref, Ticket] = {}
        self._older: dict[Ref, Ticket] = {}

    def __len__(self) -> int:
        return len(self._open)

    def issue(self, ticket: Ticket) -> Ref:
        """Return a fresh `Ref` for it; BridgeError OVERLOADED when the user has too many."""
        count = self._count.get(ticket.user, 0)
        if count >= TICKETS_PER_USER:
            raise BridgeError(Trouble.OVERLOADED)
        self._count[ticket.user] = count + 1
        self._last += 1
        ref = Ref(self._last)
        self._open[ref] = ticket
        if ticket.envelope is not None:
            self._journal.accepted(ref, ticket.user, ticket.envelope)
        return ref

    def repeatable(self, ref: Ref, data: bytes) -> Deferred[None] | None:
        """The network can go on with this message after a crash, by `data`; see `Journal.repeatable`."""
        ticket = self._open.get(ref)
        if ticket is None or ticket.envelope is None:
            return None
        return self._journal.repeatable(ref, ticket.user, structs.replace(ticket.envelope, again=data))

    def reopen(self, ref: Ref, ticket: Ticket) -> None:
        """Wait for the outcome of an event of an earlier run."""
        self._open[ref] = ticket
        self._count[ticket.user] = self._count.get(ticket.user, 0) + 1

    def sent(self, event: Sent) -> None:
        """Settle a ticket, or tell it of one line more."""
        ticket = self._open.get(event.ref)
        if ticket is None:
            return
        if event.last:
            self._close(event.ref, ticket)
            if ticket.envelope is not None:
                self._remember(event.ref, ticket)
        ticket.sent(event)

    def failed(self, event: Failed) -> None:
        """Settle a ticket with an error; a message that seemed to have gone through is told too, once."""
        ref = event.ref
        ticket = self._open.get(ref)
        if ticket is not None:
            self._close(ref, ticket)
        else:
            ticket = self._recent.pop(ref, None) or self._older.pop(ref, None)
        if ticket is not None:
            ticket.failed(event.error)

    def _remember(self, ref: Ref, ticket: Ticket) -> None:
        if len(self._recent) >= RECENT_TICKETS:
            self._recent, self._older = {}, self._recent
        self._recent[ref] = ticket

    def _close(self, ref: Ref, ticket: Ticket) -> None:
        del self._open[ref]
        if ticket.envelope is not None:
            self._journal.settled(ref, ticket.user)
        left = self._count[ticket.user] - 1
        if left:
            self._count[ticket.user] = left
        else:
            del self._count[ticket.user]


class Awaited:
    """A ticket of an iq: its Deferred fires with None, or fails with the network's error."""

    def __init__(self, user: UserId) -> None:
        self.user = user
        self.envelope: Envelope | None = None
        self.done: Deferred[None] = Deferred()

    def sent(self, event: Sent) -> None:
        """Answer the iq once the last part went through."""
        if event.last and not self.done.called:
            self.done.callback(None)

    def failed(self, error: BridgeError) -> None:
        """Answer the iq with an error."""
        if not self.done.called:
            self.done.errback(error)


class Context:
    """See the module's docstring; one for each gateway domain."""

    def __init__(
        self,
        *,
        router: Router,
        network: Network,
        store: Store,
        renderer: Renderer,
        clock: IReactorTime,
        wall: Callable[[], float],
        settings: UserSettings,
    ) -> None:
        self.router = router
        self.network = network
        self.store = store
        self.render = renderer
        self.clock = clock
        self.wall = wall
        self.settings = settings
        self.archive: Archive = (
            NetworkArchive(network) if network.keeps_history else StoreArchive(router.domain, store)
        )
        self.rooms = Rooms()
        self.journal = Journal(router.domain, store, clock)
        self.tickets = Tickets(self.journal, store.next_id())

    @property
    def brand(self) -> str:
        """What the gateway's own remarks begin with."""
        return self.network.identity.brand

    @property
    def domain(self) -> str:
        """The gateway domain."""
        return self.router.domain

    def remember(self, occupancy: Occupancy, full_jid: str) -> None:
        """Note in the store that this client is in; `NOBODY`: the user stays without any."""
        self.store.put_occupancy(
            self.domain, occupancy.room, occupancy.user, full_jid, occupancy.nick, occupancy.password
        )

    def forget(self, occupancy: Occupancy, full_jid: str) -> None:
        """Note in the store that this client is out."""
        self.store.drop_occupancy(self.domain, occupancy.room, occupancy.user, full_jid)

    def submit(self, user: UserId, event: Outgoing) -> None:
        """Ask the network."""
        self.network.submit(user, event)

    def submit_for_answer(self, user: UserId, event: Callable[[Ref], Outgoing]) -> Deferred[None]:
        """Ask the network and return what a method of a `Route` returns."""
        ticket = Awaited(user)
        self.network.submit(user, event(self.tickets.issue(ticket)))
        return ticket.done

    def here(self, request: Request) -> tuple[Occupancy, Resource]:
        """Return where the sender is; BridgeError NOT_IN_ROOM unless this client of his is in."""
        occupancy = self.rooms.get(user_of(request), request.room.room)
        resource = None if occupancy is None else occupancy.resources.get(str(request.sender))
        if occupancy is None or resource is None:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        return occupancy, resource

    def write(self, occupancy: Occupancy, template: bytes) -> None:
        """Give all clients of the user in this room a template."""
        occupancy.write(self.router.write, template)

    def write_to(self, user: UserId, targets: Iterable[bytes], template: bytes) -> None:
        """Give these clients of the user, quoted JIDs, a template."""
        domain = spelt_domain(user)
        for to in targets:
            self.router.write(template.replace(GAP, to), domain)


def user_of(request: Request) -> UserId:
    """The user who sent it."""
    return UserId(request.sender.bare)


def room_of(request: Request) -> RoomId:
    """The room it is addressed to."""
    return request.room.room


def first_error(failure: Failure) -> Failure:
    """Of several things asked for in one stanza, the first failure is the answer."""
    error = failure.value
    return error.subFailure if isinstance(error, FirstError) else failure
