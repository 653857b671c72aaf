"""What an XMPP user does in a room → what is asked of the homeserver on behalf of his ghost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import msgspec
from msgspec import Struct, structs

from bridge import degrade
from bridge.capabilities import Capabilities, Level
from bridge.errors import BridgeError, Trouble
from bridge.events import ChangeNick, Kick, Kind, Message, Reaction, Retraction, Text, Topic
from bridge.text import clip

from .attachments import file_content, filename_of
from .capabilities import ROOM
from .content import Json
from .ids import is_event_id
from .markup import to_html
from .mentions import write_mentions
from .names import is_nick
from .room import Room
from .tables import HTML, MARKER, MAX_CONTENT, MAX_ID, MEMBER, MESSAGE, REACTION, TOPIC
from .translate import MAX_KEY

_ME = "/me "
_ALSO_BEFORE = ("msgtype", "m.mentions", "url", "info", "filename")
"""What older clients need to show a correction as a message."""
_TYPES = {Kind.TEXT: "m.text", Kind.EMOTE: "m.emote", Kind.NOTICE: "m.notice"}


class Send(Struct, frozen=True, tag_field="action", tag=True):
    """Send an event to the room's timeline."""

    type: str
    content: Json


class SetState(Struct, frozen=True, tag_field="action", tag=True):
    """Set a state event of the room."""

    type: str
    key: str
    content: Json


class Redact(Struct, frozen=True, tag_field="action", tag=True):
    """Take back an event."""

    event_id: str
    content: Json = {}


class Remove(Struct, frozen=True, tag_field="action", tag=True):
    """Put somebody out of the room."""

    user_id: str
    reason: str = ""


Action = Send | SetState | Redact | Remove
Done = Message | Topic | Reaction | Retraction | Kick | ChangeNick
"""The outgoing events that become actions; the others are no events of a Matrix room."""


def actions(event: Done, room: Room, ghost: str) -> tuple[Action, ...]:
    """Return what is to be asked for `ghost`, in order; nothing where all is as it should be.

    BridgeError where the event can have no meaning in this room.
    """
    match event:
        case Message():
            return _messages(event, room, ghost)
        case Topic(text=text):
            return (SetState(TOPIC, "", _fitting({"topic": text})),)
        case Reaction():
            return _reactions(event, room, ghost)
        case Retraction():
            why = {"reason": event.reason[:MAX_ID]} if event.reason else {}
            return (Redact(_target(event.id, room, ghost), _marked(why, event.origin)),)
        case Kick(nick=nick, reason=reason):
            user_id = room.user(nick)
            if user_id is None:
                raise BridgeError(Trouble.NO_SUCH_NICK)
            return (Remove(user_id, reason[:MAX_ID]),)
        case ChangeNick(nick=nick):
            return (SetState(MEMBER, ghost, membership(nick, room, ghost)),)
    assert_never(event)


def membership(nick: str, room: Room, ghost: str) -> Json:
    """Return the content by which a ghost is in the room under a nick; BridgeError if that cannot be his."""
    if not is_nick(nick):
        raise BridgeError(Trouble.BAD_NICK)
    if not room.is_free(nick, ghost):
        raise BridgeError(Trouble.NICK_IN_USE)
    member = room.members.get(ghost)
    avatar = {"avatar_url": member.avatar} if member is not None and member.avatar else {}
    return {"membership": "join", "displayname": nick, **avatar}


def _target(id: str, room: Room, ghost: str) -> str:
    """Return the event that began a message, which is named by the room's id or the ghost's own."""
    target = room.timeline.original(room.timeline.event(ghost, id) or id)
    if not is_event_id(target):
        raise BridgeError(Trouble.NOT_FOUND)
    return target


def _fitting(content: dict[str, object]) -> Json:
    if _size(content) > MAX_CONTENT:
        raise BridgeError(Trouble.TOO_LONG)
    return content


def _size(content: Json) -> int:
    return len(msgspec.json.encode(content))


def _reactions(event: Reaction, room: Room, ghost: str) -> tuple[Action, ...]:
    target = _target(event.id, room, ghost)
    if any(not 0 < len(key) <= MAX_KEY for key in event.emojis):
        raise BridgeError(Trouble.NOT_ACCEPTABLE)
    missing, surplus = room.timeline.difference(target, ghost, event.emojis)
    # the stanza is seen again when all of it is done
    origins = iter(["" for _ in [*surplus, *missing][1:]] + [event.origin])
    redacts = [Redact(each, _marked({}, next(origins), on=target)) for each in surplus]
    relations = [{"rel_type": "m.annotation", "event_id": target, "key": key} for key in missing]
    return (
        *redacts,
        *(Send(REACTION, _marked({"m.relates_to": relation}, next(origins))) for relation in relations),
    )


# ---- messages


def _messages(event: Message, room: Room, ghost: str) -> tuple[Send, ...]:
    """Write a message, in several events if it is too long for one."""
    replaced = _replaced(event, room, ghost) if event.replaces else ""
    event = degrade.message(event, _levels(event, replaced))
    if event.kind is Kind.TEXT and event.body.plain.startswith(_ME):
        event = _cut(structs.replace(event, kind=Kind.EMOTE), len(_ME), len(event.body.plain))
    contents = _contents(event, room)
    if not contents:
        raise BridgeError(Trouble.NOT_ACCEPTABLE)
    if replaced:
        first = contents[0] if event.attachments else _words(event, room)
        return (Send(MESSAGE, _fitting(_correction(_marked(first, event.origin, event.id), replaced))),)
    contents = [_marked(content, event.origin, event.id) for content in contents]
    contents[0] = _related(contents[0], event, room, ghost)
    return tuple(Send(MESSAGE, content) for content in contents)


