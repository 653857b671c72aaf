"""What is said between two, not in a room; see `bridge.events`."""

from __future__ import annotations

from bridge.errors import BridgeError
from bridge.vocabulary import (
    NO_REF,
    Attachment,
    ContactId,
    Kind,
    Mention,
    MessageId,
    Ref,
    Reply,
    RoomId,
    Text,
    Value,
)


class DirectMessage(Value, frozen=True, kw_only=True):
    """Something said to the user alone, or by him to one contact.

    `nick` keeps the contact's spelling. `room` is the room it was said in connection with, `subject` what it
    is about. The rest is as in `events.Message`.
    """

    contact: ContactId
    nick: str = ""
    body: Text
    subject: str = ""
    id: MessageId = MessageId("")
    origin: str = ""
    kind: Kind = Kind.TEXT
    room: RoomId | None = None
    reply: Reply | None = None
    replaces: str = ""
    thread: str = ""
    mentions: tuple[Mention, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    time: float | None = None
    ref: Ref = NO_REF


class DirectReaction(Value, frozen=True, kw_only=True):
    """XEP-0444 between two: all the reactions that the contact, or the user, now has on message `id`.

    `nick` and `room` are as in `DirectMessage`.
    """

    contact: ContactId
    id: MessageId
    emojis: tuple[str, ...]
    nick: str = ""
    room: RoomId | None = None
    ref: Ref = NO_REF


class DirectRetraction(Value, frozen=True, kw_only=True):
    """XEP-0424 between two: the author of message `id` takes it back.

    `nick` and `room` are as in `DirectMessage`.
    """

    contact: ContactId
    id: MessageId
    nick: str = ""
    room: RoomId | None = None
    ref: Ref = NO_REF


class Undelivered(Value, frozen=True, kw_only=True):
    """Outgoing: what the contact said to the user by message `id` did not get there."""

    contact: ContactId
    id: MessageId
    error: BridgeError
