"""Coming in: XEP-0045 §7.2, in the strict order occupants, self, history, subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.errors import BridgeError, Trouble
from bridge.events import ChangeNick, Enter, Entered, NotEntered, Occupant, RoomId, UserId
from bridge.router import Request
from bridge.services.muc.context import Context, room_of, user_of
from bridge.services.muc.history import History
from bridge.services.muc.occupancy import (
    RESOURCES_PER_ROOM,
    ROOMS_PER_USER,
    HistoryRequest,
    Occupancy,
    Resource,
    State,
)
from bridge.services.muc.render import GAP
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.muc import NS_MUC, MucJoin, parse_join
from bridge.xmpp.stanza import error_reply

SELF_CODES = (100, 110)
"""XEP-0045 §15.6.2: real addresses are seen by everybody; this presence is your own."""
ASSIGNED_NICK = 210
LIST_CACHE = 16
"""How many occupant lists are kept rendered."""
SLICE = 1_000
"""How many occupants are shown before others have their turn."""
SMALL_ROOM = 32
"""Lists up to this length are rendered anew each time: keeping them would cost more than it saves."""


class Lists:
    """Occupant lists, rendered once for all who share the same mapping of occupants."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._presences: dict[int, tuple[Occupant, bytes]] = {}
        self._lists: dict[int, tuple[Mapping[str, Occupant], dict[str, bytes]]] = {}

    def of(self, room: RoomId, occupants: Mapping[str, Occupant]) -> dict[str, bytes]:
        """Return each occupant's presence template by nick."""
        if len(occupants) <= SMALL_ROOM:
            return self._context.render.presences(room, occupants.values())
        found = self._lists.get(id(occupants))
        if found is not None and found[0] is occupants:
            return found[1]
        if len(self._lists) >= LIST_CACHE:
            self._lists.clear()
        rendered = {nick: self._presence(room, occupant) for nick, occupant in occupants.items()}
        self._lists[id(occupants)] = (occupants, rendered)
        self._bound(occupants)
        return rendered

    def _bound(self, occupants: Mapping[str, Occupant]) -> None:
        if len(self._presences) > 4 * len(occupants) + 10_000:
            self._presences.clear()

    def parts(self, room: RoomId, occupants: Mapping[str, Occupant], me: str) -> Iterator[bytes]:
        """Yield the templates of a very long list without one nick, `SLICE` of them at a time."""
        part: list[bytes] = []
        for number, (nick, occupant) in enumerate(occupants.items(), 1):
            if nick != me:
                part.append(self._presence(room, occupant))
            if number % SLICE == 0 and part:
                yield b"".join(part)
                part.clear()
        if part:
            yield b"".join(part)
        self._bound(occupants)

    def _presence(self, room: RoomId, occupant: Occupant) -> bytes:
        key = id(occupant) ^ hash(room)
        found = self._presences.get(key)
        if found is None or found[0] is not occupant:
            found = self._presences[key] = (occupant, self._context.render.presence(room, occupant))
        return found[1]


