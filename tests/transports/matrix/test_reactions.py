"""What reactions were on is known after a restart."""

from __future__ import annotations

import pytest

from bridge.events import Reaction
from tests.transports.matrix.homeserver import ROMEO, ROOM_ID, Scene
from tests.transports.matrix.raw import ALICE, BOB, event, member, said
from transports.matrix.inbox import NOBODY
from transports.matrix.reactions import KEEP_AFTER, KEPT, KEY, ROOMS
from transports.matrix.rooms import RESTORING

TARGET = {**said(BOB, "hello"), "event_id": "$hello"}


def reaction(key: str, sender: str = ALICE) -> dict:
    relates = {"rel_type": "m.annotation", "event_id": "$hello", "key": key}
    return {**event("m.reaction", sender, {"m.relates_to": relates}), "event_id": f"${ord(key)}"}


def end(key: str, number: int = 0) -> dict:
    """Have somebody take a reaction back."""
    redaction = event("m.room.redaction", ALICE, {"redacts": f"${ord(key)}"})
    return {**redaction, "event_id": f"$end{ord(key)}{number}"}


def reacted() -> Scene:
    """Alice has reacted on what Bob said, which Romeo has seen."""
    scene = Scene()
    scene.server.state[ROOM_ID].append(member(BOB, "Bob"))
    scene.inside()
    for one in (TARGET, reaction("a"), reaction("b")):
        scene.happens(one)
    return scene


def restarted(scene: Scene) -> Scene:
    scene.start()
    scene.inside()
    return scene


@pytest.mark.parametrize("is_killed", [True, False])
def test_end_of_a_reaction_of_an_earlier_run_is_told(is_killed: bool):
    """By the message that it was on, whether there was time to stop or not."""
    scene = reacted()
    if is_killed:
        scene.turn(KEEP_AFTER)
    else:
        scene.network.stop("")
        scene.turn()
    restarted(scene)
    [told] = scene.happens(end("a"))
    assert isinstance(told, Reaction)
    assert (told.id, told.nick, told.emojis) == ("$hello", "Alice", ())


def test_reaction_that_ended_in_an_earlier_run_is_known():
    """The archive is asked for it later."""
    scene = reacted()
    scene.happens(end("a"))
    scene.turn(KEEP_AFTER)
    restarted(scene)
    [session] = scene.network._stays.sessions.values()
    assert session.room.timeline.reacted("$97") == ("$hello", ALICE)
    assert session.room.timeline.reacted("$98") == ("$hello", ALICE)


def test_what_is_kept_is_bounded_and_forgotten():
    """So many of a room, in so many rooms, and only of those where somebody is."""
    scene = reacted()
    for number in range(3 * KEPT):
        scene.happens(reaction(chr(0x4E00 + number)))
    for number in range(ROOMS + 1):
        scene.remember(NOBODY, f"{KEY}!r{number}:hs.example", b"[]")
    scene.turn(KEEP_AFTER)
    kept = scene.memory(NOBODY)
    assert len(kept[KEY + ROOM_ID]) < 100 * KEPT
    assert len([key for key in kept if key.startswith(KEY)]) == ROOMS
    restarted(scene)
    scene.turn(RESTORING)
    assert [key for key in scene.memory(NOBODY) if key.startswith(KEY)] == [KEY + ROOM_ID]


@pytest.mark.parametrize("kept", [b"", b"{}", b'[["$a","b","@c:d"]]', b'[["$a","$b","c"],[1]]'])
def test_memory_that_cannot_be_read_is_none(kept: bytes):
    """Romeo is in all the same."""
    scene = Scene()
    scene.remember(NOBODY, KEY + ROOM_ID, kept)
    scene.inside()
    [session] = scene.network._stays.sessions.values()
    assert session.room.timeline.reacted("$a") is None


def test_our_own_reactions_are_not_kept():
    """What takes them back says what they were on."""
    scene = Scene()
    scene.inside()
    scene.happens({**reaction("a"), "sender": scene.network._addresses.ghost(ROMEO)})
    scene.turn(KEEP_AFTER)
    assert KEY + ROOM_ID not in scene.memory(NOBODY)
