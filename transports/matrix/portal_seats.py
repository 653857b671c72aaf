"""The ghosts of a room of XMPP: let in, named and dressed as the occupants are, and taken out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

from nio.api import Api
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import ContactId
from transports.matrix.client import CLIENT
from transports.matrix.common import Common
from transports.matrix.content import Json
from transports.matrix.order import InOrder
from transports.matrix.portal import Portal
from transports.matrix.portal_steps import Dress, Seat, Unseat
from transports.matrix.tables import MEMBER
from transports.matrix.wardrobe import Wardrobe

WAITING = 50_000
"""Ghosts that may wait to be let in, in one room and in all."""

Look = tuple[str, str]
"""What a ghost is called, and the mxc URL of its picture, "" for none."""


class Seats:
    """See the module's docstring; `failed` is told of what did not work."""

    def __init__(self, common: Common, failed: Callable[[Failure], None]) -> None:
        self._homeserver = common.homeserver
        self._ids = common.ids
        self._patience = common.patience
        self._failed = failed
        self._wardrobe = Wardrobe(common.homeserver, common.uplink)
        self._looks: dict[str, dict[str, Look]] = {}
        self._order = InOrder(WAITING, WAITING)

    def load(self, portal: Portal, state: Iterable[Json]) -> None:
        """Learn who is in a room whose state was loaded, and how he looks."""
        members = portal.room.members.values()
        self._looks[portal.id] = {
            one.user_id: (one.name, one.avatar) for one in members if self._ids.is_ghost(one.user_id)
        }
        self._wardrobe.learn(state, self._ids)

    def gone(self, portal: Portal, user_id: str) -> None:
        """Learn that somebody is out."""
        self._looks[portal.id].pop(user_id, None)

    def do(self, portal: Portal, step: Seat | Dress) -> None:
        """Let a ghost in, or dress one that is in, after all before it in this room."""
        self._order.run(portal.id, partial(self._seat, portal, step)).addErrback(self._failed)

    def _seat(self, portal: Portal, step: Seat | Dress) -> Deferred[None] | None:
        """Have a ghost in, if it is still to be in and is not yet."""
        is_out = isinstance(step, Dress) and step.ghost not in self._looks[portal.id]
        if is_out or not portal.cast.shown(step.ghost):
            return None
        self._fetch(portal, step.ghost, step.nick)
        return self.let_in(portal, step.ghost, step.nick)

    def _fetch(self, portal: Portal, ghost: str, nick: str) -> None:
        """Fetch the picture that an occupant has; his ghost puts it on when it is there."""
        occupant, speaker = portal.cast.known.get(nick), portal.speaker
        id = "" if occupant is None else occupant.avatar
        if not id or speaker is None or self._wardrobe.place(id) is not None:
            return

        def dress(is_there: bool) -> None:
            if is_there:
                self.do(portal, Dress(ghost, nick))

        to = ContactId(f"{portal.muc}/{nick}")
        brought: Deferred[Any] = self._wardrobe.bring(ghost, self._ids.contact(speaker), to, id)
        brought.addCallback(dress).addErrback(self._failed)

    def let_in(self, portal: Portal, ghost: str, nick: str) -> Deferred[None] | None:
        """Have a ghost in by its nick and with its picture; None if it is so already."""
        looks = self._looks[portal.id]
        occupant, known = portal.cast.known.get(nick), looks.get(ghost, ("", ""))
        id = None if occupant is None else occupant.avatar
        # until another picture is there, and where nothing is known of it, the old one stays
        place = "" if id == "" else (self._wardrobe.place(id) if id else None)
        look = (nick, known[1] if place is None else place)
        if looks.get(ghost) == look:
            return None
        looks[ghost] = look
        return Deferred.fromCoroutine(self._join(portal, ghost, look, id or ""))

    async def _join(self, portal: Portal, ghost: str, look: Look, picture: str) -> None:
        """Join and take a name, which is one request; our own user opens the door if it is shut."""
        nick, place = look
        content = {"membership": "join", "displayname": nick, **self._wardrobe.look(picture, place)}
        put = Api.room_put_state("", portal.id, MEMBER, content, ghost)
        options: dict[str, Any] = {"user": ghost, "room": portal.id, "patience": self._patience}
        try:
            await self._homeserver.api(put, **options)
        except BridgeError:
            path = _path(portal)
            for door in ("unban", "invite"):
                with contextlib.suppress(BridgeError):
                    await self._ask(f"{path}/{door}", {"user_id": ghost})
            try:
                await self._homeserver.api(put, **options)
            except BridgeError:
                self._looks[portal.id].pop(ghost, None)
                raise

    def unseat(self, portal: Portal, step: Unseat) -> Deferred[Any] | None:
        """Have a ghost out, unless it came back meanwhile."""
        if portal.cast.shown(step.ghost):
            return None
        self._looks[portal.id].pop(step.ghost, None)
        path = _path(portal)
        body = {"reason": step.reason} if step.reason else {}
        if step.by_us:
            return self._ask(f"{path}/kick", {"user_id": step.ghost, **body})
        return self._homeserver.call(
            "POST", f"{path}/leave", body=body, user=step.ghost, room=portal.id, repeatable=True
        )

    def _ask(self, path: str, body: Json) -> Deferred[Any]:
        """Ask the homeserver as our own user; to ask for it twice does no harm."""
        return self._homeserver.call("POST", path, body=body, patience=self._patience, repeatable=True)


def _path(portal: Portal) -> str:
    return f"{CLIENT}/rooms/{quote(portal.id, safe='')}"
