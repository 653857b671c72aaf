"""What a homeserver may send, in full, as Matrix v1.19 defines it; a key that ends in "?" may be left out.

`omissions` makes of a document every one that is still allowed: each optional key left out, and all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

Document = Any
ALL = "*"

ALICE, BOB, GHOST = (
    "@alice:hs.example",
    "@bob:hs.example",
    "@_xmpp_romeo=40montague.example:hs.example",
)
ROOM = "!garden:hs.example"
OWNER = "$alice"
PICTURE = "mxc://hs.example/picture"


def omissions(document: Document) -> Iterator[tuple[str, Document]]:
    """Give the document in full, then without each optional key, then without all; and what is left out."""
    yield "", _without(document, "", "")
    optional = list(_optional(document, ""))
    for path in optional:
        yield path, _without(document, path, "")
    if len(optional) > 1:
        yield ALL, _without(document, ALL, "")


def full(document: Document) -> Document:
    """Return the document with all that may be in it."""
    return _without(document, "", "")


def _optional(document: Document, place: str) -> Iterator[str]:
    if isinstance(document, list):
        for each in document:
            yield from _optional(each, place)
    elif isinstance(document, dict):
        for key, value in document.items():
            path = f"{place}.{key.removesuffix('?')}".removeprefix(".")
            if key.endswith("?"):
                yield path
            yield from _optional(value, path)


def _without(document: Document, omitted: str, place: str) -> Document:
    if isinstance(document, list):
        return [_without(each, omitted, place) for each in document]
    if not isinstance(document, dict):
        return document
    kept = {}
    for key, value in document.items():
        path = f"{place}.{key.removesuffix('?')}".removeprefix(".")
        if not key.endswith("?") or omitted not in (path, ALL):
            kept[key.removesuffix("?")] = _without(value, omitted, path)
    return kept


# ---- events

_numbers = count(1)


def event(kind: str, content: Document, sender: str = ALICE, **more: Document) -> Document:
    """Return an event of a room."""
    return {
        "type": kind,
        "sender": sender,
        "event_id": f"$e{next(_numbers)}",
        "room_id": ROOM,
        "origin_server_ts": 1_800_000_000_000,
        "content": content,
        "unsigned?": {"age?": 7, "transaction_id?": "t1", "membership?": "join"},
        **more,
    }


def state(kind: str, content: Document, key: str = "", sender: str = ALICE, **more: Document) -> Document:
    """Return a state event."""
    unsigned = {"age?": 7, "prev_content?": {}, "replaces_state?": "$before", "prev_sender?": BOB}
    return event(kind, content, sender, **{"state_key": key, "unsigned?": unsigned, **more})


def member(who: str, how: str, sender: str = "", **more: Document) -> Document:
    """Return a change of somebody's membership."""
    content = {
        "membership": how,
        "displayname?": who[1:].partition(":")[0].title(),
        "avatar_url?": PICTURE,
        "reason?": "because",
        "is_direct?": False,
        "join_authorised_via_users_server?": ALICE,
        **more,
    }
    return state("m.room.member", content, who, sender or who)


def said(sort: str, **more: Document) -> Document:
    """Return a message."""
    mentions = {"user_ids?": [BOB], "room?": False}
    return event("m.room.message", {"msgtype": sort, "body": "hello", "m.mentions?": mentions, **more})


_HTML = {"format?": "org.matrix.custom.html", "formatted_body?": "<b>hello</b>"}
_THUMBNAIL = {
    "thumbnail_url?": "mxc://hs.example/thumbnail",
    "thumbnail_info?": {"mimetype?": "image/png", "w?": 10, "h?": 10, "size?": 100},
}
_SIZES = {"mimetype?": "image/png", "size?": 2_000, "w?": 800, "h?": 600, **_THUMBNAIL}
_FILE = {"url": PICTURE, "filename?": "rose.png"}
_REPLY = {"m.in_reply_to": {"event_id": "$asked"}}
_THREAD = {"rel_type": "m.thread", "event_id": "$root", "is_falling_back?": True}
_ANSWERS = [{"m.id": "y", "m.text": [{"body": "yes", "mimetype?": "text/plain"}]}]
_POLL = {"question": {"m.text": [{"body": "?"}]}, "answers": _ANSWERS, "kind?": "m.disclosed"}
_POLL["max_selections?"] = 1

