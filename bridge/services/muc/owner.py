"""A room's configuration form (XEP-0045 §10.2): each user's own settings for the room."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.network import Scope
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.services.muc.context import Context, room_of, user_of
from bridge.settings import build_settings_form, read_settings_form
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import build_form, find_form, parse_values
from bridge.xmpp.payloads.muc import NS_MUC_OWNER

FORM_TYPE = "http://jabber.org/protocol/muc#roomconfig"


class Owner:
    """Shows and takes the form; a field that is missing keeps its value."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_MUC_OWNER, "query", self.show, Target.ROOM),
            iq_set(NS_MUC_OWNER, "query", self.change, Target.ROOM),
        ]

    def show(self, request: Request) -> Element:
        """§10.2: the form with the settings as they are."""
        settings = self._settings.settings(user_of(request), Scope.ROOM, room_of(request))
        name = self._context.network.name(request.address)
        form = build_settings_form(
            settings, name=name, server=request.room.server, room=room_of(request).rpartition("%")[0] or name
        )
        return Element("query", NS_MUC_OWNER, None, build_form(form, form_type=FORM_TYPE))

    def change(self, request: Request) -> None:
        """§10.2: submitted or cancelled; a room of a network cannot be destroyed (§10.9)."""
        if request.payload.child("destroy") is not None:
            raise BridgeError(Trouble.NOT_ALLOWED, "Rooms of this network cannot be destroyed.")
        form = find_form(request.payload)
        if form is None:
            raise BridgeError(Trouble.BAD_REQUEST)
        if form.get("type") == "submit":
            user, room = user_of(request), room_of(request)
            settings = self._settings.settings(user, Scope.ROOM, room)
            changed = read_settings_form(settings, parse_values(form))
            self._settings.save_settings(user, Scope.ROOM, room, changed)
