"""Who is named in a message, both ways."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Mention
from transports.matrix.links import Target
from transports.matrix.mentions import read_mentions, write_mentions

from .raw import ALICE, BOB, CAROL, garden, json

EVE = "@eve:hs.example"


def read(plain, *pills, **content):
    return read_mentions(content, plain, pills, garden())


def test_pills_are_found_in_the_words():
    """One after the other: occupants by nick, others as contacts, rooms as rooms."""
    pills = [
        (Target(BOB), ("Bob", "Bobby")),
        (Target(EVE), ("Eve",)),
        (Target("#x:hs.example"), ("Bob",)),
        (Target(ALICE), ("not there",)),
    ]
    assert read("Bobby, Eve, Bob", *pills) == (
        Mention(start=0, end=3, nick="Bob"),
        Mention(start=7, end=10, contact=EVE),
        Mention(start=12, end=15, room="#x:hs.example"),
    )


def test_who_is_not_meant_is_not_mentioned():
    """What the sender intends counts; rooms cannot be meant."""
    pills = [(Target(BOB), ("Bob",)), (Target("#x:hs.example"), ("x",))]
    assert read("Bob x", *pills, **{"m.mentions": {}}) == (Mention(start=4, end=5, room="#x:hs.example"),)
    assert read("Bob", *pills[:1], **{"m.mentions": {"user_ids": [BOB]}}) == (
        Mention(start=0, end=3, nick="Bob"),
    )


def test_who_is_meant_is_found_by_his_names():
    """By nick, id or its local part; else the message as a whole means him."""
    mentions = {"m.mentions": {"user_ids": [BOB, EVE, CAROL, 5], "room": True}}
    assert read("hi carol, Bob, @room", **mentions) == (
        Mention(contact=EVE),
        Mention(start=3, end=8, nick="Carol"),
        Mention(start=10, end=13, nick="Bob"),
        Mention(start=15, end=20),
    )
    assert read("hi", **{"m.mentions": {"room": True}}) == (Mention(),)


def test_written_links_name_their_targets():
    """Without what ends a sentence."""
    assert read("see https://matrix.to/#/#x:hs.example, or matrix:u/eve:hs.example.") == (
        Mention(start=4, end=37, room="#x:hs.example"),
        Mention(start=42, end=65, contact=EVE),
    )


@given(json, st.text())
def test_whatever_is_meant_is_read(meant, plain):
    """Nothing that servers send stops the room, and no mention leaves the words."""
    for one in read(plain, (Target(BOB), ("Bob", "")), **{"m.mentions": meant}):
        assert 0 <= one.start <= one.end <= len(plain)


def test_addressee_is_mentioned_beside_others():
    """A message that begins with a nick, and names somebody else later."""
    meant, links = write_mentions([Mention(start=5, end=10, nick="Alice")], "Bob: Alice!", garden())
    assert meant == {"user_ids": [ALICE, BOB]}
    assert links == [(5, 10, Target(ALICE)), (0, 3, Target(BOB))]


def test_what_cannot_be_named_is_left_out():
    """Nobody of that nick, no id, no room."""
    mentions = [Mention(nick="nobody"), Mention(contact="x"), Mention(room="x")]
    assert write_mentions(mentions, "hi", garden()) == ({}, [])
