"""Events of a room's timeline → what the bridge says of them.

An event is whatever some server sent: what cannot be understood is `Skipped`, with a reason, and the
room goes on. What is understood but means nothing to XMPP is no events at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, structs

from bridge.events import (
    Exit,
    Exited,
    Kick,
    Kind,
    Leave,
    Message,
    MessageId,
    Reaction,
    Reply,
    Retraction,
    RoomEvent,
    Text,
    Typing,
    TypingState,
)

from .attachments import has_caption, read_file
from .content import Json, Malformed, corrected, mapping, text, time_of
from .ids import is_event_id, is_user_id
from .markup import Pill, from_html
from .mentions import read_mentions
from .polls import ENDS, RESPONSES, STARTS, poll_of
from .room import Room
from .tables import (
    ENCRYPTED,
    HTML,
    MARKER,
    MAX_ID,
    MEDIA,
    MESSAGE,
    REACTION,
    REDACTION,
    STICKER,
)

MAX_READ = 100
"""Events of a receipt that are looked at, and people who read each."""
MAX_KEY = 64
"""Code points of a reaction."""
UNREADABLE = "[encrypted message]"

_KINDS = {"m.emote": Kind.EMOTE, "m.notice": Kind.NOTICE, "m.server_notice": Kind.NOTICE}
_VERIFICATION = "m.key.verification."


class Skipped(Struct, frozen=True):
    """An event that cannot be understood; `reason` holds nothing that the sender chose."""

    reason: str


def live(event: object, room: Room) -> tuple[RoomEvent, ...] | Skipped:
    """Read what happens now, and let `room` take it in.

    Events of our own ghosts are read like all others; `Message.origin` tells what they were made of.
    """
    try:
        raw = mapping(event)
        if "state_key" in raw:
            return tuple(room.apply(raw))
        kind = raw.get("type")
        read = _READERS.get(kind) if isinstance(kind, str) else None
        happened = () if read is None else read(raw, room)
    except Malformed as malformed:
        return Skipped(str(malformed))
    for one in happened:
        if isinstance(one, Message):
            room.timeline.learn(one.id, one.identity, one.origin, one.thread, corrected(raw))
    return happened


def past(event: object, room: Room) -> Message | Skipped | None:
    """Read a message of long ago, for history; None if the event is anything else, or was redacted.

    The room as it is now tells by which nick its author is known.
    """
    raw = mapping(event)
    kind = raw.get("type")
    if "state_key" in raw or not isinstance(kind, str) or kind not in KEPT:
        return None
    try:
        found = _SAYING[kind](raw, room)
    except Malformed as malformed:
        return Skipped(str(malformed))
    time = time_of(raw)
    if time is None:
        return Skipped("no time")
    return structs.replace(found[0], time=time) if found else None


def exited(event: object, room: Room, left: Leave | Kick) -> Exited:
    """Return what a ghost's own `Leave` or `Kick`, read of `event`, means to its user."""
    how = Exit.LEFT
    if isinstance(left, Kick):
        is_ban = mapping(mapping(event).get("content")).get("membership") == "ban"
        how = Exit.BANNED if is_ban else Exit.STRUCK if left.struck else Exit.KICKED
    actor = left.actor if isinstance(left, Kick) else ""
    return Exited(room=room.room, nick=left.nick, exit=how, actor=actor, reason=left.reason)


def typing(event: object, room: Room, before: frozenset[str]) -> tuple[frozenset[str], tuple[Typing, ...]]:
    """Read ``m.typing``: return who is writing now, and what changed for those who are here."""
    listed = mapping(mapping(event).get("content")).get("user_ids")
    listed = listed if isinstance(listed, list) else []
    now = frozenset(each for each in listed if isinstance(each, str) and each in room.members)
    stopped = [(user_id, TypingState.DONE) for user_id in sorted(before - now) if user_id in room.members]
    started = [(user_id, TypingState.COMPOSING) for user_id in sorted(now - before)]
    return now, tuple(
        Typing(room=room.room, nick=room.nick(user_id), state=state) for user_id, state in stopped + started
    )


def readers(event: Json) -> dict[str, tuple[str, ...]]:
    """Read ``m.receipt``: return up to which events, for each thread one, people have read."""
    found: dict[str, tuple[str, ...]] = {}
    for event_id, receipts in list(mapping(event.get("content")).items())[:MAX_READ]:
        if is_event_id(event_id):
            for user_id in list(mapping(mapping(receipts).get("m.read")))[:MAX_READ]:
                found[user_id] = (*found.get(user_id, ()), event_id)
    return found


def origin_of(event: Json, room: Room) -> str | None:
    """Return the id of the stanza that one of our ghosts' events was made of; None for all other events."""
    marker = mapping(event.get("content")).get(MARKER)
    sender = event.get("sender")
    is_ours = isinstance(marker, dict) and isinstance(sender, str) and room.ids.is_ghost(sender)
    return text(mapping(marker), "id") if is_ours else None


