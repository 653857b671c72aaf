"""The past of a room as it happened: what each event of the timeline was, by what is known of it now."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field, structs

from bridge.events import MessageId, Reaction, Retraction
from bridge.network import PastEvent, Tombstone

from .content import Json, Malformed, corrected, mapping, text, time_of
from .room import Room
from .tables import MARKER, REACTION, REDACTION
from .translate import (
    KEPT,
    Skipped,
    annotation,
    ids_of,
    origin_of,
    past,
    reaction,
    redacted,
    retraction,
)

TOLD = (*KEPT, REACTION, REDACTION)
"""Types of events that are entries of the past."""


class Known(Struct):
    """What events of a page refer to: events by id, and the reactions that stand on messages, latest first.

    An event that was looked for in vain is empty; reactions that were are None.
    """

    events: dict[str, Json] = field(default_factory=dict)
    reactions: dict[str, list[Json] | None] = field(default_factory=dict)

    def missing_events(self, events: Iterable[Json], room: Room) -> set[str]:
        """Return which events must be looked up before these are read."""
        wanted = {_referred(event, room) for event in events}
        return wanted - self.events.keys() - {""}

    def missing_reactions(self, events: Iterable[Json], room: Room) -> set[str]:
        """Return on which messages the reactions must be looked up before these are read."""
        wanted = {_reacted(event, room, self)[0] for event in events}
        wanted -= self.reactions.keys() | {""}
        return {target for target in wanted if not room.timeline.is_whole(target)}


def entry(event: Json, room: Room, known: Known) -> PastEvent | Skipped | None:
    """Read an event of the past; None if it is nothing that is told, or nothing is known of what it was.

    The room as it is now tells by which nick its author is known.
    """
    time, kind = time_of(event), event.get("type")
    if time is None or "state_key" in event or kind not in TOLD:
        return None
    try:
        if kind in (REACTION, REDACTION):
            act = _act(event, room, known)
            return None if act is None else structs.replace(act, time=time)
        return _said(event, room, known)
    except Malformed as malformed:
        return Skipped(str(malformed))


def redaction_of(event: Json) -> Json:
    """Return the redaction that took an event back, which comes along with it; empty if none did."""
    return mapping(mapping(event.get("unsigned")).get("redacted_because"))


def _referred(event: Json, room: Room) -> str:
    """Return the event that must be known to read this one, "" if none.

    What a correction is of, as its words are gone if that is; and what was redacted, unless the room knows.
    """
    if event.get("type") != REDACTION:
        return corrected(event)
    return "" if room.timeline.knows(target := redacted(event)) or room.timeline.reacted(target) else target


def _said(event: Json, room: Room, known: Known) -> PastEvent | Skipped | None:
    original, because = corrected(event), redaction_of(event)
    first = known.events.get(original, {})
    if because or redaction_of(first):
        # the words of a correction go with those that it corrects
        return _tombstone(event, room, because or redaction_of(first))
    message = past(event, room)
    if not original or not first or message is None or isinstance(message, Skipped):
        return message
    if first.get("sender") != event.get("sender"):
        raise Malformed("a correction of somebody else's message")
    return structs.replace(message, replaces=origin_of(first, room) or original)


def _tombstone(event: Json, room: Room, because: Json) -> Tombstone:
    event_id, sender = ids_of(event)
    said = room.timeline.said(event_id)
    done = retraction(because, room, event_id, sender)
    return Tombstone(
        room=room.room,
        id=MessageId(event_id),
        nick=room.nick(sender),
        origin="" if said is None else said.origin,
        identity=sender,
        time=time_of(event),
        retraction=structs.replace(done, time=time_of(because)),
    )


def _act(event: Json, room: Room, known: Known) -> Reaction | Retraction | None:
    """Read a reaction, or what took back a reaction or a message."""
    target, reactor = _reacted(event, room, known)
    if target:
        # all that he has there now: what he had then is not known once he has taken some of it back
        return reaction(event, room, target, reactor, _standing(event, target, reactor, room, known))
    taken_back = redacted(event) if event.get("type") == REDACTION else ""
    said, found = room.timeline.said(taken_back), known.events.get(taken_back, {})
    if said is None and found.get("type") not in KEPT:
        return None
    return retraction(event, room, taken_back, text(found, "sender") if said is None else said.sender)


def _reacted(event: Json, room: Room, known: Known) -> tuple[str, str]:
    """Return which message has other reactions after this event, and whose; "" for none that is known.

    The homeserver does not tell what a redacted reaction was on: the room may remember it, or a ghost's own
    redaction says so.
    """
    try:
        _, sender = ids_of(event)
        if event.get("type") == REACTION:
            found = annotation(event)
            return ("", "") if found is None else (room.timeline.original(found[0]), sender)
    except Malformed:
        return "", ""
    taken_back = redacted(event) if event.get("type") == REDACTION else ""
    remembered = room.timeline.reacted(taken_back)
    if remembered is not None:
        return remembered
    if known.events.get(taken_back, {}).get("type") != REACTION or not room.ids.is_ghost(sender):
        return "", ""
    marker = mapping(mapping(event.get("content")).get(MARKER))
    return text(marker, "on"), text(known.events[taken_back], "sender")


def _standing(event: Json, target: str, reactor: str, room: Room, known: Known) -> tuple[str, ...]:
    if room.timeline.is_whole(target):
        return room.timeline.keys(target, reactor)
    keys: dict[str, None] = {}
    found_there = known.reactions.get(target)
    for one in reversed([event] if found_there is None else found_there):
        try:
            found = annotation(one)
        except Malformed:
            continue
        if found is not None and one.get("sender") == reactor:
            keys[found[1]] = None
    return tuple(keys)
