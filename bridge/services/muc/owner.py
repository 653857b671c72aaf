"""A room's configuration form (XEP-0045 §10.2): what the user may change of it, and his own settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from msgspec import Meta, field, structs
from twisted.internet.defer import Deferred, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import Audience, Configuration, Configure
from bridge.forms import Form, Settings
from bridge.network import ConfigurationQuery, RoomConfiguration, Scope
from bridge.pictures import MAX_PHOTO, media_type
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.services.muc.context import Context, room_of, user_of
from bridge.settings import build_settings_form, read_settings_form, rows
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.avatar import parse_photos
from bridge.xmpp.payloads.forms import build_form, find_form, parse_values
from bridge.xmpp.payloads.muc import FORM_ROOM_CONFIG, NS_MUC_OWNER
from bridge.xmpp.payloads.vcard import NS_VCARD

READERS = (
    ("Anybody", Audience.ANYBODY.value),
    ("Members: all that was ever said", Audience.MEMBERS.value),
    ("Members: since they were invited", Audience.INVITED.value),
    ("Members: since they came", Audience.PRESENT.value),
)


NO_PICTURE = f"That is no picture that can be shown, or it has more than {MAX_PHOTO // 1024} KiB."


class RoomForm(Settings, frozen=True, kw_only=True):
    """The fields of `Configuration` as XEP-0045 §15.5.3 names them; x- begins those that it does not have."""

    name: Annotated[str, Meta(title="Name of the room", max_length=255)] = field(
        default="", name="muc#roomconfig_roomname"
    )
    description: Annotated[
        tuple[Annotated[str, Meta(max_length=8000)], ...],
        Meta(title="Description of the room", description="Also the subject", max_length=100),
    ] = field(default=(), name="muc#roomconfig_roomdesc")
    closed: Annotated[bool, Meta(title="Only members may come in")] = field(
        default=False, name="muc#roomconfig_membersonly"
    )
    knocking: Annotated[bool, Meta(title="Others may ask to be let in")] = field(
        default=False, name="x-knocking"
    )
    public: Annotated[bool, Meta(title="The room is in the public list")] = field(
        default=False, name="muc#roomconfig_publicroom"
    )
    moderated: Annotated[bool, Meta(title="Only who has voice may speak")] = field(
        default=False, name="muc#roomconfig_moderatedroom"
    )
    history: Annotated[str, Meta(title="Who may read what was said", extra={"options": READERS})] = field(
        default=Audience.MEMBERS.value, name="x-history"
    )


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
            iq_set(NS_VCARD, "vCard", self.dress, Target.ROOM),
        ]

    def show(self, request: Request) -> Deferred[Element]:
        """§10.2: the form with everything as it is."""
        return self._configuration(request).addCallback(lambda found: self._form(request, found))

    def _form(self, request: Request, found: RoomConfiguration | None) -> Element:
        settings = self._settings.settings(user_of(request), Scope.ROOM, room_of(request))
        name = self._context.network.name(request.address)
        form = build_settings_form(
            settings, name=name, server=request.room.server, room=room_of(request).rpartition("%")[0] or name
        )
        if found is not None:
            of_room = build_settings_form(_room_form(found.now)).fields
            shown = [one for one in of_room if one.var in _vars(found.changeable)]
            form = Form(title=form.title, instructions=form.instructions, fields=(*shown, *form.fields))
        return Element("query", NS_MUC_OWNER, None, build_form(form, form_type=FORM_ROOM_CONFIG))

    def _configuration(self, request: Request) -> Deferred[RoomConfiguration | None]:
        """Ask how the room is; None for who is not in, and where rooms have no configuration."""
        user, room, network = user_of(request), room_of(request), self._context.network
        is_inside = network.snapshot(user, room) is not None
        if not is_inside or "configuration" not in network.capabilities(user, room).carried:
            return succeed(None)
        return network.ask(user, ConfigurationQuery(room))

    def change(self, request: Request) -> Deferred[None] | None:
        """§10.2: submitted or cancelled; a room of a network cannot be destroyed (§10.9)."""
        if request.payload.child("destroy") is not None:
            raise BridgeError(Trouble.NOT_ALLOWED, "Rooms of this network cannot be destroyed.")
        form = find_form(request.payload)
        if form is None:
            raise BridgeError(Trouble.BAD_REQUEST)
        if form.get("type") != "submit":
            return None
        values = parse_values(form)
        configured = self._configuration(request)
        return configured.addCallback(lambda found: self._submitted(request, found, values))

    def dress(self, request: Request) -> Deferred[None]:
        """XEP-0486 §4.2: the room gets the picture of this card, or loses the one that it has."""
        occupancy, _ = self._context.here(request)
        user, room = occupancy.user, occupancy.room
        if "configuration" not in self._context.network.capabilities(user, room).carried:
            raise BridgeError(Trouble.UNSUPPORTED)
        given = [photo.child_text("BINVAL") or "" for photo in request.payload.all("PHOTO")]
        pictures = [data for data in parse_photos(request.payload, MAX_PHOTO) if media_type(data)]
        if any(given) and not pictures:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, NO_PICTURE)
        changes = Configuration(picture=pictures[0] if pictures else b"")
        return self._context.submit_for_answer(
            user, lambda ref: Configure(room=room, changes=changes, ref=ref)
        )

    def _submitted(
        self, request: Request, found: RoomConfiguration | None, values: Mapping[str, Sequence[str]]
    ) -> Deferred[None] | None:
        user, room = user_of(request), room_of(request)
        settings = self._settings.settings(user, Scope.ROOM, room)
        changed = read_settings_form(settings, values)
        changes = Configuration() if found is None else _changes(found, values)
        if changed != settings:
            self._settings.save_settings(user, Scope.ROOM, room, changed)
        if changes == Configuration():
            return None
        return self._context.submit_for_answer(
            user, lambda ref: Configure(room=room, changes=changes, ref=ref)
        )


def _room_form(now: Configuration) -> RoomForm:
    known = {key: value for key, value in structs.asdict(now).items() if value is not None}
    known["description"] = tuple(line for line in (now.description or "").split("\n") if line.strip())
    if now.history is not None:
        known["history"] = now.history.value
    return RoomForm(**known)


def _vars(names: Iterable[str]) -> set[str]:
    return {row.var for row in rows(RoomForm) if row.name in names}


def _changes(found: RoomConfiguration, values: Mapping[str, Sequence[str]]) -> Configuration:
    """Return what was submitted and is not so; NO_PRIVILEGE if the user may not change that."""
    before = _room_form(found.now)
    after = read_settings_form(before, values)
    old, new = structs.asdict(before), structs.asdict(after)
    changes = {key: value for key, value in new.items() if value != old[key]}
    if not found.changeable.issuperset(changes):
        raise BridgeError(Trouble.NO_PRIVILEGE)
    if "description" in changes:
        changes["description"] = "\n".join(changes["description"])
    if "history" in changes:
        changes["history"] = Audience(changes["history"])
    return Configuration(**changes)