SAID = {
    "text": said("m.text", **_HTML),
    "emote": said("m.emote", **_HTML),
    "notice": said("m.notice", **_HTML),
    "reply": said("m.text", **{"m.relates_to?": _REPLY}),
    "thread": said("m.text", **{"m.relates_to?": {**_THREAD, "m.in_reply_to?": {"event_id": "$asked"}}}),
    "correction": said(
        "m.text",
        **{
            "m.relates_to?": {"rel_type": "m.replace", "event_id": OWNER},
            "m.new_content": {"msgtype": "m.text", "body": "hello", "m.mentions?": {}, **_HTML},
        },
    ),
    "image": said("m.image", **_FILE, **{"info?": _SIZES}),
    "video": said("m.video", **_FILE, **{"info?": {**_SIZES, "duration?": 3_000}}),
    "audio": said(
        "m.audio", **_FILE, **{"info?": {"mimetype?": "audio/ogg", "size?": 9, "duration?": 3_000}}
    ),
    "file": said("m.file", **_FILE, **{"info?": {"mimetype?": "text/x-c", "size?": 9, **_THUMBNAIL}}),
    "location": said("m.location", **{"geo_uri": "geo:1,2", "info?": _THUMBNAIL}),
    "sticker": event("m.sticker", {"body": "hello", "url": PICTURE, "info": _SIZES}),
    "poll": event("m.poll.start", {"m.poll": _POLL, "m.text?": [{"body": "yes or no"}]}),
    "encrypted": event(
        "m.room.encrypted",
        {
            "algorithm": "m.megolm.v1.aes-sha2",
            "ciphertext": "x",
            "sender_key?": "k",
            "device_id?": "D",
            "session_id?": "s",
        },
    ),
}
"""What is a message."""
DONE = {
    "reaction": event(
        "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": OWNER, "key": "+"}}
    ),
    "redaction": event("m.room.redaction", {"redacts": OWNER, "reason?": "hush"}, **{"redacts?": OWNER}),
}
"""What is done to a message."""
MEMBERS = {
    "join": member(BOB, "join"),
    "knock": member(BOB, "knock"),
    "leave": member("@carol:hs.example", "leave"),
    "kick": member("@carol:hs.example", "leave", ALICE),
    "ban": member("@carol:hs.example", "ban", ALICE),
    "rename": member("@carol:hs.example", "join", **{"displayname?": "Caroline"}),
    "invite": member(
        BOB,
        "invite",
        ALICE,
        **{"third_party_invite?": {"display_name": "b", "signed": {"mxid": BOB, "token": "t"}}},
    ),
}
"""Who comes and goes; Carol is in."""
RULES = {
    "name": state("m.room.name", {"name": "Garden"}),
    "topic": state(
        "m.room.topic",
        {"topic": "roses", "m.topic?": {"m.text?": [{"body": "roses", "mimetype?": "text/plain"}]}},
    ),
    "picture": state("m.room.avatar", {"url?": PICTURE, "info?": _SIZES}),
    "alias": state(
        "m.room.canonical_alias", {"alias?": "#garden:hs.example", "alt_aliases?": ["#roses:hs.example"]}
    ),
    "join rules": state(
        "m.room.join_rules",
        {
            "join_rule": "restricted",
            "allow?": [{"type": "m.room_membership", "room_id?": "!other:hs.example"}],
        },
    ),
    "levels": state(
        "m.room.power_levels",
        {
            "ban?": 50,
            "events?": {"m.room.name": 50},
            "events_default?": 0,
            "invite?": 0,
            "kick?": 50,
            "redact?": 50,
            "state_default?": 50,
            "users?": {ALICE: 100, GHOST: 100},
            "users_default?": 0,
            "notifications?": {"room?": 50},
        },
    ),
    "visibility": state("m.room.history_visibility", {"history_visibility": "shared"}),
    "encryption": state(
        "m.room.encryption",
        {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_ms?": 1, "rotation_period_msgs?": 1},
    ),
    "guests": state("m.room.guest_access", {"guest_access": "can_join"}),
    "pins": state("m.room.pinned_events", {"pinned": ["$a"]}),
    "acl": state("m.room.server_acl", {"allow?": ["*"], "deny?": [], "allow_ip_literals?": True}),
}
"""What the room is."""
STATE = [
    state(
        "m.room.create",
        {
            "creator?": ALICE,
            "room_version?": "11",
            "m.federate?": True,
            "type?": "org.example.room",
            "predecessor?": {"room_id": "!before:hs.example", "event_id?": "$last"},
        },
    ),
    member(ALICE, "join"),
    member("@carol:hs.example", "join"),
    *(one for name, one in RULES.items() if name != "encryption"),
]
"""A room's state; its ghosts are added."""
EPHEMERAL = {
    "typing": {"type": "m.typing", "room_id": ROOM, "content": {"user_ids": [ALICE]}},
    "receipt": {
        "type": "m.receipt",
        "room_id": ROOM,
        "content": {OWNER: {"m.read?": {ALICE: {"ts?": 1, "thread_id?": "main"}}, "m.read.private?": {}}},
    },
    "presence": {
        "type": "m.presence",
        "sender": ALICE,
        "content": {
            "presence": "unavailable",
            "avatar_url?": PICTURE,
            "displayname?": "Alice",
            "last_active_ago?": 1,
            "currently_active?": False,
            "status_msg?": "gone",
        },
    },
}

# ---- answers

_SUMMARY = {
    "room_id": ROOM,
    "num_joined_members": 2,
    "world_readable": True,
    "guest_can_join": False,
    "join_rule?": "public",
    "name?": "Garden",
    "topic?": "roses",
    "avatar_url?": PICTURE,
    "canonical_alias?": "#garden:hs.example",
    "room_type?": None,
    "membership?": "join",
    "encryption?": None,
    "room_version?": "11",
    "allowed_room_ids?": [],
}
_PAST = [SAID["text"]]
ANSWERS: list[tuple[str, str, Document]] = [
    ("GET", r"/rooms/[^/]+/state", STATE),
    ("GET", r"/rooms/[^/]+/messages", {"start": "s", "end?": "e", "chunk": _PAST, "state?": STATE[:2]}),
    (
        "GET",
        r"/rooms/[^/]+/context/[^/]+",
        {
            "start?": "s",
            "end?": "e",
            "event?": _PAST[0],
            "events_before?": [],
            "events_after?": [],
            "state?": [],
        },
    ),
    (
        "GET",
        r"/relations/[^/]+/m.annotation/m.reaction",
        {"chunk": [DONE["reaction"]], "next_batch?": "", "prev_batch?": "p", "recursion_depth?": 1},
    ),
    ("GET", r"/rooms/[^/]+/event/[^/]+", _PAST[0]),
    ("GET", r"/timestamp_to_event", {"event_id": "$e1", "origin_server_ts": 1}),
    ("GET", r"/rooms/[^/]+/members", {"chunk?": [member(BOB, "ban", ALICE)]}),
    ("GET", r"/state/m.room.power_levels/", RULES["levels"]["content"]),
    ("GET", r"/state/m.room.join_rules/", RULES["join rules"]["content"]),
    ("GET", r"/state/m.room.name/", RULES["name"]["content"]),
    ("GET", r"/state/m.room.topic/", RULES["topic"]["content"]),
    ("GET", r"/state/m.room.history_visibility/", RULES["visibility"]["content"]),
    ("GET", r"/state/m.room.member/[^/]+", member(BOB, "join")["content"]),
    ("GET", r"/profile/[^/]+", {"displayname?": "Alice", "avatar_url?": PICTURE, "m.tz?": "Europe/Rome"}),
    ("GET", r"/profile/[^/]+/displayname", {"displayname?": "Alice"}),
    ("GET", r"/presence/[^/]+/status", EPHEMERAL["presence"]["content"]),
    ("GET", r"/room_summary/[^/]+", _SUMMARY),
    (
        "POST",
        r"/publicRooms",
        {"chunk": [_SUMMARY], "next_batch?": "", "prev_batch?": "p", "total_room_count_estimate?": 1},
    ),
    ("GET", r"/directory/room/[^/]+", {"room_id": ROOM, "servers?": ["hs.example"]}),
    ("GET", r"/directory/list/room/[^/]+", {"visibility?": "public"}),
    ("POST", r"/register", {"user_id": GHOST, "access_token?": "a", "device_id?": "D", "home_server?": "h"}),
    ("POST", r"/(join|knock)/[^/]+", {"room_id": ROOM}),
    ("POST", r"/createRoom", {"room_id": "!direct:hs.example"}),
    ("PUT", r"/(send|state)/[^/]+/[^/]*", {"event_id": "$done"}),
    ("PUT", r"/redact/[^/]+/[^/]+", {"event_id?": "$done"}),
    ("POST", r"/appservice/[^/]+/ping", {"duration_ms": 1}),
]
"""What is asked for, by method and the end of the path, and the answer; to anything else it is an empty one."""
