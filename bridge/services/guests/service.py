"""Guests: people of the network who act in rooms of XMPP, each under his own JID.

This file is the wiring: which stanza and which wish goes where. Rooms of our own domain are on the network
itself, so nobody is a guest there; those of the bridge's other gateways are rooms like any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import NO_REF, ContactId, Decline, Enter, Incoming, Invite, Outgoing, RoomId, Sent, UserId
from bridge.network import ContactAddress, Network, RoomInfo
from bridge.refusals import refusal
from bridge.router import Request, Route, Router, Target
from bridge.services.guests import wording
from bridge.services.guests.hearing import declined
from bridge.services.guests.lookup import look, room_jid
from bridge.services.guests.room import Room
from bridge.services.guests.visit import State, Visit
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError, escape
from bridge.xmpp.payloads.conference import NS_CONFERENCE, parse_direct_invite
from bridge.xmpp.payloads.muc import NS_MUC_USER, parse_received_invite

RESOURCE = "guest"
"""The resource of every guest: who comes again after a crash is the same occupant, not a second one."""
GUESTS_PER_ROOM = 1_000
ROOMS_PER_GUEST = 200
ROOMS = 10_000
"""In how many rooms guests of one gateway may be at once."""
TICK = 2.0
"""Seconds between two looks at what is due, as long as any guest is anywhere."""


class Guests:
    """See the module's docstring. `otherwise` takes messages to contacts that are not about rooms."""

    log = Logger()

    def __init__(
        self,
        router: Router,
        network: Network,
        clock: IReactorTime,
        wall: Callable[[], float],
        caps: Callable[[], Element],
        otherwise: Callable[[Request], Any],
    ) -> None:
        self.caps = caps
        self.wall = wall
        self.now = clock.seconds
        self._router = router
        self._network = network
        self._otherwise = otherwise
        self._rooms: dict[RoomId, Room] = {}
        self._stays: dict[ContactId, int] = {}
        self._last_id = int(wall() * 1_000)
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock

    def routes(self) -> list[Route]:
        """Declare what it answers: what comes to contacts from rooms in which they are not."""
        contact = frozenset({Target.CONTACT})
        return [
            Route("message", "groupchat", contact, self._astray),
            Route("message", "*", contact, self._mediated, (NS_MUC_USER, "x")),
            Route("message", "*", contact, self._direct, (NS_CONFERENCE, "x")),
        ]

    # ---- from the network

    def act(self, guest: ContactId, event: Outgoing) -> None:
        """Do what a guest wants; see `bridge.network.Uplink`."""
        try:
            self._act(guest, event)
        except BridgeError as error:
            answer = refusal(event, error)
            if answer is not None:
                self.tell(guest, answer)

    def _act(self, guest: ContactId, event: Outgoing) -> None:
        room_id: RoomId | None = getattr(event, "room", None)
        if room_id is None:
            raise BridgeError(Trouble.UNSUPPORTED)
        room = self._rooms.get(room_id)
        visit = None if room is None else room.visit(guest)
        if isinstance(event, Decline):
            self._decline(guest, event)
        elif isinstance(event, Enter):
            self._enter(guest, event, is_new=visit is None)
        elif room is None or visit is None:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        else:
            room.act(visit, event)

    def _decline(self, guest: ContactId, event: Decline) -> None:
        """§7.8.2: who does not come in asks the room to tell it to who invited him."""
        self.send(wording.declined(event, f"{escape(guest)}@{self._router.domain}", self.fresh_id()))
        if event.ref is not NO_REF:
            self.tell(guest, Sent(ref=event.ref))

    def _enter(self, guest: ContactId, event: Enter, *, is_new: bool) -> None:
        jid = room_jid(event.room)
        if jid.domain == self._router.domain:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "This room is on your own network: enter it there.")
        try:
            bare = Jid.parse(f"{escape(guest)}@{self._router.domain}").bare
            Jid.parse(f"{jid}/{event.nick}")
        except JidError:
            raise BridgeError(Trouble.BAD_NICK) from None
        room = self._rooms.get(event.room)
        if is_new:
            self._make_place(guest, room)
            self._follow(event.room, guest, bare)
        if room is None:
            room = self._rooms[event.room] = Room(event.room, self._router.domain, self)
        if not self._ticking.running:
            self._ticking.start(TICK, now=False)
        room.enter(guest, f"{bare}/{RESOURCE}", event)

    def _make_place(self, guest: ContactId, room: Room | None) -> None:
        if self._stays.get(guest, 0) >= ROOMS_PER_GUEST or (room is None and len(self._rooms) >= ROOMS):
            raise BridgeError(Trouble.TOO_MANY_ROOMS)
        if room is not None and len(room) >= GUESTS_PER_ROOM:
            raise BridgeError(Trouble.ROOM_FULL)
        self._stays[guest] = self._stays.get(guest, 0) + 1

    def _follow(self, room_id: RoomId, guest: ContactId, bare: str) -> None:
        def follower(stanza: Element, sender: Jid) -> None:
            room = self._rooms.get(room_id)
            if room is not None:
                room.receive(guest, stanza, sender.resource)

        self._router.follow(room_id, bare, follower)

    def jid(self, guest: ContactId, occupant: ContactId) -> str | None:
        """Return by which address a guest is in the room of an occupant; None if he is not."""
        room = self._rooms.get(RoomId(occupant.partition("/")[0]))
        visit = None if room is None else room.visit(guest)
        return visit.jid if visit is not None and visit.state is State.INSIDE else None

    def look(self, room: RoomId) -> Deferred[RoomInfo]:
        """Ask what a room is; see `bridge.network.Uplink`."""
        return look(self._router, room)

    def link_up(self) -> None:
        """XMPP takes stanzas (again): meanwhile rooms may have put out those who could not be reached."""
        for room in self._rooms.values():
            room.doubt()

    def stop(self, reason: str) -> None:
        """Take everybody out of every room."""
        if self._ticking.running:
            self._ticking.stop()
        for room in self._rooms.values():
            room.close(reason)
        self._rooms.clear()

    # ---- what a room needs

    def send(self, stanza: Element) -> None:
        """See `company.Ports`."""
        self._router.send(stanza)

    def ask(self, iq: Element) -> Deferred[Element]:
        """See `company.Ports`."""
        return self._router.request(iq)

    def tell(self, guest: ContactId, event: Incoming) -> None:
        """See `company.Ports`; what the network makes of it does not disturb the room."""
        try:
            self._network.heard(guest, (event,))
        except Exception:
            self.log.failure("the network could not take what a guest was told", Failure())

    def fresh_id(self) -> str:
        """See `company.Ports`."""
        self._last_id += 1
        return f"g{self._last_id:x}"

    def again(self, guest: ContactId, event: Enter) -> None:
        """See `company.Ports`."""
        self.act(guest, event)

    def over(self, room: RoomId, visit: Visit) -> None:
        """See `company.Ports`."""
        self._router.follow(room, Jid.parse(visit.jid).bare, None)
        left = self._stays[visit.guest] - 1
        if left:
            self._stays[visit.guest] = left
        else:
            del self._stays[visit.guest]
        if not len(self._rooms[room]):
            del self._rooms[room]
        if not self._rooms and self._ticking.running:
            self._ticking.stop()

    def _tick(self) -> None:
        for room in list(self._rooms.values()):
            room.tick()

    # ---- from XMPP

    def _astray(self, request: Request) -> None:
        """A room takes somebody for an occupant who is none (any more): the error has it put him out."""
        raise BridgeError(Trouble.NO_SUCH_NICK)

    def _mediated(self, request: Request) -> Any:
        """§7.8.2: a room passes on an invitation."""
        if request.type == "groupchat":
            return self._astray(request)
        decline = declined(request.element, RoomId(request.sender.bare))
        if decline is not None and isinstance(request.address, ContactAddress):
            return self.tell(request.address.contact, decline)
        invite = parse_received_invite(request.element)
        if invite is None or request.sender.resource:
            return self._otherwise(request)
        bare = invite.jid.partition("/")[0]
        inviter = invite.jid if bare == request.sender.bare else bare
        return self._invited(request, request.sender, inviter, None, invite.reason, invite.password)

    def _direct(self, request: Request) -> Any:
        """XEP-0249: somebody invites by himself; to rooms of our own, it is not a guest who is invited.

        COMPAT: services add the same to an invitation that they pass on (XEP-0045 §7.8.2).
        """
        if parse_received_invite(request.element) is not None:
            return self._mediated(request)
        invite = parse_direct_invite(request.element)
        try:
            room = None if invite is None else Jid.parse(invite.room)
        except JidError:
            raise BridgeError(Trouble.JID_MALFORMED) from None
        if invite is None or room is None or room.domain == self._router.domain:
            return self._otherwise(request)
        bare = request.sender.bare
        return self._invited(request, room, bare, UserId(bare), invite.reason, invite.password)

    def _invited(
        self, request: Request, room: Jid, inviter: str, user: UserId | None, reason: str, password: str
    ) -> Any:
        if "guests" not in self._network.capabilities(UserId(""), None).carried:
            return self._otherwise(request)
        assert isinstance(request.address, ContactAddress)
        event = Invite(room=RoomId(room.bare), nick=inviter, user=user, reason=reason, password=password)
        return self.tell(request.address.contact, event)
