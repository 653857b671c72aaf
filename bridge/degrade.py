"""What a network cannot carry, said in words that it can; the only place where fallbacks are worded."""

from __future__ import annotations

from typing import TypeVar

from msgspec import structs

from bridge.capabilities import Capabilities, Level
from bridge.events import DirectMessage, Mention, Message, Reaction, Text
from bridge.text import prefixed

_CARRIED = (Level.NATIVE, Level.PARTIAL)
CORRECTED = "(edited) "
Said = TypeVar("Said", Message, DirectMessage)
"""What is said, in a room or to one person."""


def message(event: Said, levels: Capabilities) -> Said:
    """Return the message as the network can carry it.

    A reply names whom it answers, unless its words already begin so; a correction says that it is one.
    A file is named by its address, and a subject is the first line.
    """
    if levels.subjects not in _CARRIED:
        event = titled(event)
    if event.thread and levels.threads not in _CARRIED:
        event = structs.replace(event, thread="")
    if event.mentions and levels.mentions not in _CARRIED:
        event = structs.replace(event, mentions=())
    if event.replaces and levels.corrections is Level.FALLBACK:
        event = structs.replace(_prefixed(CORRECTED, event), replaces="")
    answered = event.reply
    if answered is not None and levels.replies not in _CARRIED:
        if (
            levels.replies is Level.FALLBACK
            and answered.nick
            and not event.body.plain.startswith(answered.nick)
        ):
            event = _prefixed(f"{answered.nick}: ", event)
        event = structs.replace(event, reply=None)
    if event.attachments and levels.attachments not in _CARRIED:
        event = structs.replace(event, attachments=(), body=linked(event))
    return event


def titled(event: Said) -> Said:
    """Return a message whose first line is its subject, if it has one."""
    subject = event.subject if isinstance(event, DirectMessage) else ""
    if not subject:
        return event
    line = f"{subject}\n" if event.body.plain else subject
    return structs.replace(_prefixed(line, event), subject="")


def linked(event: Message | DirectMessage) -> Text:
    """Return the body with the addresses of the files that it does not name, in lines of their own."""
    plain = event.body.plain
    urls = [one.url for one in event.attachments if one.url not in plain]
    return Text(plain="\n".join(filter(None, (plain, *urls))), spans=event.body.spans)


def reaction(event: Reaction, levels: Capabilities) -> list[Reaction | Message]:
    """Return what a reaction becomes; reactions taken back leave no trace where they are only words."""
    if levels.reactions in _CARRIED:
        return [event]
    if levels.reactions is Level.FALLBACK and event.emojis:
        return [Message(room=event.room, body=Text(plain="/me reacted with " + " ".join(event.emojis)))]
    return []


def moved(mentions: tuple[Mention, ...], by: int) -> tuple[Mention, ...]:
    """Return the mentions of a body that has `by` code points more in front, or fewer if it is negative.

    Those whose words are gone name nobody's words, but somebody still.
    """
    found = []
    for mention in mentions:
        start, end = mention.start + by, mention.end + by
        if not mention.end or start < 0:
            start = end = 0
        found.append(structs.replace(mention, start=start, end=end))
    return tuple(found)


def _prefixed(prefix: str, event: Said) -> Said:
    mentions = moved(event.mentions, len(prefix))
    return structs.replace(event, body=prefixed(prefix, event.body), mentions=mentions)
