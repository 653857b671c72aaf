"""Rooms that are replaced by others, in front of a homeserver in memory."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.errors import Trouble
from bridge.events import Depart, Entered, Exit, Exited, Join, Leave, NotEntered, RoomId, RoomNotice
from tests.transports.matrix.homeserver import GARDEN, JULIET, PUBLIC, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, BOB, create, member, state
from transports.matrix.upgrades import HOPE

NEW, NEWER = "!new", "!newer"
TOMBSTONE = state("m.room.tombstone", ALICE, {"body": "Moved", "replacement_room": NEW})


def upgraded(*ids: str) -> Scene:
    """Romeo in the garden, and rooms that are to replace it, where Bob is instead of Alice."""
    scene = Scene()
    scene.inside()
    for before, id in zip((ROOM_ID, *ids), ids, strict=False):
        rest = [one for one in PUBLIC if one["type"] not in ("m.room.create", "m.room.member")]
        scene.server.state[id] = [
            create(version="12", predecessor={"room_id": before}),
            *rest,
            member(BOB, "Bob"),
        ]
    return scene


def shown(scene: Scene) -> list:
    return [type(event) for event in scene.told[ROMEO]]


def test_user_is_taken_to_the_replacement_under_the_same_address():
    """Who is not there is seen to leave, who is there is shown, and what is said there is heard."""
    scene = upgraded(NEW)
    scene.happens(TOMBSTONE)
    notice, left, entered, followed = scene.told[ROMEO]
    assert isinstance(notice, RoomNotice) and isinstance(followed, RoomNotice)
    assert (left.room, left.nick) == (GARDEN, "Alice")
    assert (entered.room, set(entered.occupants)) == (GARDEN, {"Bob", "romeo"})
    assert scene.server.asked[0] == ("join", ghost(ROMEO), NEW)
    assert list(scene.network._stays.sessions) == [NEW]
    [joined] = scene.happens({**member(ALICE, "Alice"), "room_id": NEW})
    assert isinstance(joined, Join)
    assert scene.happens(member(BOB, "Bob")) == []


def test_two_users_by_two_addresses_are_both_taken_along():
    """Each stays under the address by which he came."""
    scene = upgraded(NEW)
    percent = RoomId("#garden%hs.example")
    scene.enter(JULIET, "juliet", percent)
    scene.told[JULIET].clear()
    scene.happens(TOMBSTONE)
    assert {event.room for event in scene.told[JULIET]} == {percent}
    assert set(scene.network.snapshot(JULIET, percent).occupants) == {"Bob", "romeo", "juliet"}
    assert set(scene.network.snapshot(ROMEO, GARDEN).occupants) == {"Bob", "romeo", "juliet"}


def test_replacements_of_replacements_are_followed():
    """Also by who comes only now, and not round in a circle for ever."""
    scene = upgraded(NEW, NEWER)
    scene.server.state[NEW].append(state("m.room.tombstone", ALICE, {"replacement_room": NEWER}))
    scene.happens(TOMBSTONE)
    assert list(scene.network._stays.sessions) == [NEWER]
    [entered] = [one for one in scene.enter(JULIET, "juliet") if not isinstance(one, Join)]
    assert isinstance(entered, Entered)
    scene.network.disconnect(JULIET, "")
    scene.network.disconnect(ROMEO, "")
    scene.turn()
    scene.server.state[NEWER].append(state("m.room.tombstone", ALICE, {"replacement_room": ROOM_ID}))
    scene.server.state[ROOM_ID].append(TOMBSTONE)
    scene.told[JULIET].clear()
    [refused] = scene.enter(JULIET, "juliet")
    assert isinstance(refused, NotEntered) and "again and again" in refused.error.text
    assert scene.network._stays.sessions == {}


def test_leaving_the_replacement_leaves_the_old_room_too():
    """The ghost was kept there so that the way is found again."""
    scene = upgraded(NEW)
    scene.happens(TOMBSTONE)
    scene.network.submit(ROMEO, Depart(room=GARDEN))
    scene.turn()
    left = [one[3] for one in scene.server.asked if "leave" in one]
    assert left == [NEW, ROOM_ID]


def test_who_may_not_follow_is_told_where_the_room_went():
    """By the operator's rules, or because the replacement does not let him in."""
    scene = upgraded(NEW)
    scene.network.reload(replace(scene.config, room_rules=(f"deny * {NEW}",)))
    notice, exited = scene.happens(TOMBSTONE)
    assert isinstance(notice, RoomNotice)
    assert (exited.exit, exited.alternate, exited.nick) == (Exit.REPLACED, "!new?via=hs.example", "romeo")
    assert Trouble.NOT_ALLOWED.value.text in exited.reason
    assert scene.network.users() == []


def test_invitation_to_a_closed_replacement_is_waited_for():
    """Clients invite everybody after they replaced a room; who is never invited is out after a minute."""
    scene = upgraded(NEW)
    scene.server.closed_rooms.add(NEW)
    scene.happens(TOMBSTONE)
    assert shown(scene) == [RoomNotice]
    scene.server.closed_rooms.clear()
    scene.happens({**member(ghost(ROMEO), membership="invite", sender=ALICE), "room_id": NEW})
    assert shown(scene) == [Leave, Entered, RoomNotice]

    scene = upgraded(NEW)
    scene.server.closed_rooms.add(NEW)
    scene.happens(TOMBSTONE)
    scene.turn(HOPE)
    assert shown(scene) == [RoomNotice, Exited]
    assert scene.network._rooms._upgrades._hoping == {}


@pytest.mark.parametrize("content", [{}, {"replacement_room": "nowhere"}, {"replacement_room": 5}])
def test_tombstone_without_a_replacement_leaves_everybody_where_he_is(content):
    """There is nowhere to go."""
    scene = upgraded()
    scene.happens(state("m.room.tombstone", ALICE, content))
    assert shown(scene) == [RoomNotice]
    assert scene.network.snapshot(ROMEO, GARDEN) is not None


def test_user_who_left_meanwhile_is_not_taken_along():
    """Who hopes for an invitation and goes is gone."""
    scene = upgraded(NEW)
    scene.server.closed_rooms.add(NEW)
    scene.happens(TOMBSTONE)
    scene.network.submit(ROMEO, Depart(room=GARDEN))
    scene.turn(HOPE)
    assert shown(scene) == [RoomNotice, Exited]
    assert scene.told[ROMEO][-1].exit is Exit.LEFT