# ---- what is said


def _said(event: Json, room: Room) -> tuple[Message, ...]:
    event_id, sender = ids_of(event)
    content = mapping(event.get("content"))
    if not content or text(content, "msgtype").startswith(_VERIFICATION):
        return ()
    relates = mapping(content.get("m.relates_to"))
    shown, replaces = content, ""
    if relates.get("rel_type") == "m.replace":
        replaces = room.timeline.original(text(relates, "event_id"))
        shown = mapping(content.get("m.new_content")) or content
        if not is_event_id(replaces):
            raise Malformed("a correction of nothing")
    original = room.timeline.said(replaces)
    if original is not None and original.sender != sender:
        raise Malformed("a correction of somebody else's message")
    kind, body, pills = _WORDS[str(event["type"])](shown, room)
    file = read_file(event["type"], shown, room.link)
    if file is not None and event["type"] == MESSAGE and has_caption(shown):
        body, pills = _formatted(shown, room)
    elif file is not None:
        body, pills = Text(plain=""), []
    elif not body.plain:
        raise Malformed("no words")
    thread = _thread(relates)
    message = Message(
        room=room.room,
        nick=room.nick(sender),
        body=body,
        id=MessageId(event_id),
        origin=origin_of(event, room) or "",
        kind=kind,
        reply=None if replaces else _reply(relates, room),
        replaces=(original.origin if original is not None else "") or replaces,
        thread=thread,
        mentions=read_mentions(shown, body.plain, pills, room),
        attachments=() if file is None else (file,),
        identity=sender,
    )
    return (message,)


def _thread(relates: Json) -> str:
    """Return the root of the thread that a message is in, "" if it is in none (Matrix: threading)."""
    root = text(relates, "event_id")
    return root if relates.get("rel_type") == "m.thread" and is_event_id(root) else ""


def ids_of(event: Json) -> tuple[str, str]:
    """Return the id of an event and who sent it; may raise Malformed."""
    event_id, sender = event.get("event_id"), event.get("sender")
    if not isinstance(event_id, str) or not is_event_id(event_id):
        raise Malformed("no event id")
    if not isinstance(sender, str) or not is_user_id(sender):
        raise Malformed("no sender")
    return event_id, sender


def _reply(relates: Json, room: Room) -> Reply | None:
    """Return what is answered (Matrix: rich replies); in a thread, its root if nothing else is."""
    answered = text(mapping(relates.get("m.in_reply_to")), "event_id")
    if relates.get("rel_type") == "m.thread" and relates.get("is_falling_back") is True:
        answered = text(relates, "event_id")
    if not is_event_id(answered):
        return None
    answered = room.timeline.original(answered)
    said = room.timeline.said(answered)
    return Reply(id=MessageId(answered), nick=room.nick(said.sender) if said is not None else "")


_Words = tuple[Kind, Text, list[Pill]]


def _message_words(content: Json, room: Room) -> _Words:
    kind = content.get("msgtype")
    kind = kind if isinstance(kind, str) else ""
    body, pills = _formatted(content, room)
    if kind in MEDIA:
        return Kind.TEXT, _captioned(content, body, MEDIA[kind]), pills
    if kind == "m.location":
        place = text(content, "geo_uri")
        plain = body.plain
        return Kind.TEXT, Text(plain=plain if place in plain else f"{plain}\n{place}".strip()), []
    return _KINDS.get(kind, Kind.TEXT), body, pills


def _formatted(content: Json, room: Room) -> tuple[Text, list[Pill]]:
    plain, formatted = _without_quote(content), content.get("formatted_body")
    if content.get("format") == HTML and isinstance(formatted, str):
        return from_html(formatted, plain, lambda user_id: _nick_here(room, user_id))
    return Text(plain=plain), []


def _nick_here(room: Room, user_id: str) -> str:
    member = room.members.get(user_id)
    return "" if member is None else member.nick


def _without_quote(content: Json) -> str:
    """Return the body without the quotation that replies used to begin with (Matrix: rich replies)."""
    body = text(content, "body")
    answers = mapping(content.get("m.relates_to")).get("m.in_reply_to")
    if not body.startswith("> <") or not isinstance(answers, dict):
        return body
    lines = body.split("\n")
    quoted = next((index for index, line in enumerate(lines) if not line.startswith("> ")), len(lines))
    return "\n".join(lines[quoted:]).removeprefix("\n") or body


def _captioned(content: Json, body: Text, sort: str) -> Text:
    """Name a file that there is no link to, after its caption if it has one."""
    name = text(content, "filename")
    if has_caption(content) and body.plain:
        return Text(plain=f"{body.plain}\n[{sort}] {name}", spans=body.spans)
    return Text(plain=f"[{sort}] {name or body.plain}".rstrip())


def _sticker_words(content: Json, room: Room) -> _Words:
    return Kind.TEXT, Text(plain=f"[sticker] {text(content, 'body')}".rstrip()), []


