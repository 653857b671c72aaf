"""Rooms after a fault: of the bridge (they are entered again), of the XMPP server (clients are asked).

A client is asked by a ping to its full JID: a server answers for a client that is no more with an
error (RFC 6121 §8.5.3.2.3), and such a client is taken out of its rooms.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import Depart, RoomId, UserId
from bridge.network import RoomAddress
from bridge.services.muc.context import Context
from bridge.services.muc.join import Join
from bridge.services.muc.leave import Leave
from bridge.services.muc.occupancy import HistoryRequest, Resource
from bridge.services.muc.presence import Availability
from bridge.store import Occupancy as Kept
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid
from bridge.xmpp.payloads.ping import build_ping
from bridge.xmpp.stanza import NS_COMPONENT

GONE = frozenset(
    {
        "gone",
        "item-not-found",
        "recipient-unavailable",
        "redirect",
        "remote-server-not-found",
        "remote-server-timeout",
        "service-unavailable",
    }
)
"""Conditions that tell that a client or its server is no more there (XEP-0045 §18.1.2, §9.3)."""
NOT_THERE = "Client is no longer there"
PACE = 0.002
"""Seconds between two pings to clients, so that a thousand users are not one burst."""


class Restore:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, context: Context, join: Join, leave: Leave, availability: Availability) -> None:
        self._context = context
        self._join = join
        self._leave = leave
        self._availability = availability
        self._restored = False

    def link_up(self) -> None:
        """The way to XMPP is open: the first time rooms are restored, later the clients are checked."""
        if self._restored:
            self._check({(one.user, jid) for one in self._context.rooms.all() for jid in one.resources})
        else:
            self._restored = True
            self._context.journal.report(self._context.router.send)
            self._restore(self._context.store.occupancies(self._context.domain))

    # ---- after the XMPP server came back

    def _check(self, clients: set[tuple[UserId, str]]) -> None:
        for count, (user, full_jid) in enumerate(sorted(clients)):
            self._context.clock.callLater(count * PACE, self._check_one, user, full_jid)

    def _check_one(self, user: UserId, full_jid: str) -> None:
        self._is_there(full_jid).addCallback(
            lambda there: None if there else self._leave.client_gone(user, full_jid, NOT_THERE)
        )

    def _is_there(self, full_jid: str) -> Deferred[bool]:
        ping = Element(
            "iq", NS_COMPONENT, {"type": "get", "from": self._context.domain, "to": full_jid}, build_ping()
        )
        return self._context.router.request(ping).addCallbacks(lambda _result: True, _still_there)

    # ---- after a restart of the bridge

    def _restore(self, kept: list[Kept]) -> None:
        rooms: dict[tuple[str, str], list[Kept]] = {}
        for one in kept:
            rooms.setdefault((one.owner, one.room), []).append(one)
        if rooms:
            self.log.info("restoring {count} occupancies", count=len(rooms))
        clients: dict[str, list[tuple[str, str]]] = {}
        for key, rows in rooms.items():
            for row in rows:
                clients.setdefault(row.resource, []).append(key)
        for owner, room in clients.pop("", []):
            self._enter(rooms[owner, room][0], "")
        for count, full_jid in enumerate(clients):
            self._context.clock.callLater(
                count * PACE, self._restore_client, full_jid, clients[full_jid], rooms
            )

    def _restore_client(
        self, full_jid: str, keys: list[tuple[str, str]], rooms: dict[tuple[str, str], list[Kept]]
    ) -> None:
        def known(there: bool) -> None:
            for owner, room in keys:
                if there:
                    self._enter(rooms[owner, room][0], full_jid)
                else:
                    self._gone(rooms[owner, room], full_jid)

        self._is_there(full_jid).addCallback(known)

    def _gone(self, clients: list[Kept], full_jid: str) -> None:
        """A client did not come back; a user without any is out of the room on the network too."""
        (kept,) = [one for one in clients if one.resource == full_jid]
        clients.remove(kept)
        self._context.store.drop_occupancy(self._context.domain, kept.room, kept.owner, full_jid)
        user, room = UserId(kept.owner), RoomId(kept.room)
        if not clients and self._context.rooms.get(user, room) is None:
            self._context.submit(user, Depart(room=room, reason=NOT_THERE))

    def _enter(self, kept: Kept, full_jid: str) -> None:
        """Put a client back; one that came back by itself meanwhile is left alone."""
        user, room = UserId(kept.owner), RoomId(kept.room)
        occupancy = self._context.rooms.get(user, room)
        resources = [Resource(full_jid, kept.nick, HistoryRequest(max_stanzas=0))] if full_jid else []
        try:
            address = self._context.network.address(room)
        except BridgeError:
            return self._context.store.drop_occupancy(self._context.domain, room, user, full_jid)
        if not isinstance(address, RoomAddress):
            return None
        if occupancy is None:
            self._join.begin(user, room, address.server, kept.nick, kept.password, resources)
        elif full_jid and full_jid not in occupancy.resources:
            self._join.add(occupancy, resources[0])
        if full_jid:
            self._availability.restored(user, full_jid, room)
        return None

    # ---- while running

    def bounced(self, sender: Jid, condition: str) -> None:
        """A stanza of ours came back: the client is no more there (XEP-0045 §9.3)."""
        if condition in GONE and sender.resource:
            self._leave.client_gone(UserId(sender.bare), str(sender), f"Error: {condition}")


def _still_there(failure: Failure) -> bool:
    """An error that comes from the client itself, or no answer in time, does not mean that it is gone."""
    error = failure.value
    assert isinstance(error, BridgeError)
    return error.trouble is Trouble.TIMED_OUT or error.trouble.value.condition not in GONE
