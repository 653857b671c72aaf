"""The user's own availability, as he shows it to rooms and contacts, towards the network (XEP-0045 §7.7)."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.capabilities import CARRIED
from bridge.events import Presence, Profile, RoomId, Show, UserId
from bridge.router import Request
from bridge.services.muc.context import Context, user_of
from bridge.xmpp.jid import unescape
from bridge.xmpp.payloads.vcard_update import parse_photo_hash

RANK = (Show.CHAT, Show.AVAILABLE, Show.DND, Show.AWAY, Show.XA)
"""Of several clients the most available one counts (RFC 6121 §4.7.2.1)."""
PLAIN = Presence(show=Show.AVAILABLE)
ABSENT = Presence(show=Show.AVAILABLE, available=False)
SHOWN_PER_USER = 5_000
"""Of how many rooms and contacts, for each client, it is remembered what a user shows them."""

Shown = dict[tuple[str, str], Presence]
"""What a client, by its full JID, shows a room or contact, by its bare one."""


class Availability:
    """Remembers what each client shows, and tells the network of what changes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shown: dict[UserId, Shown] = {}
        self._told: dict[UserId, Presence] = {}
        levels = context.network.capabilities(UserId(""), None)
        self._are_comings_told = levels.subscriptions in CARRIED
        self._pictures: dict[UserId, str] = {}

    def update(self, request: Request) -> None:
        """An available presence to a room that the client is in, or is joining."""
        try:
            show = Show(request.element.child_text("show") or "")
        except ValueError:
            show = Show.AVAILABLE
        status = request.element.child_text("status") or ""
        self._show(
            user_of(request), (str(request.sender), request.to.bare), Presence(show=show, status=status)
        )
        self._picture(user_of(request), request)

    def _picture(self, user: UserId, request: Request) -> None:
        """XEP-0153 §3.1: the client tells which picture its user has."""
        picture = parse_photo_hash(request.element)
        if picture is None or picture == self._pictures.get(user):
            return
        if "profiles" in self._context.network.capabilities(UserId(""), None).carried:
            self._pictures[user] = picture
            self._context.submit(user, Profile(avatar=picture))

    def to_contact(self, request: Request) -> None:
        """An available presence to a contact who asked to see it; others' would make strangers known."""
        local = unescape(request.to.local)
        known = self._context.store.subscription(self._context.domain, local, request.sender.bare)
        if known is not None and known.outbound:
            self.update(request)

    def restored(self, user: UserId, full_jid: str, room: RoomId) -> None:
        """A client is in a room again after a restart; what it shows is not known."""
        self._show(user, (full_jid, self._context.render.plain(room)), PLAIN)

    def gone(self, request: Request) -> None:
        """A client left a room, or is unavailable to a contact."""
        self._forget(user_of(request), [(str(request.sender), request.to.bare)])

    def left(self, user: UserId, room: RoomId) -> None:
        """The user is out of a room, or did not get in."""
        place = self._context.render.plain(room)
        self._forget(user, [key for key in self._shown.get(user, ()) if key[1] == place])

    def _forget(self, user: UserId, places: Sequence[tuple[str, str]]) -> None:
        shown = self._shown.get(user, {})
        if not [place for place in places if shown.pop(place, None) is not None]:
            return
        if shown:
            self._tell(user, shown)
            return
        del self._shown[user]
        self._pictures.pop(user, None)
        if self._told.pop(user, None) is not None and self._are_comings_told:
            self._context.submit(user, ABSENT)

    def _show(self, user: UserId, place: tuple[str, str], presence: Presence) -> None:
        shown = self._shown.setdefault(user, {})
        if place in shown or len(shown) < SHOWN_PER_USER:
            shown[place] = presence
        self._tell(user, shown)

    def _tell(self, user: UserId, shown: Shown) -> None:
        best = min(shown.values(), key=lambda one: RANK.index(one.show))
        if best.show in (Show.AVAILABLE, Show.CHAT) and not (self._are_comings_told and best.status):
            best = PLAIN
        if best != self._told.get(user, ABSENT if self._are_comings_told else PLAIN):
            self._told[user] = best
            self._context.submit(user, best)
