"""What is said between two ↔ what is said in the room that they have for it on Matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bridge.events import (
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Incoming,
    Mention,
    Message,
    MessageId,
    Reaction,
    Reply,
    Retraction,
)

from .chats import Chat

Said = DirectMessage | DirectReaction | DirectRetraction


def in_room(chat: Chat, event: Said) -> Message | Reaction | Retraction:
    """Return what a user says to somebody as something said in their room."""
    room, ref = chat.stay.room, event.ref
    match event:
        case DirectReaction(id=id, emojis=emojis):
            return Reaction(room=room, id=MessageId(chat.event(id)), emojis=emojis, ref=ref)
        case DirectRetraction(id=id):
            return Retraction(room=room, id=MessageId(chat.event(id)), ref=ref)
    reply = event.reply
    return Message(
        room=room,
        body=event.body,
        origin=event.origin,
        kind=event.kind,
        reply=None if reply is None else Reply(id=MessageId(chat.event(reply.id))),
        replaces=event.replaces,
        thread=event.thread,
        mentions=event.mentions,
        attachments=event.attachments,
        ref=ref,
    )


def told(chat: Chat, event: Incoming) -> Incoming | None:
    """Return what the user hears of what happened in the room."""
    match event:
        case Message():
            reply = event.reply
            return DirectMessage(
                contact=chat.contact,
                nick=event.nick,
                body=event.body,
                id=event.id,
                kind=event.kind,
                reply=None if reply is None else Reply(id=MessageId(chat.named(reply.id))),
                replaces=event.replaces,
                thread=event.thread,
                mentions=tuple(_named(chat, event.mentions)),
                attachments=event.attachments,
                time=event.time,
            )
        case Reaction(id=id, emojis=emojis):
            return DirectReaction(contact=chat.contact, id=MessageId(chat.named(id)), emojis=emojis)
        case Retraction(id=id):
            return DirectRetraction(contact=chat.contact, id=MessageId(chat.named(id)))
    return None


def _named(chat: Chat, mentions: Sequence[Mention]) -> Iterator[Mention]:
    """Return who is named by addresses: in a conversation there are no nicks, and the user knows himself."""
    for one in mentions:
        if one.contact is not None or one.room is not None:
            yield one
        elif chat.session is not None and chat.session.room.user(one.nick) == chat.person:
            yield structs.replace(one, nick="", contact=chat.contact)
