"""The room of Matrix that is made for a room of XMPP, and what our own user says and does in it."""

from __future__ import annotations

from bridge.events import RoomId
from bridge.network import RoomInfo

from .content import Json, mapping
from .levels import MODERATION
from .tables import (
    ALIAS,
    CREATE,
    ENCRYPTION,
    JOIN_RULES,
    NAME,
    POWER_LEVELS,
    TOMBSTONE,
    TOPIC,
)

PROTOCOL = "xmpp"
"""What third-party lookups and the room directory call us by."""
BRIDGES = ("m.bridge", "uk.half-shot.bridge")
"""State that tells clients whereto a room is bridged; the second is what they read today (MSC2346)."""
OURS = 100
_SECRETIVE = {
    "type": "m.room.history_visibility",
    "state_key": "",
    "content": {"history_visibility": "joined"},
}
"""Whoever is put out again at once because the room is closed has seen nothing of what was said before."""
_KEPT = ("m.room.avatar", "m.room.history_visibility", "m.room.server_acl", ALIAS, CREATE, ENCRYPTION)
_OURS = (*_KEPT, JOIN_RULES, NAME, POWER_LEVELS, TOMBSTONE)


def creation(room: RoomId, info: RoomInfo, alias: str, bot: str) -> Json:
    """Return what ``createRoom`` is asked for (MX v1.19 client-server-api/creation)."""
    return {
        "preset": "public_chat",
        "visibility": "private",
        "room_alias_name": alias[1:].partition(":")[0],
        "name": info.name or room.partition("@")[0],
        **({"topic": info.description} if info.description else {}),
        "initial_state": [
            {"type": kind, "state_key": f"{PROTOCOL}:{room}", "content": _bridge(room, info, bot)}
            for kind in BRIDGES
        ]
        + ([_SECRETIVE] if info.closed else []),
        "power_level_content_override": {
            # what the room on XMPP decides is ours; who moderates there may put out and take back here
            "events": {**dict.fromkeys(_OURS, OURS), TOPIC: 0},
            "state_default": OURS,
            "kick": MODERATION,
            "ban": MODERATION,
            "redact": MODERATION,
            "invite": 0,
        },
    }


def _bridge(room: RoomId, info: RoomInfo, bot: str) -> Json:
    return {
        "bridgebot": bot,
        "creator": bot,
        "protocol": {"id": PROTOCOL, "displayname": "XMPP", "external_url": "https://xmpp.org/"},
        "channel": {
            "id": room,
            "displayname": info.name or room,
            "external_url": f"xmpp:{room}?join",
        },
    }


def promoted(power: Json, user_id: str, *, moderates: bool) -> Json:
    """Return the power levels with somebody as a moderator, or as everybody else."""
    users = {each: level for each, level in mapping(power.get("users")).items() if each != user_id}
    return {**power, "users": {**users, user_id: MODERATION} if moderates else users}


def notice(words: str, event_id: str = "") -> Json:
    """Return the content of what we say ourselves, perhaps of an event."""
    about = {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}} if event_id else {}
    return {"msgtype": "m.notice", "body": words, "m.mentions": {}, **about}
