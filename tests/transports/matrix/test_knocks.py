"""Who asks to be let in, in front of a homeserver in memory."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.errors import BridgeError, Trouble
from bridge.events import Decline, Invite, Knock, Ref, Sent
from tests.transports.matrix.homeserver import GARDEN, JULIET, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, BOB, IDS, levels, member
from transports.matrix.knocks import CAN_KNOCK, RESTRICTED
from transports.matrix.refusal import Refusal


@pytest.mark.parametrize(
    ("rule", "words"), [("knock", CAN_KNOCK), ("invite", Trouble.INVITE_ONLY.value.text)]
)
def test_closed_room_tells_whether_one_can_ask(rule, words):
    """The error is the same; its words say what to do."""
    scene = Scene()
    scene.server.rule = rule
    scene.server.closed_rooms.add(ROOM_ID)
    [refused] = scene.enter()
    assert (refused.error.trouble, refused.error.text) == (Trouble.INVITE_ONLY, words)


def test_restricted_room_tells_that_other_rooms_count():
    """The homeserver says so in its words only."""
    scene = Scene()
    said = {
        "errcode": "M_FORBIDDEN",
        "error": "You do not belong to any of the required rooms/spaces to join.",
    }
    scene.server.refused["join"] = Refusal(403, said, Trouble.INVITE_ONLY)
    [refused] = scene.enter()
    assert refused.error.text == RESTRICTED


def test_room_that_tells_nothing_of_itself_stays_closed():
    """A question that is not answered takes nothing from the first answer."""
    scene = Scene()
    scene.server.closed_rooms.add(ROOM_ID)
    scene.server.refused["summary"] = BridgeError(Trouble.TIMED_OUT)
    [refused] = scene.enter()
    assert refused.error.trouble is Trouble.INVITE_ONLY


def test_request_reaches_the_room_and_those_who_may_decide():
    """The user is told that it is there; who may not invite is not bothered."""
    scene = Scene()
    users = {ALICE: 100, ghost(JULIET): 50}
    scene.server.state[ROOM_ID][1] = levels(users=users)
    scene.inside((JULIET, "juliet"))
    scene.network.submit(ROMEO, Knock(room=GARDEN, reason="let me in", ref=Ref(1)))
    scene.turn()
    assert scene.told[ROMEO] == [Sent(ref=Ref(1))]
    assert scene.told[JULIET] == [
        Knock(room=GARDEN, nick=scene.told[JULIET][0].nick, user=ROMEO, reason="let me in")
    ]
    scene.told[JULIET].clear()
    scene.happens(member(BOB, "Bob", membership="knock"))
    assert scene.told[JULIET] == [Knock(room=GARDEN, nick="Bob", contact="@bob:hs.example")]
    [invited] = scene.happens(member(ghost(ROMEO), membership="invite", sender=ghost(JULIET)))
    assert isinstance(invited, Invite)

    scene = Scene()
    scene.inside((JULIET, "juliet"))
    scene.happens(member(BOB, "Bob", membership="knock"))
    assert scene.told[JULIET] == []


def test_request_that_is_refused_is_answered():
    """By the homeserver, or by the operator's rules, who is not even asked."""
    scene = Scene()
    scene.server.refused["knock"] = BridgeError(Trouble.NO_PRIVILEGE)
    knock = Knock(room=GARDEN, ref=Ref(1))
    scene.network.submit(ROMEO, knock)
    scene.network.reload(replace(scene.config, room_rules=("deny * *",)))
    scene.network.submit(ROMEO, knock)
    scene.turn()
    assert [one.error.trouble for one in scene.told[ROMEO]] == [Trouble.NO_PRIVILEGE, Trouble.NOT_ALLOWED]


def test_invitation_after_a_request_is_heard_soon_after_the_start():
    """No event of the room waits for users who are expected to come back to it."""
    scene = Scene()
    scene.network.submit(ROMEO, Knock(room=GARDEN, ref=Ref(1)))
    scene.turn()
    [invited] = scene.happens(member(ghost(ROMEO), membership="invite", sender=ALICE))
    assert isinstance(invited, Invite)


# ---- invitations that are not followed


def test_declined_invitation_is_left_with_the_reason():
    """The ghost leaves the room, by its id or by its alias."""
    for room in (GARDEN, IDS.room(ROOM_ID)):
        scene = Scene()
        scene.network.submit(ROMEO, Decline(room=room, reason="no time", ref=Ref(1)))
        scene.turn()
        assert scene.told[ROMEO] == [Sent(ref=Ref(1))]
        left = ("POST", ghost(ROMEO), "rooms", ROOM_ID, "leave", {"reason": "no time"})
        assert left in scene.server.asked


def test_who_is_in_does_not_decline():
    """He would be out."""
    scene = Scene()
    scene.inside()
    scene.network.submit(ROMEO, Decline(room=GARDEN, ref=Ref(1)))
    scene.turn()
    [failed] = scene.told[ROMEO]
    assert failed.error.trouble is Trouble.CONFLICT
