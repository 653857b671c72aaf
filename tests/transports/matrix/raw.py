"""Events as a homeserver sends them, and rooms made of them."""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st

from bridge.events import RoomId
from transports.matrix.ids import Ids
from transports.matrix.room import Room

IDS = Ids("hs.example")
ROOM = RoomId("#garden:hs.example")
ALICE, BOB, CAROL = "@alice:hs.example", "@bob:hs.example", "@carol:other.example"
ROMEO = IDS.ghost("romeo@montague.example")
JULIET = IDS.ghost("juliet@capulet.example")
_numbers = count(1)


def event(kind, sender, content, **more):
    """A timeline event with an id of its own."""
    return {
        "type": kind,
        "sender": sender,
        "content": content,
        "event_id": f"$event{next(_numbers)}",
        "origin_server_ts": 1_700_000_000_000,
        **more,
    }


def state(kind, sender, content, key="", **more):
    return event(kind, sender, content, state_key=key, **more)


def member(user, name=None, membership="join", sender=None, **content):
    """A membership event; `sender` is the member himself unless somebody else did it."""
    named = {} if name is None else {"displayname": name}
    return state("m.room.member", sender or user, {"membership": membership, **named, **content}, user)


def said(sender, body, **content):
    return event("m.room.message", sender, {"msgtype": "m.text", "body": body, **content})


def create(sender=ALICE, version="11", **content):
    return state("m.room.create", sender, {"room_version": version, **content})


def levels(sender=ALICE, **content):
    return state("m.room.power_levels", sender, content)


def room(*events):
    """A room with this state."""
    made = Room(ROOM, IDS)
    for _ in made.load(events):
        continue
    return made


def garden():
    """A public room where Alice is the owner, and Bob, Carol and the ghost of Romeo are."""
    return room(
        create(),
        levels(users={ALICE: 100}),
        state("m.room.join_rules", ALICE, {"join_rule": "public"}),
        *(member(ALICE, "Alice"), member(BOB, "Bob"), member(CAROL, "Carol"), member(ROMEO, "romeo")),
    )


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([ALICE, BOB, ROMEO, "$event", "join", "m.text", "m.replace", "m.annotation", "50"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""Anything that JSON can hold, and more: lone surrogates, NaN."""
