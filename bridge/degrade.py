"""What a network cannot carry, said in words that it can; the only place where fallbacks are worded."""

from __future__ import annotations

from msgspec import structs

from bridge.capabilities import Capabilities, Level
from bridge.events import Message, Reaction, Span, Text

_CARRIED = (Level.NATIVE, Level.PARTIAL)
CORRECTED = "(edited) "


def message(event: Message, levels: Capabilities) -> Message:
    """Return the message as the network can carry it.

    A reply names whom it answers, unless its words already begin so; a correction says that it is one.
    """
    if event.replaces and levels.corrections is Level.FALLBACK:
        event = structs.replace(event, replaces="", body=_prefixed(CORRECTED, event.body))
    answered = event.reply
    if answered is not None and levels.replies not in _CARRIED:
        body = event.body
        if levels.replies is Level.FALLBACK and answered.nick and not body.plain.startswith(answered.nick):
            body = _prefixed(f"{answered.nick}: ", body)
        event = structs.replace(event, reply=None, body=body)
    return event


def reaction(event: Reaction, levels: Capabilities) -> list[Reaction | Message]:
    """Return what a reaction becomes; reactions taken back leave no trace where they are only words."""
    if levels.reactions in _CARRIED:
        return [event]
    if levels.reactions is Level.FALLBACK and event.emojis:
        return [Message(room=event.room, body=Text(plain="/me reacted with " + " ".join(event.emojis)))]
    return []


def _prefixed(prefix: str, text: Text) -> Text:
    moved = tuple(
        Span(start=span.start + len(prefix), end=span.end + len(prefix), style=span.style, value=span.value)
        for span in text.spans
    )
    return Text(plain=prefix + text.plain, spans=moved)
