"""The MUC service of one gateway domain: rooms of a network, as XEP-0045 rooms.

This file is the wiring: which stanza goes to which feature, and which event of the network to
which method. Each feature is a file of its own beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ContactNotice,
    Decline,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Entered,
    Exited,
    Failed,
    Incoming,
    Invite,
    Knock,
    Link,
    Message,
    NetworkState,
    NickChange,
    NickRefused,
    NotEntered,
    OccupantChange,
    Reaction,
    Receipt,
    Ref,
    Retraction,
    RoomId,
    Sent,
    ServerNotice,
    Typing,
    UserId,
    VoiceRequest,
)
from bridge.network import Address, RoomAddress
from bridge.router import Request, Route, Target
from bridge.services.muc.context import Context, Ticket, user_of
from bridge.services.muc.direct import Direct
from bridge.services.muc.history import History
from bridge.services.muc.invite import Invitations
from bridge.services.muc.join import Join as JoinFeature
from bridge.services.muc.journal import Envelope
from bridge.services.muc.leave import Leave as LeaveFeature
from bridge.services.muc.mam import Mam
from bridge.services.muc.moderation import Moderation
from bridge.services.muc.owner import Owner
from bridge.services.muc.ping import SelfPing
from bridge.services.muc.presence import Availability
from bridge.services.muc.register import Registration
from bridge.services.muc.render import Shown, subject_of
from bridge.services.muc.restore import Restore
from bridge.services.muc.retraction import ModeratedRetraction
from bridge.services.muc.speech import Speech
from bridge.services.muc.voice import Voice
from bridge.xmpp.jid import Jid, unescape
from bridge.xmpp.payloads.muc import NS_MUC

BURSTS = 512
"""How many delivered tuples are remembered with their rendering."""
BURST_BYTES = 2 * 1024 * 1024
"""How much of rendering is remembered in all."""
ROOMS = frozenset({Target.ROOM, Target.OCCUPANT})
NO_ROOM = "This is the address of a person, not of a room."


class Burst(Struct):
    """A delivered tuple; `template` is its rendering if all in it is shown in one room.

    It is not meant for those whose nicks are in `subjects`: what happens to oneself looks different.
    """

    events: Sequence[Incoming]
    room: RoomId
    template: bytes
    subjects: frozenset[str]


class Watcher(Protocol):
    """Who wants to know which clients a user has; see `bridge.services.calls.service.Calls`."""

    def came(self, request: Request) -> None:
        """A client shows itself to a contact."""

    def went(self, request: Request) -> None:
        """A client is unavailable to a contact."""

    def bounced(self, request: Request) -> bool:
        """A message came back; tell whether it was the watcher's."""


