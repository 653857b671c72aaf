"""What is done to what was said, and what is left of it: reactions, retractions, tombstones."""

from __future__ import annotations

from msgspec import Struct

from bridge.events import Message, MessageId, Reaction, Retraction, RoomId
from bridge.network import PastEvent, Tombstone
from bridge.services.muc.render import Renderer
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.moderation import build_moderated_retract, build_moderated_retracted
from bridge.xmpp.payloads.occupant_id import build_occupant_id
from bridge.xmpp.payloads.reactions import build_reactions
from bridge.xmpp.payloads.retract import build_retract, build_retracted
from bridge.xmpp.payloads.stanza_id import build_stanza_id


class Act(Struct, frozen=True):
    """A groupchat message without words: who says it, by which id, and what is in it."""

    sender: str
    id: str
    payloads: tuple[Element, ...]


def act(render: Renderer, event: Reaction | Retraction | Tombstone) -> Act:
    """Return how the room tells of it; see `reaction`, `retraction` and `tombstone`."""
    match event:
        case Reaction():
            return reaction(render, event)
        case Retraction():
            return retraction(render, event)
        case Tombstone():
            return tombstone(render, event)


def reaction(render: Renderer, event: Reaction) -> Act:
    """XEP-0444 §3.2."""
    sender = f"{render.plain(event.room)}/{event.nick}"
    return _act(render, event, sender, build_reactions(event.id, event.emojis))


def retraction(render: Renderer, event: Retraction) -> Act:
    """XEP-0424 §3, or XEP-0425 §3.1 when a moderator did it, which the room itself says."""
    room = render.plain(event.room)
    if event.actor:
        moderator = _occupant_id(render, event.room, event.identity)
        payload = build_moderated_retract(event.id, f"{room}/{event.actor}", event.reason, moderator)
    else:
        payload = build_retract(event.id)
    sender = f"{room}/{event.nick}" if event.nick and not event.actor else room
    return _act(render, event, sender, payload)


def tombstone(render: Renderer, event: Tombstone) -> Act:
    """XEP-0424 §4, XEP-0425 §4: what took the message back is named by its stanza's id."""
    room, done = render.plain(event.room), event.retraction
    id = done.origin or done.act
    if done.actor:
        moderator = _occupant_id(render, event.room, done.identity)
        payload = build_moderated_retracted(id, done.time, f"{room}/{done.actor}", done.reason, moderator)
    else:
        payload = build_retracted(id, done.time)
    author = _occupant_id(render, event.room, event.identity)
    payloads = (payload, build_stanza_id(event.id, room), *(() if author is None else (author,)))
    return Act(f"{room}/{event.nick}" if event.nick else room, event.origin or event.id, payloads)


def _act(render: Renderer, event: Reaction | Retraction, sender: str, payload: Element) -> Act:
    """Return what the room says of an act, with its id (XEP-0359 §3) and whose it is (XEP-0421 §3.1).

    Clients believe reactions and retractions by the occupant id only.
    """
    room = render.plain(event.room)
    payloads = [payload]
    if event.act:
        payloads.append(build_stanza_id(event.act, room))
    occupant = None if sender == room else _occupant_id(render, event.room, event.identity)
    if occupant is not None:
        payloads.append(occupant)
    return Act(sender, event.origin or event.act, tuple(payloads))


def _occupant_id(render: Renderer, room: RoomId, identity: str) -> Element | None:
    return build_occupant_id(render.occupant_id(room, identity)) if identity else None


def place_of(entry: PastEvent) -> tuple[MessageId, float]:
    """Return an entry's id in the archive, and its time."""
    id = entry.id if isinstance(entry, Message | Tombstone) else entry.act
    return id, entry.time or 0.0
