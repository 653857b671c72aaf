"""Going out: by one's own wish (XEP-0045 §7.14), by force, or because the link is gone."""

from __future__ import annotations

from bridge.events import Depart, Exit, Exited, UserId
from bridge.router import Request
from bridge.services.muc.context import NOBODY, Context, room_of, user_of
from bridge.services.muc.history import History
from bridge.services.muc.occupancy import EXIT_CODES, Occupancy, State
from bridge.services.muc.render import GAP


class Leave:
    """Takes clients out of rooms."""

    def __init__(self, context: Context, history: History) -> None:
        self._context = context
        self._history = history

    def presence(self, request: Request) -> None:
        """An unavailable presence to a room or an occupant of it."""
        occupancy = self._context.rooms.get(user_of(request), room_of(request))
        if occupancy is not None:
            reason = request.element.child_text("status") or ""
            self.take_out(occupancy, str(request.sender), reason)

    def take_out(self, occupancy: Occupancy, full_jid: str, reason: str = "") -> None:
        """Take one client out; the last one takes the user out of the channel, unless it is persistent."""
        resource = occupancy.resources.get(full_jid)
        if resource is None:
            return
        left = len(occupancy.resources) - 1
        if not left and not self._stays(occupancy):
            occupancy.state = State.LEAVING
            self._context.submit(occupancy.user, Depart(room=occupancy.room, reason=reason))
            return
        del occupancy.resources[full_jid]
        occupancy.refresh()
        self._context.forget(occupancy, full_jid)
        if left:
            status = f"{self._context.brand} note: {left} resources are still in this channel."
        else:
            status = f"{self._context.brand} note: you stay in this channel; it is persistent."
            self._context.remember(occupancy, NOBODY)
        me = occupancy.me
        farewell = self._context.render.gone(
            occupancy.room,
            occupancy.nick,
            110,
            status=status,
            affiliation=me.affiliation.value if me is not None else "none",
            role=me.role.value if me is not None else "none",
        )
        self._context.router.write(farewell.replace(GAP, resource.to), occupancy.domain)

    def _stays(self, occupancy: Occupancy) -> bool:
        return occupancy.state is State.INSIDE and self._history.is_persistent(occupancy.user, occupancy.room)

    def exited(self, user: UserId, event: Exited) -> None:
        """The network took the user out: tell every client why (§8.2, §9.1, §7.14, §10.9)."""
        occupancy = self._context.rooms.get(user, event.room)
        if occupancy is None:
            return
        if occupancy.previous:
            targets, occupancy.previous = occupancy.previous, ()
        else:
            targets = tuple(one.to for one in occupancy.resources.values())
            self.forget(occupancy)
            if event.exit is Exit.SHUTDOWN and self._history.is_persistent(user, event.room):
                self._context.remember(occupancy, NOBODY)
        template = self._context.render.gone(
            event.room,
            event.nick or occupancy.nick,
            110,
            *EXIT_CODES[event.exit],
            actor=event.actor,
            reason=event.reason if event.exit is not Exit.LEFT else "",
            affiliation="outcast" if event.exit is Exit.BANNED else "none",
            status=event.reason,
            alternate=event.alternate,
        )
        self._context.write_to(user, targets, template)

    def forget(self, occupancy: Occupancy) -> None:
        """Strike an occupancy, here and in the store."""
        self._context.rooms.remove(occupancy)
        self._history.end(occupancy)
        for full_jid in (*occupancy.resources, NOBODY):
            self._context.forget(occupancy, full_jid)

    def client_gone(self, user: UserId, full_jid: str, reason: str = "") -> None:
        """A client turned out to be no more: take it out of every room."""
        for occupancy in list(self._context.rooms.of(user).values()):
            self.take_out(occupancy, full_jid, reason)