class Join:
    """Takes clients into rooms, and tells them what they find there."""

    def __init__(self, context: Context, history: History) -> None:
        self._context = context
        self._history = history
        self._lists = Lists(context)

    # ---- from the client

    def presence(self, request: Request) -> None:
        """An available presence to an occupant JID: a join, a nick change, or an update (§7.2, §7.6)."""
        occupancy = self._context.rooms.get(user_of(request), room_of(request))
        muc = request.element.child("x", NS_MUC)
        inside = occupancy is not None and str(request.sender) in occupancy.resources
        if muc is None and not inside:
            raise BridgeError(Trouble.NOT_JOINED)
        if muc is not None:
            self._join(request, occupancy, parse_join(muc))
        elif (
            occupancy is not None
            and occupancy.state is State.INSIDE
            and request.to.resource != occupancy.nick
        ):
            self._context.submit(occupancy.user, ChangeNick(room=occupancy.room, nick=request.to.resource))

    def no_nick(self, request: Request) -> None:
        """§7.2.1: a join without a nickname, or a presence to a bare room."""
        if request.element.child("x", NS_MUC) is not None:
            raise BridgeError(Trouble.NO_NICK)

    def _join(self, request: Request, occupancy: Occupancy | None, wish: MucJoin) -> None:
        user, full_jid = user_of(request), str(request.sender)
        history = HistoryRequest(wish.max_stanzas, self._since(wish), wish.max_chars)
        resource = Resource(full_jid, request.to.resource, history)
        if occupancy is None or occupancy.state is State.LEAVING:
            if len(self._context.rooms.of(user)) >= ROOMS_PER_USER:
                raise BridgeError(Trouble.TOO_MANY)
            begun = self.begin(
                user, room_of(request), request.room.server, resource.nick, wish.password, [resource]
            )
            if occupancy is not None:
                begun.previous = tuple(one.to for one in occupancy.resources.values())
            return
        if full_jid not in occupancy.resources and len(occupancy.resources) >= RESOURCES_PER_ROOM:
            raise BridgeError(Trouble.TOO_MANY)
        self.add(occupancy, resource)

    def add(self, occupancy: Occupancy, resource: Resource) -> None:
        """Add a client to an occupancy that stands; it is welcomed now if the user is inside."""
        occupancy.resources[resource.full_jid] = resource
        occupancy.refresh()
        self._context.remember(occupancy, resource.full_jid)
        if occupancy.state is State.INSIDE:
            seen = self._context.network.snapshot(occupancy.user, occupancy.room)
            if seen is not None:
                self._welcome(occupancy, resource, seen)

    def _since(self, wish: MucJoin) -> float | None:
        if wish.seconds is not None:
            return self._context.wall() - wish.seconds
        return wish.since

    def begin(
        self, user: UserId, room: RoomId, server: str, nick: str, password: str, resources: list[Resource]
    ) -> Occupancy:
        """Begin an occupancy with these clients; also used to restore one."""
        occupancy = Occupancy(user, room, server, nick, password)
        self._context.rooms.add(occupancy)
        for resource in resources:
            occupancy.resources[resource.full_jid] = resource
            self._context.remember(occupancy, resource.full_jid)
        self._context.submit(user, Enter(room=room, nick=nick, password=password))
        return occupancy

    # ---- from the network

    def entered(self, user: UserId, event: Entered) -> None:
        """The user is in: welcome every client that waited, or tell those that are in what changed."""
        occupancy = self._context.rooms.get(user, event.room)
        if occupancy is None:
            return
        again = occupancy.state is State.INSIDE
        old_nick, occupancy.nick = occupancy.nick, event.me.nick
        occupancy.me = event.me
        occupancy.state = State.INSIDE
        self._history.begin(occupancy)
        if again:
            self._refresh(occupancy, event, old_nick)
        for resource in list(occupancy.resources.values()):
            if resource.pending is not None:
                self._welcome(occupancy, resource, event)

    def _refresh(self, occupancy: Occupancy, event: Entered, old_nick: str) -> None:
        """The link was lost and is back: one burst makes the clients' view true again."""
        render, lists = self._context.render, self._lists.of(event.room, event.occupants)
        before = occupancy.known or frozenset()
        occupancy.known = None
        burst = [
            render.gone(event.room, nick)
            for nick in sorted(before)
            if nick not in lists and nick != event.me.nick
        ]
        burst += [template for nick, template in lists.items() if nick != event.me.nick]
        if old_nick != event.me.nick:
            burst.append(
                render.gone(event.room, old_nick, 110, 303, new_nick=event.me.nick, role=event.me.role.value)
            )
        burst.append(render.presence(event.room, event.me, *SELF_CODES))
        burst.append(render.subject(event.room, event.topic, joining=True))
        self._context.write(occupancy, b"".join(burst))

    def not_entered(self, user: UserId, event: NotEntered) -> None:
        """§7.2.5 to §7.2.12: the join ends with an error, and each waiting client is told."""
        occupancy = self._context.rooms.get(user, event.room)
        if occupancy is None:
            return
        self._context.rooms.remove(occupancy)
        self._history.end(occupancy)
        for resource in occupancy.resources.values():
            self._context.forget(occupancy, resource.full_jid)
            self._tell_refused(event, resource)

    def _tell_refused(self, event: NotEntered, resource: Resource) -> None:
        render = self._context.render
        presence = Element(
            "presence",
            "jabber:component:accept",
            {"from": resource.full_jid, "to": f"{render.plain(event.room)}/{event.nick or resource.nick}"},
            Element("x", NS_MUC),
        )
        reply = error_reply(presence, event.error)
        if reply is not None:
            self._context.router.send(reply)

    def _welcome(self, occupancy: Occupancy, resource: Resource, event: Entered) -> None:
        """Write §7.2.2 and §7.2.3, then let the history follow, then the subject.

        Between the parts of a very long list others have their turn; what happens waits for its end.
        """
        resource.pending = resource.pending or []
        if len(event.occupants) > SLICE:
            parts = self._lists.parts(event.room, event.occupants, event.me.nick)
            self._show(parts, occupancy, resource, event)
            return
        lists = self._lists.of(event.room, event.occupants)
        others = [template for nick, template in lists.items() if nick != event.me.nick]
        self._end(b"".join(others), occupancy, resource, event)

    def _show(self, parts: Iterator[bytes], occupancy: Occupancy, resource: Resource, event: Entered) -> None:
        is_there = self._context.rooms.get(occupancy.user, occupancy.room) is occupancy
        if not is_there or occupancy.resources.get(resource.full_jid) is not resource:
            return
        part = next(parts, None)
        if part is None:
            self._end(b"", occupancy, resource, event)
        else:
            self._context.router.write(part.replace(GAP, resource.to), occupancy.domain)
            self._context.clock.callLater(0, self._show, parts, occupancy, resource, event)

    def _end(self, others: bytes, occupancy: Occupancy, resource: Resource, event: Entered) -> None:
        if event.me.nick == resource.nick:
            codes: tuple[int, ...] = SELF_CODES
        else:
            codes = (*SELF_CODES, ASSIGNED_NICK)
        burst = others + self._context.render.presence(event.room, event.me, *codes)
        self._context.router.write(burst.replace(GAP, resource.to), occupancy.domain)
        history = self._history.recent(occupancy, resource)
        history.addCallback(lambda messages: self._finish(occupancy, resource, event, messages))

    def _finish(self, occupancy: Occupancy, resource: Resource, event: Entered, history: list[bytes]) -> None:
        if occupancy.resources.get(resource.full_jid) is not resource:
            return
        burst = [
            *history,
            self._context.render.subject(event.room, event.topic, joining=True),
            *(resource.pending or ()),
        ]
        resource.pending = None
        occupancy.refresh()
        self._context.router.write(b"".join(burst).replace(GAP, resource.to), occupancy.domain)
