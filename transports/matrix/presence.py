"""Who is there: users of XMPP towards Matrix, kept alive, and people of Matrix towards who wants to know.

A homeserver takes somebody to be gone who does not show himself for half a minute, so it is told again and
again, one user after the other at an even pace: nothing happens while nobody is there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from nio.api import Api
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import ContactId, ContactPresence, Presence, Show, UserId
from bridge.network import Uplink
from transports.matrix.client import Homeserver
from transports.matrix.content import Json, mapping, text
from transports.matrix.ids import Ids, is_user_id
from transports.matrix.names import name_of
from transports.matrix.order import InOrder

KEPT_ALIVE = 20.0
"""Seconds after which a user who is there is shown again; a homeserver's patience is 30 (COMPAT Synapse)."""
PACE = 0.05
"""Seconds between two requests, so that a thousand users who come together do not come at once."""
CHANGES = 20_000
"""Users whose change of presence may wait to be told."""
KNOWN = 20_000
"""People of Matrix whose presence is remembered."""
QUESTIONS = 20_000
"""People of Matrix that may wait to be asked for."""
STATUS = 500
"""Characters of a status that are passed on."""

_ONLINE, _AWAY, _OFFLINE = "online", "unavailable", "offline"
_BUSY = frozenset({"busy", "org.matrix.msc3026.busy"})


class Seen(Struct, frozen=True):
    """How somebody of Matrix is."""

    available: bool
    show: Show = Show.AVAILABLE
    status: str = ""

    @property
    def away(self) -> str | None:
        """How rooms show it: None for being there."""
        if self.available and self.show is Show.AVAILABLE:
            return None
        return self.status


UNKNOWN = Seen(False)