class Muc:
    """See the module's docstring.

    `link_changed` is told of users' links to servers, `of_contacts` takes events about contacts (roster),
    `watcher` is told of clients that show themselves to contacts.
    """

    def __init__(
        self,
        context: Context,
        link_changed: Callable[[UserId, NetworkState], None],
        of_contacts: Mapping[type[Incoming], Callable[[UserId, Any], None]],
        watcher: Watcher,
    ) -> None:
        self._context = context
        self._link_changed = link_changed
        self._watcher = watcher
        self._history = History(context)
        self._join = JoinFeature(context, self._history)
        self._leave = LeaveFeature(context, self._history)
        self._speech = Speech(context)
        self._direct = Direct(context)
        self._invitations = Invitations(context)
        self._registration = Registration(context)
        self._moderation = Moderation(context)
        self._voice = Voice(context)
        self._availability = Availability(context)
        self._restore = Restore(context, self._join, self._leave, self._availability)
        self._features = (
            Mam(context),
            SelfPing(context),
            Owner(context),
            self._registration,
            ModeratedRetraction(context),
            self._moderation,
        )
        self._bursts: dict[int, Burst] = {}
        self._burst_bytes = 0
        self._on: dict[type[Incoming], Callable[[UserId, Any], None]] = {
            Entered: self._join.entered,
            NotEntered: self._not_entered,
            Exited: self._exited,
            NickRefused: self._moderation.nick_refused,
            Reaction: self._speech.reaction,
            Retraction: self._speech.retraction,
            Typing: self._typing,
            Receipt: self._receipt,
            DirectMessage: self._direct.message,
            DirectReaction: self._direct.reaction,
            DirectRetraction: self._direct.retraction,
            Sent: lambda _user, event: context.tickets.sent(event),
            Failed: lambda _user, event: context.tickets.failed(event),
            Invite: self._invited,
            Decline: self._declined,
            Knock: self._registration.knocked,
            VoiceRequest: self._voice.requested,
            ServerNotice: self._direct.server_notice,
            ContactNotice: self._direct.question,
            NetworkState: self._link,
            **of_contacts,
        }

    # ---- from clients

    def routes(self) -> list[Route]:
        """Declare what the MUC answers."""
        room, occupant, contact = (
            frozenset({Target.ROOM}),
            frozenset({Target.OCCUPANT}),
            frozenset({Target.CONTACT}),
        )
        server = frozenset({Target.SERVER, Target.GATEWAY})
        rows = [
            Route("presence", "", occupant, self._presence),
            Route("presence", "", room, self._join.no_nick),
            Route("presence", "unavailable", ROOMS, self._unavailable),
            Route("presence", "error", ROOMS, self._error),
            Route("presence", "", contact, self._to_contact_there),
            Route("presence", "unavailable", contact, self._to_contact_gone),
            Route("message", "groupchat", room, self._speech.groupchat),
            Route("message", "error", frozenset(Target), self._error),
            Route("message", "*", room, self._to_room),
            Route("message", "*", occupant, self._direct.to_occupant),
            Route("message", "*", contact, self.to_contact),
            Route("message", "*", server, self._direct.to_server),
        ]
        return rows + [row for feature in self._features for row in feature.routes()]

    def _presence(self, request: Request) -> None:
        self._join.presence(request)
        if self._context.rooms.get(user_of(request), request.room.room) is not None:
            self._availability.update(request)

    def _unavailable(self, request: Request) -> None:
        self._leave.presence(request)
        self._availability.gone(request)

    def _to_contact_there(self, request: Request) -> None:
        if request.element.child("x", NS_MUC) is not None:
            raise BridgeError(Trouble.NO_SUCH_ROOM, NO_ROOM)
        self._availability.to_contact(request)
        self._watcher.came(request)

    def _to_contact_gone(self, request: Request) -> None:
        self._availability.gone(request)
        self._watcher.went(request)

    def _error(self, request: Request) -> None:
        error = request.element.child("error")
        if request.target is Target.CONTACT:
            return None if self._watcher.bounced(request) else self._direct.undelivered(request)
        if error is not None:
            for child in error.elements():
                if child.namespace == "urn:ietf:params:xml:ns:xmpp-stanzas" and child.name != "text":
                    return self._restore.bounced(request.sender, child.name)
        return None

    def _to_room(self, request: Request) -> Deferred[Any] | None:
        """A message that is no groupchat: an invitation to pass on, or what asks for rights or gives them."""
        for take in (self._registration.answer, self._voice.message, self._invitations.message):
            taken = take(request)
            if taken is not None:
                return taken
        return None

    def to_contact(self, request: Request) -> Deferred[Any] | None:
        """Take a message to somebody alone: an invitation to one of our rooms, or what is said to him."""
        invited = self._invitations.direct(request)
        if invited is None:
            self._direct.to_contact(request)
        return invited

    # ---- from the network

    def deliver(self, user: UserId, events: Sequence[Incoming]) -> None:
        """Show what happened to `user`; see `bridge.network.Uplink`."""
        if events and type(events[0]) not in self._on:
            burst = self._bursts.get(id(events))
            if burst is None or burst.events is not events:
                burst = self._render(events)
            if burst.template:
                occupancy = self._context.rooms.get(user, burst.room)
                if occupancy is None:
                    return
                if occupancy.nick not in burst.subjects:
                    occupancy.write(self._context.router.write, burst.template)
                    return
        for event in events:
            method = self._on.get(type(event), self._show)
            method(user, event)

    def _show(self, user: UserId, event: Shown) -> None:
        occupancy = self._context.rooms.get(user, event.room)
        if occupancy is None:
            return
        own = subject_of(event) == occupancy.nick
        if own and isinstance(event, NickChange | OccupantChange):
            self._moderation.own(occupancy, event)
        self._context.write(occupancy, self._context.render.event(event, own=own))

    def _render(self, events: Sequence[Incoming]) -> Burst:
        """What everybody in a room is shown is the same for all but its subjects: N users, one rendering."""
        shown = [event for event in events if isinstance(event, Shown)]
        burst = Burst(events, RoomId(""), b"", frozenset())
        if len(shown) == len(events) and len({event.room for event in shown}) == 1:
            burst.room = shown[0].room
            burst.template = b"".join(map(self._context.render.event, shown))
            burst.subjects = frozenset(map(subject_of, shown))
        self._burst_bytes += len(burst.template)
        if len(self._bursts) >= BURSTS or self._burst_bytes > BURST_BYTES:
            self._bursts.clear()
            self._burst_bytes = len(burst.template)
        self._bursts[id(events)] = burst
        return burst

    def archive(self, event: Message | Reaction | Retraction) -> None:
        """Keep what was said or done; see `bridge.network.Uplink`."""
        self._history.archive(event)

    def repeatable(self, ref: Ref, data: bytes) -> Deferred[None] | None:
        """Keep by what the network goes on with a message; see `bridge.network.Uplink`."""
        return self._context.tickets.repeatable(ref, data)

    def unanswered(self) -> Sequence[tuple[UserId, Ref, bytes]]:
        """Wait again for the outcome of what was under way; see `bridge.network.Uplink`."""
        found = list(self._context.journal.repeatables())
        for ref, user, envelope in found:
            self._context.tickets.reopen(ref, self._reopened(user, envelope))
        return [(user, ref, envelope.again) for ref, user, envelope in found]

    def _reopened(self, user: UserId, envelope: Envelope) -> Ticket:
        """Return who waits for a message; what was for a place that is none any more is for nobody to see."""
        address: Address | None = None
        with suppress(BridgeError):
            address = self._context.network.address(unescape(Jid.parse(envelope.to).local))
        if envelope.kind == "groupchat" and isinstance(address, RoomAddress):
            return self._speech.reopened(user, address.room, envelope)
        return self._direct.reopened(user, envelope)

    def _not_entered(self, user: UserId, event: NotEntered) -> None:
        self._join.not_entered(user, event)
        self._availability.left(user, event.room)

    def _exited(self, user: UserId, event: Exited) -> None:
        self._leave.exited(user, event)
        if self._context.rooms.get(user, event.room) is None:
            self._availability.left(user, event.room)

    def _typing(self, user: UserId, event: Typing) -> None:
        if event.room is not None and event.contact is None:
            occupancy = self._context.rooms.get(user, event.room)
            if occupancy is not None:
                self._speech.typing(occupancy, event)
        else:
            self._direct.typing(user, event)

    def _receipt(self, user: UserId, event: Receipt) -> None:
        occupancy = None if event.room is None else self._context.rooms.get(user, event.room)
        if occupancy is not None:
            self._speech.receipt(occupancy, event)
        else:
            self._direct.receipt(user, event)

    def _invited(self, user: UserId, event: Invite) -> None:
        address = self._context.network.address(event.room)
        self._invitations.invited(user, event, self._direct.clients(user, getattr(address, "server", "")))

    def _declined(self, user: UserId, event: Decline) -> None:
        """Tell the clients that are in the room, or else those that are there at all."""
        occupancy = self._context.rooms.get(user, event.room)
        address = self._context.network.address(event.room)
        elsewhere = self._direct.clients(user, getattr(address, "server", ""))
        self._invitations.declined(user, event, elsewhere if occupancy is None else occupancy.targets)

    def _link(self, user: UserId, event: NetworkState) -> None:
        if event.link in (Link.RETRYING, Link.DISCONNECTED):
            self._link_lost(user, event)
        self._direct.link_changed(user, event)
        self._link_changed(user, event)

    def _link_lost(self, user: UserId, event: NetworkState) -> None:
        """Note whom the clients see, so that the next `Entered` leaves no ghosts; record nothing now."""
        for occupancy in list(self._context.rooms.of(user).values()):
            if occupancy.server == event.server and occupancy.known is None:
                seen = self._context.network.snapshot(user, occupancy.room)
                occupancy.known = frozenset() if seen is None else frozenset(seen.occupants)
                self._history.end(occupancy)

    # ---- the way to XMPP

    def link_up(self) -> None:
        """The domain is reachable (again)."""
        self._restore.link_up()

    # ---- for other services

    def clients(self, user: UserId, room: RoomId) -> list[str]:
        """Return the full JIDs of the user's clients that are in the room."""
        occupancy = self._context.rooms.get(user, room)
        return [] if occupancy is None else list(occupancy.resources)

    def resources(self, user: UserId) -> list[str]:
        """Return the full JIDs of the user's clients that are in any room."""
        return sorted({jid for one in self._context.rooms.of(user).values() for jid in one.resources})
