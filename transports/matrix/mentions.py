"""Who is named in a message: pills and ``m.mentions`` of Matrix ↔ `Mention`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.errors import BridgeError
from bridge.events import Mention

from .content import Json
from .ids import is_user_id
from .links import LINK, Target, read_link
from .markup import Pill
from .room import Room

MAX_MENTIONS = 50
"""Mentions of one message that are read or written."""
EVERYBODY = "@room"
"""How people call everybody in the room."""


def read_mentions(content: Json, plain: str, pills: Sequence[Pill], room: Room) -> tuple[Mention, ...]:
    """Return who is named in a body `plain`, in the order of the words.

    Where the sender says whom he means to mention (``m.mentions``), nobody else is mentioned.
    """
    meant = content.get("m.mentions")
    intended = _intended(meant) if isinstance(meant, dict) else None
    found: list[Mention] = []
    for start, end, target in _places(plain, pills):
        if not target.is_person or intended is None or target.id in intended:
            mention = _mention(target, room, start, end)
            found += () if mention is None else (mention,)
            if intended is not None:
                intended.pop(target.id, None)
    for user_id in intended or ():
        start, end = _named(plain, user_id, room)
        mention = _mention(Target(user_id), room, start, end)
        found += () if mention is None else (mention,)
    if isinstance(meant, dict) and meant.get("room") is True:
        start = plain.find(EVERYBODY)
        found.append(Mention() if start < 0 else Mention(start=start, end=start + len(EVERYBODY)))
    return tuple(sorted(found[:MAX_MENTIONS], key=lambda each: (each.start, each.end)))


def _intended(meant: Json) -> dict[str, None]:
    listed = meant.get("user_ids")
    listed = listed if isinstance(listed, list) else []
    return dict.fromkeys(each for each in listed[:MAX_MENTIONS] if isinstance(each, str) and is_user_id(each))


def _places(plain: str, pills: Sequence[Pill]) -> Iterator[tuple[int, int, Target]]:
    """Find the words of pills, one after the other, and the links that are written out."""
    taken: list[tuple[int, int]] = []
    position = 0
    for target, words in pills[:MAX_MENTIONS]:
        for word in words:
            start = plain.find(word, position)
            if start >= 0:
                position = start + len(word)
                taken.append((start, position))
                yield start, position, target
                break
    for match in LINK.finditer(plain) if "matrix" in plain else ():
        link = match[0].rstrip(".,:;!?)]}")
        target_of = read_link(link)
        start, end = match.start(), match.start() + len(link)
        if target_of is not None and not any(first < end and start < last for first, last in taken):
            yield start, end, target_of


def _named(plain: str, user_id: str, room: Room) -> tuple[int, int]:
    """Return where somebody is called by one of his names, (0, 0) if nowhere."""
    member = room.members.get(user_id)
    names = (
        (user_id,) if member is None else (member.nick, member.name, user_id, user_id[1:].partition(":")[0])
    )
    for name in names:
        start = plain.find(name)
        if start >= 0:
            return start, start + len(name)
    return 0, 0


def _mention(target: Target, room: Room, start: int, end: int) -> Mention | None:
    member = room.members.get(target.id)
    if member is not None:
        return Mention(start=start, end=end, nick=member.nick)
    try:
        if target.is_person:
            return Mention(start=start, end=end, contact=room.ids.contact(target.id))
        return Mention(start=start, end=end, room=room.ids.room(target.id, target.via))
    except BridgeError:
        return None


# ---- written


def write_mentions(
    mentions: Sequence[Mention], plain: str, room: Room
) -> tuple[Json, list[tuple[int, int, Target]]]:
    """Return ``m.mentions``, and what stretches of the body link to.

    Without any, whom a message addresses by beginning with his nick is mentioned.
    """
    meant: dict[str, None] = {}
    links: list[tuple[int, int, Target]] = []
    is_for_all = False
    for one in mentions[:MAX_MENTIONS]:
        target = _target(one, room)
        if target is not None:
            if target.is_person:
                meant[target.id] = None
            links.append((one.start, one.end, target))
        elif not (one.nick or one.contact or one.room):
            is_for_all = True
    if not mentions or all(one.start for one in mentions):
        addressed, length = _addressed(plain, room)
        if addressed:
            meant[addressed] = None
            links.append((0, length, Target(addressed)))
    users: dict[str, object] = {"user_ids": list(meant)} if meant else {}
    return {**users, **({"room": True} if is_for_all else {})}, links


def _target(mention: Mention, room: Room) -> Target | None:
    if mention.nick:
        user_id = room.user(mention.nick)
        return None if user_id is None else Target(user_id)
    try:
        if mention.contact is not None:
            return Target(room.ids.user_id(mention.contact))
        if mention.room is not None:
            found = room.ids.target(mention.room)
            return Target(found.id, found.via)
    except BridgeError:
        return None
    return None


def _addressed(plain: str, room: Room) -> tuple[str, int]:
    """Return whom a message addresses by beginning with his nick, and how long that is."""
    for end in (plain.find(":"), plain.find(","), plain.find("): ") + 1):
        user_id = room.user(plain[:end]) if end > 0 else None
        if user_id is not None:
            return user_id, end
    return "", 0