def _encrypted_words(content: Json, room: Room) -> _Words:
    return Kind.TEXT, Text(plain=UNREADABLE), []


_WORDS: Mapping[str, Callable[[Json, Room], _Words]] = {
    MESSAGE: _message_words,
    STICKER: _sticker_words,
    ENCRYPTED: _encrypted_words,
}


def _polled(event: Json, room: Room) -> tuple[Message, ...]:
    """Show a poll, a vote or the end of a poll; of a poll that is not known votes are not shown."""
    event_id, sender = ids_of(event)
    content, type = mapping(event.get("content")), event["type"]
    if not content:
        return ()
    kind, reply = Kind.TEXT, None
    if type in STARTS:
        words = room.polls.begin(event_id, content)
    else:
        kind, words = (
            (Kind.EMOTE, room.polls.vote(content)) if type in RESPONSES else (kind, room.polls.end(content))
        )
        poll = poll_of(content)
        if is_event_id(poll):
            said = room.timeline.said(poll)
            reply = Reply(id=MessageId(poll), nick="" if said is None else room.nick(said.sender))
    if not words:
        return ()
    return (
        Message(
            room=room.room,
            nick=room.nick(sender),
            body=Text(plain=words),
            id=MessageId(event_id),
            kind=kind,
            reply=reply,
            identity=sender,
        ),
    )


_POLLING = (*STARTS, *RESPONSES, *ENDS)
_SAYING: Mapping[str, Callable[[Json, Room], tuple[Message, ...]]] = {
    **dict.fromkeys(_WORDS, _said),
    **dict.fromkeys(_POLLING, _polled),
}
KEPT = tuple(kind for kind in _SAYING if kind not in RESPONSES)
"""Types of events that are messages of the past: who voted for what is told when it happens only."""


# ---- what is done to what was said


def annotation(event: Json) -> tuple[str, str] | None:
    """Return on which message a reaction is, and what it says; None if it is gone, or a mere picture.

    May raise Malformed.
    """
    relates = mapping(mapping(event.get("content")).get("m.relates_to"))
    target, key = text(relates, "event_id"), text(relates, "key").strip()
    if not relates:
        return None
    if relates.get("rel_type") != "m.annotation" or not is_event_id(target) or not 0 < len(key) <= MAX_KEY:
        raise Malformed("a reaction to nothing, or without a key")
    if key.startswith("mxc:"):
        # a picture, which is told by its name as clients write it (MSC4027)
        content = mapping(event.get("content"))
        key = (text(content, "shortcode") or text(content, "com.beeper.reaction.shortcode")).strip()[:MAX_KEY]
    return (target, key) if key else None


def _reacted(event: Json, room: Room) -> tuple[Reaction, ...]:
    event_id, sender = ids_of(event)
    found = annotation(event)
    if found is None:
        return ()
    target, key = room.timeline.original(found[0]), found[1]
    return (reaction(event, room, target, sender, room.timeline.react(target, sender, key, event_id)),)


def reaction(event: Json, room: Room, target: str, reactor: str, keys: tuple[str, ...]) -> Reaction:
    """Return all the reactions that somebody has on a message after an event."""
    event_id, sender = ids_of(event)
    return Reaction(
        room=room.room,
        id=MessageId(target),
        nick=room.nick(reactor),
        emojis=keys,
        act=MessageId(event_id),
        origin=(origin_of(event, room) or "") if sender == reactor else "",
        identity=reactor,
    )


def redacted(event: Json) -> str:
    """Return what a redaction takes back, "" if nothing (room versions differ in where they say it)."""
    target = text(mapping(event.get("content")), "redacts") or text(event, "redacts")
    return target if is_event_id(target) else ""


def retraction(event: Json, room: Room, target: str, author: str) -> Retraction:
    """Return what the redaction of a message is: moderation, if not by its author or if that is unknown."""
    event_id, sender = ids_of(event)
    is_own = author == sender
    return Retraction(
        room=room.room,
        id=MessageId(target),
        nick=room.nick(author) if author else "",
        actor="" if is_own else room.nick(sender),
        reason=text(mapping(event.get("content")), "reason")[:MAX_ID],
        act=MessageId(event_id),
        origin=(origin_of(event, room) or "") if is_own else "",
        identity=sender,
    )


def _redacted(event: Json, room: Room) -> tuple[Reaction | Retraction, ...]:
    """Take back a reaction or a message; whose message is unknown is taken back by the room's rules."""
    target = redacted(event)
    if not target:
        raise Malformed("a redaction of nothing")
    found = room.timeline.unreact(target)
    if found is not None:
        message, reactor, keys = found
        return (reaction(event, room, message, reactor, keys),)
    said = room.timeline.said(target)
    return (retraction(event, room, target, "" if said is None else said.sender),)


_READERS: Mapping[str, Callable[[Json, Room], tuple[RoomEvent, ...]]] = {
    **_SAYING,
    REACTION: _reacted,
    REDACTION: _redacted,
}