class Presences:
    """See the module's docstring.

    `most` users are kept alive, none if 0. `told` is called with a user id and how he is now (`Seen.away`).
    """

    def __init__(
        self,
        homeserver: Homeserver,
        ids: Ids,
        clock: Any,
        uplink: Uplink,
        most: int,
        told: Callable[[str, str | None], None],
    ) -> None:
        self._homeserver = homeserver
        self._ids = ids
        self._clock = clock
        self._uplink = uplink
        self._most = most
        self._told = told
        self._here: OrderedDict[UserId, float] = OrderedDict()
        self._wanted: dict[UserId, Presence] = {}
        self._changed: OrderedDict[UserId, Presence] = OrderedDict()
        self._due: Any = None
        self._is_asking = False
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._watched: dict[str, dict[tuple[UserId, ContactId], None]] = {}
        self._asking = InOrder(QUESTIONS, QUESTIONS)

    def stop(self) -> None:
        """Tell nothing more."""
        self._most = 0
        self._changed.clear()
        self._here.clear()
        if self._due is not None and self._due.active():
            self._due.cancel()

    # ---- users of XMPP

    def show(self, user: UserId, presence: Presence) -> None:
        """A user is like this from now on; of several changes the last is told."""
        if not self._most:
            return
        self._changed[user] = presence
        if len(self._changed) > CHANGES:
            self._changed.popitem(last=False)
        self._schedule()

    def _schedule(self) -> None:
        if self._is_asking or not (self._changed or self._here):
            return
        now = self._clock.seconds()
        wait = PACE if self._changed else max(next(iter(self._here.values())) - now, PACE)
        if self._due is not None and self._due.active():
            if self._due.getTime() <= now + wait:
                return
            self._due.cancel()
        self._due = self._clock.callLater(wait, self._tell)

    def _tell(self) -> None:
        """Tell of one user: of who changed first, else of who was not told of for longest."""
        if self._changed:
            user, presence = self._changed.popitem(last=False)
        else:
            user = next(iter(self._here))
            presence = self._wanted[user]
        self._note(user, presence)
        ghost = self._ids.ghost(user)
        asked = Api.set_presence("", ghost, _state(presence), presence.status[:STATUS] or None)
        self._is_asking = True
        self._homeserver.api(asked, user=ghost, patience=0).addErrback(_passed_over).addBoth(self._next)

    def _note(self, user: UserId, presence: Presence) -> None:
        self._here.pop(user, None)
        self._wanted.pop(user, None)
        if presence.available and len(self._here) < self._most:
            self._here[user] = self._clock.seconds() + KEPT_ALIVE
            self._wanted[user] = presence

    def _next(self, _result: object) -> None:
        self._is_asking = False
        self._schedule()

    # ---- people of Matrix

    def subscribe(self, user: UserId, contact: ContactId) -> None:
        """From now on tell the user how a contact is; the first time at once, or when it is known."""
        user_id = self._ids.user_id(contact)
        self._watched.setdefault(user_id, {})[user, contact] = None
        seen = self._seen.get(user_id)
        if seen is not None and user_id in self._names:
            self._tell_of(user_id, seen, (user, contact))
            return
        answer = self._asking.do("", lambda: self._ask(user_id, self._ids.ghost(user)))
        answer.addErrback(_passed_over).addCallback(self._answered, user_id, (user, contact))

    async def _ask(self, user_id: str, ghost: str) -> object:
        """Ask how somebody is, and learn his name; who has none is called by his id."""
        options: dict[str, Any] = {"user": ghost, "patience": 0}
        named = self._homeserver.api(Api.profile_get_displayname(user_id), **options)
        profile = await named.addErrback(_passed_over)
        if profile is not None:
            self._names[user_id] = name_of(text(mapping(profile), "displayname"), user_id)
        if len(self._names) > KNOWN:
            self._names.popitem(last=False)
        return await self._homeserver.api(Api.get_presence("", user_id), **options)

    def _answered(self, answer: object, user_id: str, watcher: tuple[UserId, ContactId]) -> None:
        """Tell who asked; whose presence nobody may see is not there."""
        content = mapping(answer)
        seen = _read(content) if content else self._seen.get(user_id, UNKNOWN)
        if content:
            self._learn(user_id, seen)
        if watcher in self._watched.get(user_id, {}):
            self._tell_of(user_id, seen, watcher)

    def unsubscribe(self, user: UserId, contact: ContactId) -> None:
        """Do not tell him any more."""
        user_id = self._ids.user_id(contact)
        watchers = self._watched.get(user_id, {})
        watchers.pop((user, contact), None)
        if not watchers:
            self._watched.pop(user_id, None)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in how somebody is (MX v1.19 client-server-api/presence)."""
        user_id = text(event, "sender")
        if not is_user_id(user_id) or self._ids.is_ghost(user_id):
            return
        seen = _read(mapping(event.get("content")))
        before = self._seen.get(user_id)
        if before == seen:
            return
        self._learn(user_id, seen)
        for watcher in list(self._watched.get(user_id, ())):
            self._tell_of(user_id, seen, watcher)
        if (None if before is None else before.away) != seen.away:
            self._told(user_id, seen.away)

    def _learn(self, user_id: str, seen: Seen) -> None:
        self._seen.pop(user_id, None)
        self._seen[user_id] = seen
        if len(self._seen) > KNOWN:
            self._seen.popitem(last=False)

    def away(self, user_id: str) -> str | None:
        """Return how somebody is, as rooms show it; None also while it is not known."""
        seen = self._seen.get(user_id)
        return None if seen is None else seen.away

    def _tell_of(self, user_id: str, seen: Seen, watcher: tuple[UserId, ContactId]) -> None:
        user, contact = watcher
        presence = ContactPresence(
            contact=contact,
            available=seen.available,
            show=seen.show,
            status=seen.status,
            nick=self._names.get(user_id) or name_of("", user_id),
        )
        self._uplink.deliver(user, (presence,))


def _state(presence: Presence) -> str:
    if not presence.available:
        return _OFFLINE
    return _ONLINE if presence.show in (Show.AVAILABLE, Show.CHAT) else _AWAY


def _read(content: Json) -> Seen:
    state = text(content, "presence")
    status = " ".join(text(content, "status_msg").split())[:STATUS]
    if state == _ONLINE:
        return Seen(True, Show.AVAILABLE, status)
    if state in _BUSY:
        return Seen(True, Show.DND, status)
    return Seen(True, Show.AWAY, status) if state == _AWAY else Seen(False, Show.AVAILABLE, status)


def _passed_over(failure: Failure) -> None:
    """A presence that could not be told or had does not matter: it will be the next time."""
    failure.trap(BridgeError)