def _cut(event: Message, start: int, end: int) -> Message:
    """Return the part of a message that has these code points of its body."""
    mentions = tuple(one for one in event.mentions if (start <= one.start and one.end <= end) or not one.end)
    return structs.replace(event, body=clip(event.body, start, end), mentions=degrade.moved(mentions, -start))


def _levels(event: Message, replaced: str) -> Capabilities:
    """Return what can be carried: what refers to a message that is not known is put into words."""
    is_answerable = event.reply is not None and is_event_id(event.reply.id)
    return structs.replace(
        ROOM,
        corrections=Level.NATIVE if replaced else Level.FALLBACK,
        replies=Level.NATIVE if is_answerable else Level.FALLBACK,
    )


def _replaced(event: Message, room: Room, ghost: str) -> str:
    """Return the event that is corrected, "" if it is not known as the ghost's own."""
    found = room.timeline.event(ghost, event.replaces)
    if found is not None:
        return room.timeline.original(found)
    said = room.timeline.said(event.replaces)
    return room.timeline.original(event.replaces) if said is not None and said.sender == ghost else ""


def _words(event: Message, room: Room) -> dict[str, object]:
    body = event.body
    meant, links = write_mentions(event.mentions, body.plain, room)
    content: dict[str, object] = {"msgtype": _TYPES[event.kind], "body": body.plain, "m.mentions": meant}
    html = to_html(body, links)
    if html:
        content |= {"format": HTML, "formatted_body": html}
    return content


def _contents(event: Message, room: Room) -> list[dict[str, object]]:
    """Return the contents of a message: words go with a single file, or before several."""
    files = [{**file_content(one, filename_of(one)), "m.mentions": {}} for one in event.attachments]
    if len(files) == 1 and event.body.plain:
        captioned = {**files[0], **_words(event, room), "msgtype": files[0]["msgtype"]}
        if _size(captioned) <= MAX_CONTENT:
            return [captioned]
    return [*(_parts(event, room) if event.body.plain else ()), *files]


def _parts(event: Message, room: Room) -> list[dict[str, object]]:
    """Return contents that fit into events: without formatting if need be, then in halves."""
    content = _words(event, room)
    if _size(content) <= MAX_CONTENT:
        return [content]
    plain = event.body.plain
    if event.body.spans or event.mentions:
        return _parts(structs.replace(event, body=Text(plain=plain), mentions=()), room)
    middle = len(plain) // 2
    border = plain.rfind("\n", middle // 2, middle) + 1 or middle
    halves = (_cut(event, 0, border), _cut(event, border, len(plain)))
    return [content for half in halves for content in _parts(half, room)]


def _marked(content: Mapping[str, object], origin: str, message: str = "", on: str = "") -> dict[str, object]:
    """Add by what our own event is recognised; an id too long for Matrix is left out.

    `message` is the id that a room of XMPP gave it, `on` the message that a reaction is taken back from.
    """
    ids = {"id": origin, "message": message, "on": on}
    marker = {name: id for name, id in ids.items() if 0 < len(id) <= MAX_ID}
    return {**content, MARKER: marker}


def _related(content: dict[str, object], event: Message, room: Room, ghost: str) -> dict[str, object]:
    """Make it a reply, which mentions whom it answers, and a part of its thread.

    Matrix: rich replies, threading.
    """
    relates: dict[str, object] = {}
    mentions = content["m.mentions"]
    if event.reply is not None:
        answered = room.timeline.original(event.reply.id)
        relates["m.in_reply_to"] = {"event_id": answered}
        said = room.timeline.said(answered)
        if said is not None and said.sender != ghost and not mentions:
            mentions = {"user_ids": [said.sender]}
    root = thread_of(event, room)
    if root:
        # clients without threads are shown a reply to the latest message of it
        fallback = {"m.in_reply_to": {"event_id": room.timeline.latest(root)}}
        # XMPP clients that show replies only say so of the root for any message of a thread
        is_real = event.reply is not None and event.reply.id != root
        relates = {"rel_type": "m.thread", "event_id": root, "is_falling_back": not is_real} | (
            relates if is_real else fallback
        )
    return {**content, "m.mentions": mentions, "m.relates_to": relates} if relates else content


def thread_of(event: Message, room: Room) -> str:
    """Return the root of the thread that a message is for, "" for none that Matrix knows.

    A thread that XMPP clients made up among themselves has no root there.
    """
    if not is_event_id(event.thread):
        return ""
    said = room.timeline.said(event.thread)
    return said.thread if said is not None and said.thread else event.thread


def _correction(content: dict[str, object], target: str) -> dict[str, object]:
    """Make it a correction, which older clients show as a message (Matrix: event replacements)."""
    marker = content.pop(MARKER)
    fallback = {key: content[key] for key in _ALSO_BEFORE if key in content}
    return {
        **fallback,
        "body": f"* {content['body']}",
        "m.new_content": content,
        "m.relates_to": {"rel_type": "m.replace", "event_id": target},
        MARKER: marker,
    }
