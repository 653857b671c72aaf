"""What events are made of: ids, and values for text, people and files, in neither side's words.

All values are frozen and may be shared. Times are seconds since the epoch, UTC.
"""

from __future__ import annotations

from enum import Enum
from typing import NewType

from msgspec import Struct

UserId = NewType("UserId", str)
"""An XMPP user: the prepared bare JID."""
RoomId = NewType("RoomId", str)
"""A room: the unescaped, case-folded local part of its JID, e.g. ``#chan%irc.example.org``."""
ContactId = NewType("ContactId", str)
"""A person on the network: the unescaped local part of the JID, e.g. ``nick%irc.example.org``."""
ServerId = NewType("ServerId", str)
"""A server of the network: the unescaped local part, e.g. ``irc.example.org``; "" is the only one."""
MessageId = NewType("MessageId", str)
"""A message in its room for ever: XEP-0359 stanza-id, XEP-0313 archive id."""
Ref = NewType("Ref", int)
"""The bridge's ticket on an outgoing event; a network answers each exactly once (see `Sent`)."""

NO_REF = Ref(0)


class Affiliation(Enum):
    """XEP-0045 §5.2."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    NONE = "none"
    OUTCAST = "outcast"


class Role(Enum):
    """XEP-0045 §5.1."""

    MODERATOR = "moderator"
    PARTICIPANT = "participant"
    VISITOR = "visitor"
    NONE = "none"


class Kind(Enum):
    """How a message is meant."""

    TEXT = "text"
    EMOTE = "emote"
    NOTICE = "notice"


class Style(Enum):
    """What a span of text looks like; the colours carry a `Span.value` of ``#rrggbb``."""

    BOLD = "bold"
    ITALIC = "italic"
    UNDERLINE = "underline"
    STRIKE = "strike"
    MONOSPACE = "monospace"
    COLOUR = "colour"
    BACKGROUND = "background"


class TypingState(Enum):
    """XEP-0085, IRCv3 typing; who is GONE has ended the conversation."""

    COMPOSING = "composing"
    PAUSED = "paused"
    DONE = "done"
    GONE = "gone"


class Show(Enum):
    """RFC 6121 §4.7.2.1 and plain available; AWAY covers every kind of absence a network knows."""

    AVAILABLE = ""
    AWAY = "away"
    XA = "xa"
    DND = "dnd"
    CHAT = "chat"


class Exit(Enum):
    """Why the user is no longer in a room; STRUCK: he lost the membership that it takes to be in."""

    LEFT = "left"
    KICKED = "kicked"
    STRUCK = "struck"
    BANNED = "banned"
    DISCONNECTED = "disconnected"
    SHUTDOWN = "shutdown"
    REPLACED = "replaced"


class Link(Enum):
    """The state of a user's link to a server."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RETRYING = "retrying"
    DISCONNECTED = "disconnected"


class Audience(Enum):
    """Who may read what was said in a room: all of it, or what was said since he was invited, or came."""

    ANYBODY = "anybody"
    MEMBERS = "members"
    INVITED = "invited"
    PRESENT = "present"


class Value(Struct, frozen=True, kw_only=True):
    """Base of all values here."""


class Span(Value, frozen=True, kw_only=True):
    """A styled stretch of a `Text`: code points `start` to `end`, end excluded."""

    start: int
    end: int
    style: Style
    value: str = ""


class Text(Value, frozen=True, kw_only=True):
    """What was written: the plain words, and how stretches of them look."""

    plain: str
    spans: tuple[Span, ...] = ()


class Configuration(Value, frozen=True, kw_only=True):
    """How a room is configured, or is to be; None is what the network has not, or what stays as it is.

    `closed`: nobody comes in uninvited; `knocking`: but one can ask to be let in. `public`: lists of rooms
    show it. `moderated`: whoever has no right of his own may only listen. `picture` is only ever changed,
    b"" for none: what it is now is had by `AvatarQuery`.
    """

    name: str | None = None
    description: str | None = None
    closed: bool | None = None
    knocking: bool | None = None
    public: bool | None = None
    moderated: bool | None = None
    history: Audience | None = None
    picture: bytes | None = None


class Reply(Value, frozen=True, kw_only=True):
    """Which message this one answers, and who wrote that (XEP-0461 §3)."""

    id: MessageId
    nick: str = ""


class Mention(Value, frozen=True, kw_only=True):
    """Somebody or a room is named in a body: code points `start` to `end`, end excluded.

    He is named without words of it if both are 0. In a room it is an occupant, by `nick`; elsewhere, or if
    he is not in, `contact`; or another `room`. If it is none of them, everybody in the room is called.
    """

    start: int = 0
    end: int = 0
    nick: str = ""
    contact: ContactId | None = None
    room: RoomId | None = None


class Thumbnail(Value, frozen=True, kw_only=True):
    """A small picture of a file; sizes in pixels."""

    url: str
    type: str = ""
    width: int | None = None
    height: int | None = None


class Attachment(Value, frozen=True, kw_only=True):
    """A file that goes with a message; `url` is where anybody can fetch it.

    `type` is its media type, `size` in bytes, `width` and `height` in pixels, `duration` in seconds; None
    and "" are unknown. Nothing of it is verified.
    """

    url: str
    name: str = ""
    type: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    thumbnail: Thumbnail | None = None


class Occupant(Value, frozen=True, kw_only=True):
    """Somebody in a room.

    `address` is the person's real address on the network as a JID's local part and resource
    (``nick%server/~user@host``), "" if hidden. `account` is a verified login name, "" if none.
    `identity` is stable across nick changes as far as the network can tell; XEP-0421's
    occupant-id is derived from it. `avatar` is the SHA-1 of his picture in hexadecimal, "" if he
    has none, None if that is not known. `user` is the XMPP user that he is, None if he is none or
    that is hidden.
    """

    nick: str
    affiliation: Affiliation = Affiliation.NONE
    role: Role = Role.PARTICIPANT
    address: str = ""
    account: str = ""
    identity: str = ""
    away: str | None = None
    avatar: str | None = None
    user: UserId | None = None
