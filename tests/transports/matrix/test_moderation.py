"""What moderators on XMPP want, in front of a homeserver in memory."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    ContactId,
    Invite,
    Kick,
    OccupantChange,
    Ref,
    Role,
    Sent,
    SetAffiliation,
    SetRole,
)
from bridge.network import AffiliationList, ListedUser
from tests.transports.matrix.homeserver import GARDEN, JULIET, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, BOB, levels, member, state
from tests.transports.matrix.web import outcome

ALICES = ContactId("@alice:hs.example")
BOBS = ContactId("@bob:hs.example")


def ruled(*more: dict, level: int = 100) -> Scene:
    """A room where Romeo is an owner, and Juliet is."""
    scene = Scene()
    users = {ALICE: 100, ghost(ROMEO): level}
    scene.server.state[ROOM_ID] += [levels(users=users, events={"m.room.power_levels": 100}), *more]
    scene.server.state[ROOM_ID].remove(
        next(one for one in scene.server.state[ROOM_ID] if one["type"] == "m.room.power_levels")
    )
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    return scene


def do(scene: Scene, event) -> list:
    """Have Romeo want something; return what he is told."""
    scene.told[ROMEO].clear()
    scene.network.submit(ROMEO, event)
    scene.turn()
    return scene.told[ROMEO]


def affiliate(scene: Scene, affiliation: Affiliation, **whom) -> list:
    return do(scene, SetAffiliation(room=GARDEN, affiliation=affiliation, ref=Ref(1), **whom))


def current(scene: Scene) -> dict:
    [event] = [one for one in scene.server.state[ROOM_ID] if one["type"] == "m.room.power_levels"]
    return dict(event["content"]["users"])


def memberships(scene: Scene) -> dict:
    return {
        one["state_key"]: one["content"]["membership"]
        for one in scene.server.state[ROOM_ID]
        if one["type"] == "m.room.member"
    }


CLOSED = state("m.room.join_rules", ALICE, {"join_rule": "invite"})


def test_role_and_affiliation_are_set_as_levels_and_seen():
    """What is answered has happened; all in the room are told of it."""
    scene = ruled()
    sent, changed = sorted(
        do(scene, SetRole(room=GARDEN, nick="juliet", role=Role.VISITOR, ref=Ref(1))),
        key=lambda one: isinstance(one, OccupantChange),
    )
    assert sent == Sent(ref=Ref(1))
    assert (changed.occupant.nick, changed.occupant.role) == ("juliet", Role.VISITOR)
    assert current(scene)[ghost(JULIET)] == -1
    affiliate(scene, Affiliation.ADMIN, contact=BOBS)
    affiliate(scene, Affiliation.MEMBER, user="nurse@capulet.example")
    assert current(scene) == {
        ALICE: 100, ghost(ROMEO): 100, ghost(JULIET): -1, BOB: 50, ghost("nurse@capulet.example"): 1,
    }  # fmt: skip
    affiliate(scene, Affiliation.NONE, contact=BOBS)
    assert BOB not in current(scene)


def test_what_is_so_already_is_not_done_again():
    """No state is set for nothing, and nothing is taken on the way."""
    scene = ruled()
    do(scene, SetRole(room=GARDEN, nick="juliet", role=Role.PARTICIPANT, ref=Ref(1)))
    [sent] = affiliate(scene, Affiliation.NONE, contact=BOBS)
    assert sent == Sent(ref=Ref(1))
    assert not [one for one in scene.server.asked if one[0] == "PUT"]


def test_changes_of_one_room_wait_for_each_other():
    """Each begins with what the one before made, so none is lost."""
    scene = ruled()
    for contact in (BOBS, ContactId("@carol:other.example")):
        scene.network.submit(
            ROMEO, SetAffiliation(room=GARDEN, contact=contact, affiliation=Affiliation.ADMIN, ref=Ref(1))
        )
    scene.turn()
    assert {BOB, "@carol:other.example"} < set(current(scene))


def test_ban_and_unban_reach_who_is_not_there():
    """By address, with the reason; banned is banned, in the list too."""
    scene = ruled()
    affiliate(scene, Affiliation.OUTCAST, contact=BOBS, reason="fie")
    affiliate(scene, Affiliation.OUTCAST, user="tybalt@capulet.example")
    [kick] = [one for one in affiliate(scene, Affiliation.OUTCAST, target="juliet") if isinstance(one, Kick)]
    assert kick.banned
    listed = outcome(scene.network.ask(ROMEO, AffiliationList(GARDEN, Affiliation.OUTCAST)))
    assert listed[:2] == [
        ListedUser(address="@bob:hs.example", affiliation=Affiliation.OUTCAST, reason="fie"),
        ListedUser(user="tybalt@capulet.example", affiliation=Affiliation.OUTCAST),
    ]
    affiliate(scene, Affiliation.NONE, contact=BOBS)
    affiliate(scene, Affiliation.MEMBER, user="tybalt@capulet.example")
    assert memberships(scene)[BOB] == memberships(scene)[ghost("tybalt@capulet.example")] == "leave"


def test_closed_room_is_opened_and_closed_by_membership():
    """Who becomes a member is invited, once; who is none any more is out."""
    scene = ruled(CLOSED)
    affiliate(scene, Affiliation.MEMBER, contact=BOBS)
    affiliate(scene, Affiliation.MEMBER, contact=BOBS)
    assert [one[4] for one in scene.server.asked if one[0] == "POST"] == ["invite"]
    listed = outcome(scene.network.ask(ROMEO, AffiliationList(GARDEN, Affiliation.MEMBER)))
    assert [one.user or one.address for one in listed] == [JULIET, "@bob:hs.example"]
    affiliate(scene, Affiliation.NONE, contact=BOBS)
    affiliate(scene, Affiliation.NONE, target="juliet")
    assert memberships(scene)[BOB] == memberships(scene)[ghost(JULIET)] == "leave"


def test_invitation_goes_to_contacts_and_registers_ghosts():
    """A user of XMPP who never used the gateway is invited too."""
    scene = ruled(CLOSED)
    do(scene, Invite(room=GARDEN, contact=BOBS, reason="come", ref=Ref(1)))
    do(scene, Invite(room=GARDEN, user="nurse@capulet.example", ref=Ref(2)))
    assert memberships(scene)[BOB] == memberships(scene)[ghost("nurse@capulet.example")] == "invite"
    assert ("register", ghost("nurse@capulet.example")) in scene.server.asked


@pytest.mark.parametrize(
    ("event", "trouble"),
    [
        (Invite(room=GARDEN, nick="juliet", ref=Ref(1)), Trouble.CONFLICT),
        (Invite(room=GARDEN, nick="nobody", ref=Ref(1)), Trouble.NO_SUCH_NICK),
        (Invite(room=GARDEN, contact=ContactId("bob"), ref=Ref(1)), Trouble.JID_MALFORMED),
        (
            SetAffiliation(room=GARDEN, target="romeo", affiliation=Affiliation.OUTCAST, ref=Ref(1)),
            Trouble.CONFLICT,
        ),
        (
            SetAffiliation(room=GARDEN, contact=ALICES, affiliation=Affiliation.NONE, ref=Ref(1)),
            Trouble.NO_PRIVILEGE,
        ),
        (SetRole(room=GARDEN, nick="nobody", role=Role.VISITOR, ref=Ref(1)), Trouble.NO_SUCH_NICK),
    ],
)
def test_wish_that_cannot_be_is_answered(event, trouble):
    """The answer says why; nothing is changed."""
    scene = ruled()
    [failed] = do(scene, event)
    assert (failed.ref, failed.error.trouble) == (1, trouble)
    assert not [one for one in scene.server.asked if one[0] in ("PUT", "POST")]


@pytest.mark.parametrize("how", ["ban", "invite"])
def test_wish_that_the_homeserver_refuses_is_answered(how):
    """It has the last word."""
    scene = ruled()
    scene.server.refused[how] = BridgeError(Trouble.NO_PRIVILEGE)
    events = {
        "ban": SetAffiliation(room=GARDEN, contact=BOBS, affiliation=Affiliation.OUTCAST, ref=Ref(1)),
        "invite": Invite(room=GARDEN, contact=BOBS, ref=Ref(1)),
    }
    [failed] = do(scene, events[how])
    assert failed.error.trouble is Trouble.NO_PRIVILEGE


def test_lists_are_for_those_inside_and_tell_of_the_absent():
    """An owner is one wherever he is."""
    scene = ruled()
    affiliate(scene, Affiliation.OWNER, contact=BOBS)
    listed = outcome(scene.network.ask(ROMEO, AffiliationList(GARDEN, Affiliation.OWNER)))
    assert [(one.user, one.address, one.nick) for one in listed] == [
        (ROMEO, "", "romeo"),
        (None, "@alice:hs.example", "Alice"),
        (None, "@bob:hs.example", ""),
    ]
    outside = outcome(scene.network.ask("nurse@capulet.example", AffiliationList(GARDEN, Affiliation.OWNER)))
    assert outside.trouble is Trouble.NOT_IN_ROOM


def test_invitation_by_a_ghost_names_the_room_and_the_nick_that_are_known():
    """Whoever is invited by an XMPP user gets the address that he uses himself."""
    scene = Scene()
    scene.inside((JULIET, "juliet"))
    [invited] = scene.happens(member(ghost(ROMEO), membership="invite", sender=ghost(JULIET)))
    assert (invited.room, invited.nick) == (GARDEN, "juliet")
