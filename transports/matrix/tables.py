"""Words and limits of Matrix."""

from __future__ import annotations

MAX_ID = 255
"""Bytes of a user, room or event id, and of an alias (Matrix: identifier grammar)."""
MAX_CONTENT = 60_000
"""Bytes of the content that we send: an event has 65,536 (Matrix: size limits), signatures included."""
HTML = "org.matrix.custom.html"
"""The only format of a formatted body."""
MARKER = "xmppbridge.origin"
"""The key of our own events that names the stanza they were made of."""
PROFILE = "profile"
"""Under which key it is remembered of a user that his ghost has a profile."""

PRIVILEGED_CREATORS_FROM = 12
"""The room version since which creators stand above all power levels."""
PRIVILEGED_CREATORS_ALSO = frozenset({"org.matrix.hydra.11"})
"""Versions with such creators that are no numbers."""

MESSAGE = "m.room.message"
ENCRYPTED = "m.room.encrypted"
STICKER = "m.sticker"
REACTION = "m.reaction"
REDACTION = "m.room.redaction"

CREATE = "m.room.create"
MEMBER = "m.room.member"
POWER_LEVELS = "m.room.power_levels"
HISTORY_VISIBILITY = "m.room.history_visibility"
JOIN_RULES = "m.room.join_rules"
NAME = "m.room.name"
TOPIC = "m.room.topic"
AVATAR = "m.room.avatar"
ALIAS = "m.room.canonical_alias"
ENCRYPTION = "m.room.encryption"
TOMBSTONE = "m.room.tombstone"

KNOCKING = ("knock", "knock_restricted")
"""Join rules by which one can ask to be invited."""

MEDIA = {
    "m.image": "image",
    "m.video": "video",
    "m.audio": "audio",
    "m.file": "file",
}
"""Types of messages that carry a file, and what people call it."""
