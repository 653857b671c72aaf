"""How much of each kind of event a network can carry.

Levels, not booleans, with limits in units. A network declares one `Capabilities` per server
connection state (IRCv3 capabilities come and go); `bridge.degrade` writes the fallbacks.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Level(Enum):
    """How well a network carries a kind of event."""

    NATIVE = "native"
    PARTIAL = "partial"
    FALLBACK = "fallback"
    DROPPED = "dropped"
    REJECTED = "rejected"


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a network carries; FALLBACK means that `bridge.degrade` turns it into a message.

    `edit_age` and `retract_age` are seconds, None for no limit.
    """

    formatting: Level = Level.DROPPED
    replies: Level = Level.FALLBACK
    corrections: Level = Level.FALLBACK
    retractions: Level = Level.REJECTED
    reactions: Level = Level.FALLBACK
    typing: Level = Level.DROPPED
    presence: Level = Level.DROPPED
    moderation: Level = Level.REJECTED
    direct_messages: Level = Level.NATIVE
    edit_age: float | None = None
    retract_age: float | None = None
