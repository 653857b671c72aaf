"""What a room is like, as its owner sees and changes it: state events, and the list of public rooms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import structs

from bridge.errors import BridgeError, Trouble
from bridge.events import Audience, Configuration
from bridge.network import RoomConfiguration
from bridge.pictures import media_type

from .client import CLIENT, Homeserver
from .content import Json, mapping, text
from .levels import PowerLevels, power_levels
from .refusal import Refusal
from .session import RoomSession, Stay
from .tables import (
    ALIAS,
    AVATAR,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    KNOCKING,
    MESSAGE,
    NAME,
    POWER_LEVELS,
    TOPIC,
)

TYPES: Mapping[str, str] = {
    "name": NAME,
    "description": TOPIC,
    "closed": JOIN_RULES,
    "knocking": JOIN_RULES,
    "public": ALIAS,
    "moderated": POWER_LEVELS,
    "history": HISTORY_VISIBILITY,
}
"""Which state event says what; the list of public rooms is for those who may name the room."""
READERS: Mapping[str, Audience] = {
    "world_readable": Audience.ANYBODY,
    "shared": Audience.MEMBERS,
    "invited": Audience.INVITED,
    "joined": Audience.PRESENT,
}
VISIBILITIES = {audience: name for name, audience in READERS.items()}
RESTRICTED = ("restricted", "knock_restricted")


def configuration(state: Mapping[str, Json], public: bool | None) -> Configuration:
    """Read it from the contents of state events by type."""
    rule = text(state.get(JOIN_RULES, {}), "join_rule")
    visibility = text(state.get(HISTORY_VISIBILITY, {}), "history_visibility")
    return Configuration(
        name=text(state.get(NAME, {}), "name"),
        description=text(state.get(TOPIC, {}), "topic"),
        closed=rule != "public",
        knocking=rule in KNOCKING,
        public=public,
        moderated=None,
        history=READERS.get(visibility, Audience.MEMBERS),
    )


def join_rules(content: Json, changes: Configuration) -> Json:
    """Return the changed ``m.room.join_rules``; whom a restricted room lets in stays as it is."""
    rule = text(content, "join_rule")
    closed = rule != "public" if changes.closed is None else changes.closed
    knocking = rule in KNOCKING if changes.knocking is None else changes.knocking
    if not closed:
        return {"join_rule": "public"}
    if rule in RESTRICTED:
        return {**content, "join_rule": "knock_restricted" if knocking else "restricted"}
    return {"join_rule": "knock" if knocking else "invite"}


def moderated(content: Json, levels: PowerLevels, wanted: bool) -> Json:
    """Return the ``m.room.power_levels`` by which those without a level of their own may speak, or not."""
    level = levels.users_default + wanted
    changed = {**content, "events_default": level}
    events = mapping(content.get("events"))
    return {**changed, "events": {**events, MESSAGE: level}} if MESSAGE in events else changed


class Configurations:
    """Asks and changes in the name of a user's ghost; the homeserver has the last word."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    async def ask(self, stay: Stay, session: RoomSession) -> RoomConfiguration:
        """Return how a room is, and what the user may change of it."""
        state = {kind: await self._content(stay, session, kind) for kind in dict.fromkeys(TYPES.values())}
        levels = session.room.levels
        own = levels.level(stay.ghost)
        public = await self.is_public(session.id)
        now = structs.replace(configuration(state, public), moderated=levels.moderated)
        changeable = {
            name
            for name, kind in TYPES.items()
            if own >= levels.events.get(kind, levels.state_default) and getattr(now, name) is not None
        }
        return RoomConfiguration(now=now, changeable=frozenset(changeable))

    async def is_public(self, id: str) -> bool | None:
        """Tell whether the homeserver's list shows the room; None if it does not say."""
        try:
            answer = await self._homeserver.call("GET", _listed(id), patience=0)
        except BridgeError:
            return None
        return {"public": True, "private": False}.get(text(mapping(answer), "visibility"))

    async def change(self, stay: Stay, session: RoomSession, changes: Configuration) -> None:
        """Make the changes, one event after the other; what is refused ends them."""
        if changes.name is not None:
            await self._put(stay, session, NAME, {"name": changes.name})
        if changes.description is not None:
            await self._put(stay, session, TOPIC, {"topic": changes.description})
        if changes.history is not None:
            content: Json = {"history_visibility": VISIBILITIES[changes.history]}
            await self._put(stay, session, HISTORY_VISIBILITY, content)
        if changes.closed is not None or changes.knocking is not None:
            rules = await self._content(stay, session, JOIN_RULES)
            await self._put(stay, session, JOIN_RULES, join_rules(rules, changes))
        if changes.moderated is not None:
            content = await self._content(stay, session, POWER_LEVELS)
            levels = power_levels(content, session.room.levels.creation)
            await self._put(stay, session, POWER_LEVELS, moderated(content, levels, changes.moderated))
        if changes.picture is not None:
            await self._dress(stay, session, changes.picture)
        if changes.public is not None:
            body = {"visibility": "public" if changes.public else "private"}
            await self._homeserver.call("PUT", _listed(session.id), body=body, user=stay.ghost)

    async def _dress(self, stay: Stay, session: RoomSession, picture: bytes) -> None:
        """Give the room a picture, or none; who may not is refused before anything is uploaded."""
        levels = session.room.levels
        if levels.level(stay.ghost) < levels.events.get(AVATAR, levels.state_default):
            raise BridgeError(Trouble.NO_PRIVILEGE)
        content: Json = {}
        if picture:
            kind = media_type(picture)
            url = await self._homeserver.upload(stay.ghost, picture, kind)
            content = {"url": url, "info": {"mimetype": kind, "size": len(picture)}}
        await self._put(stay, session, AVATAR, content)

    async def _content(self, stay: Stay, session: RoomSession, kind: str) -> Json:
        try:
            return mapping(await self._homeserver.call("GET", _state(session, kind), user=stay.ghost))
        except Refusal as refusal:
            if refusal.errcode != "M_NOT_FOUND":
                raise
            return {}

    async def _put(self, stay: Stay, session: RoomSession, kind: str, content: Any) -> None:
        path = _state(session, kind)
        await self._homeserver.call("PUT", path, body=content, user=stay.ghost, room=session.id)


def _state(session: RoomSession, kind: str) -> str:
    return f"{CLIENT}/rooms/{quote(session.id, safe='')}/state/{kind}/"


def _listed(id: str) -> str:
    return f"{CLIENT}/directory/list/room/{quote(id, safe='')}"
