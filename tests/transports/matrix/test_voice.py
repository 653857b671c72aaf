"""Who may only listen, and asks, in front of a homeserver in memory."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import Failed, Ref, Sent, VoiceRequest
from tests.transports.matrix.homeserver import GARDEN, JULIET, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, BOB, levels, member
from transports.matrix.voice import ALREADY, ASKED, CAN_SPEAK, NOBODY, PAUSE

ASK = VoiceRequest(room=GARDEN, ref=Ref(1))


def muted(*more: dict, **users: int) -> Scene:
    """A garden where Romeo may only listen."""
    scene = Scene()
    by_name = {"alice": ALICE, "bob": BOB, "juliet": ghost(JULIET)}
    given = {by_name[name]: level for name, level in users.items()}
    scene.server.state[ROOM_ID][1] = levels(
        users={ghost(ROMEO): -1, **given}, events={"m.room.power_levels": 100}
    )
    scene.server.state[ROOM_ID] += more
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    return scene


def ask(scene: Scene) -> list:
    """Have Romeo ask; return what he is told."""
    scene.told[ROMEO].clear()
    scene.network.submit(ROMEO, ASK)
    scene.turn()
    return scene.told[ROMEO]


def invited(scene: Scene) -> list[str]:
    """Return who was invited to a chat."""
    return [one for call in scene.server.asked if "createRoom" in call for one in call[-1]["invite"]]


def test_moderators_of_both_sides_are_asked():
    """On XMPP by the room, on Matrix in a chat, where it is said what to do."""
    scene = muted(alice=100, juliet=100)
    assert Sent(ref=Ref(1)) in ask(scene)
    assert VoiceRequest(room=GARDEN, nick="romeo") in scene.told[JULIET]
    assert invited(scene) == [ALICE]
    [words] = [call[-1]["body"] for call in scene.server.asked if call[0] == "send"]
    assert GARDEN in words and "power level 0" in words


def test_who_cannot_give_it_is_not_asked():
    """Neither a moderator without the power, nor a person who is not in."""
    scene = muted(alice=50, bob=100)
    [failed] = ask(scene)
    assert isinstance(failed, Failed) and failed.error.text == NOBODY


def test_only_the_first_of_many_are_asked():
    """Those with the highest levels."""
    crowd = [f"@m{number}:hs.example" for number in range(ASKED + 2)]
    scene = muted(*(member(one) for one in crowd))
    users = {ghost(ROMEO): -1, **{one: 100 + number for number, one in enumerate(crowd)}}
    scene.happens(levels(users=users))
    ask(scene)
    assert sorted(invited(scene)) == sorted(crowd[-ASKED:])


def test_nobody_is_asked_again_at_once():
    """Who asks is told so; after a while he may."""
    scene = muted(juliet=100)
    ask(scene)
    [failed] = ask(scene)
    assert failed.error.text == ALREADY and failed.error.trouble is Trouble.OUT_OF_ORDER
    scene.turn(PAUSE)
    assert Sent(ref=Ref(1)) in ask(scene)


def test_who_may_speak_need_not_ask():
    """He is told so."""
    scene = muted(alice=100)
    scene.happens(levels(users={ALICE: 100}))
    [failed] = ask(scene)
    assert failed.error.text == CAN_SPEAK
