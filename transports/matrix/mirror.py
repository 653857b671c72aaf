"""What is said and done in a portal, as the other side has it: messages by the ids that they have there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from msgspec import structs

from bridge import degrade
from bridge.capabilities import Capabilities, Level
from bridge.events import Message, MessageId, Reaction, Ref, Reply, Retraction, RoomId

from .content import mapping, text
from .ids import Ids
from .tables import MARKER

MAX_LINKS = 2_000
"""Messages of a portal that are known by both their ids."""
_UNANSWERABLE = Capabilities(corrections=Level.NATIVE, replies=Level.FALLBACK)

Told = Message | Reaction | Retraction
"""What refers to messages."""


class Links:
    """Which event of Matrix is which message on XMPP; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, MessageId] = OrderedDict()
        self._events: dict[MessageId, str] = {}

    def join(self, event_id: str, message_id: MessageId) -> None:
        """Remember that both are the same; a message that became several events is its first."""
        if not event_id or not message_id or message_id in self._events or event_id in self._messages:
            return
        self._messages[event_id] = message_id
        self._events[message_id] = event_id
        if len(self._messages) > MAX_LINKS:
            _, forgotten = self._messages.popitem(last=False)
            del self._events[forgotten]

    def learn(self, events: Sequence[object], ids: Ids) -> None:
        """Take in what ghosts said lately, the newest first: their events tell which messages they are."""
        for event in reversed(list(map(mapping, events))):
            marker = mapping(mapping(event.get("content")).get(MARKER))
            message = text(marker, "message")
            if ids.is_ghost(text(event, "sender")):
                self.join(text(event, "event_id"), MessageId(message))

    def message(self, event_id: str) -> MessageId | None:
        """Return the message on XMPP, None if that is forgotten."""
        return self._messages.get(event_id)

    def event(self, message_id: str) -> str | None:
        """Return the event on Matrix, None if that is forgotten."""
        return self._events.get(MessageId(message_id))

    def newest(self, count: int) -> Sequence[tuple[str, str]]:
        """Return the last of them, oldest first."""
        return list(self._messages.items())[-count:]


def to_xmpp(
    event: Told, room: RoomId, event_id: str, ref: Ref, links: Links, nick: Callable[[str], str]
) -> Told | None:
    """Return what a guest says or does in `room`; None where the message meant is not known there.

    `nick` tells by which nick somebody is known there who has one in the room of Matrix.
    """
    if isinstance(event, Message):
        return _said_on_xmpp(event, room, event_id, ref, links, nick)
    message = links.message(event.id)
    if message is None:
        return None
    return structs.replace(event, room=room, id=message, nick=nick(event.nick), ref=ref)


def _said_on_xmpp(
    event: Message, room: RoomId, event_id: str, ref: Ref, links: Links, nick: Callable[[str], str]
) -> Message:
    reply = event.reply
    if reply is not None:
        reply = Reply(id=links.message(reply.id) or MessageId(""), nick=nick(reply.nick))
    said = structs.replace(
        event, room=room, nick="", id=MessageId(""), origin=event_id, reply=reply, identity="", ref=ref
    )
    return said if reply is None or reply.id else degrade.message(said, _UNANSWERABLE)


def to_matrix(event: Told, ref: Ref, links: Links) -> Told | None:
    """Return what a ghost says or does; None where the message meant is not known on Matrix."""
    if isinstance(event, Message):
        reply = event.reply
        if reply is not None:
            reply = structs.replace(reply, id=MessageId(links.event(reply.id) or ""))
        return structs.replace(event, reply=reply, ref=ref)
    target = links.event(event.id)
    return None if target is None else structs.replace(event, id=MessageId(target), ref=ref)
