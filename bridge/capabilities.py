"""How much of each kind of event a network can carry.

Levels, not booleans, with limits in units. A network declares one `Capabilities` per server
connection state (IRCv3 capabilities come and go); `bridge.degrade` writes the fallbacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct


class Level(Enum):
    """How well a network carries a kind of event."""

    NATIVE = "native"
    PARTIAL = "partial"
    FALLBACK = "fallback"
    DROPPED = "dropped"
    REJECTED = "rejected"


CARRIED = frozenset({Level.NATIVE, Level.PARTIAL})
"""Carried as it is, at least in part."""


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a network carries; FALLBACK means that `bridge.degrade` turns it into a message.

    `edit_age` and `retract_age` are seconds, None for no limit. The archive is what was said in rooms, kept
    by the bridge or by the network. Profiles are pictures and particulars of people and rooms,
    subscriptions the presence of contacts, search that of rooms by words, guests people of the network in
    rooms of XMPP. Memberships: rooms know who may enter, so that XMPP users too are invited and given
    affiliations by their addresses. Configuration: rooms outlive their occupants, and their properties can
    be seen and changed. Calls: contacts are called, and call (`bridge.calls`).
    """

    rooms: Level = Level.NATIVE
    archive: Level = Level.NATIVE
    formatting: Level = Level.DROPPED
    replies: Level = Level.FALLBACK
    corrections: Level = Level.FALLBACK
    retractions: Level = Level.REJECTED
    reactions: Level = Level.FALLBACK
    typing: Level = Level.DROPPED
    presence: Level = Level.DROPPED
    moderation: Level = Level.REJECTED
    direct_messages: Level = Level.NATIVE
    receipts: Level = Level.DROPPED
    threads: Level = Level.DROPPED
    subjects: Level = Level.FALLBACK
    mentions: Level = Level.DROPPED
    attachments: Level = Level.FALLBACK
    profiles: Level = Level.DROPPED
    subscriptions: Level = Level.REJECTED
    search: Level = Level.REJECTED
    guests: Level = Level.REJECTED
    memberships: Level = Level.REJECTED
    configuration: Level = Level.REJECTED
    calls: Level = Level.REJECTED
    edit_age: float | None = None
    retract_age: float | None = None

    @property
    def carried(self) -> frozenset[str]:
        """The names of what is carried as it is, at least in part."""
        levels = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return frozenset(name for name, level in levels if level in CARRIED)


LABELS = {
    "rooms": "rooms",
    "archive": "what was said in rooms before",
    "formatting": "formatted text",
    "replies": "replies",
    "corrections": "corrections",
    "retractions": "retractions",
    "reactions": "reactions",
    "typing": "typing",
    "presence": "who is away",
    "moderation": "moderators retract",
    "direct_messages": "chats",
    "receipts": "receipts and markers",
    "threads": "threads",
    "subjects": "subjects of messages",
    "mentions": "mentions",
    "attachments": "files",
    "profiles": "pictures and profiles",
    "subscriptions": "people as contacts",
    "search": "search for rooms",
    "guests": "its people in rooms of XMPP",
    "memberships": "members by address",
    "configuration": "room configuration",
    "calls": "calls",
}
"""How users know what the fields of `Capabilities` are about."""
README_BEGIN, README_END = "<!-- capabilities:begin -->", "<!-- capabilities:end -->"


def capability_table(networks: Mapping[str, Capabilities]) -> str:
    """Return what each network carries, in Markdown; it stands between `README_BEGIN` and `README_END`."""
    lines = [f"| | {' | '.join(networks)} |", "|---" * (len(networks) + 1) + "|"]
    for field, label in LABELS.items():
        levels = (getattr(carried, field).value for carried in networks.values())
        lines.append(f"| {label} | {' | '.join(levels)} |")
    return "\n".join(lines) + "\n"
