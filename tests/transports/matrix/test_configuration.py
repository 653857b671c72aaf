"""What a room is like, read and changed."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import Audience, Configuration, Configure, Failed, Ref, Sent
from bridge.network import ConfigurationQuery
from tests.transports.matrix.homeserver import GARDEN, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, levels
from tests.transports.matrix.web import outcome
from transports.matrix.configuration import configuration, join_rules, moderated
from transports.matrix.levels import Creation, power_levels


@pytest.mark.parametrize(
    ("rule", "closed", "knocking"),
    [
        ("public", False, False),
        ("invite", True, False),
        ("knock", True, True),
        ("restricted", True, False),
        ("knock_restricted", True, True),
        ("whatever", True, False),
    ],
)
def test_join_rule_is_read_and_what_is_not_changed_is_kept(rule, closed, knocking):
    """Closed is everything but public; a change to what is so already changes nothing."""
    content = {"join_rule": rule, "allow": []} if "restricted" in rule else {"join_rule": rule}
    found = configuration({"m.room.join_rules": content}, None)
    assert (found.closed, found.knocking) == (closed, knocking)
    if rule != "whatever":
        assert join_rules(content, found) == content


def test_restricted_room_stays_restricted():
    """Whom it lets in is not forgotten when others may ask, or may not any more."""
    content = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": "!x"}]}
    changed = join_rules(content, Configuration(knocking=True))
    assert changed == {**content, "join_rule": "knock_restricted"}
    assert join_rules(changed, Configuration(knocking=False)) == content
    assert join_rules(changed, Configuration(closed=False)) == {"join_rule": "public"}


@pytest.mark.parametrize("events", [{}, {"m.room.message": 0}])
def test_moderated_room_asks_for_a_level_to_speak(events):
    """One above what everybody has, and back; also where messages have a level of their own."""
    content = {"users_default": 5, "events": events, "ban": 60}
    for wanted in (True, False):
        changed = moderated(content, power_levels(content, Creation()), wanted)
        assert power_levels(changed, Creation()).moderated is wanted
        assert changed["ban"] == 60


def test_configuration_says_what_its_asker_may_change():
    """By his level, field by field; an odd state is the usual one."""
    scene = Scene()
    scene.server.state[ROOM_ID][1] = levels(
        users={ALICE: 100, ghost(ROMEO): 50},
        events={"m.room.power_levels": 100, "m.room.history_visibility": 100},
    )
    scene.inside()
    found = outcome(scene.network.ask(ROMEO, ConfigurationQuery(GARDEN)))
    assert found.now == Configuration(
        name="", description="roses", closed=False, knocking=False, moderated=False, history=Audience.MEMBERS
    )
    assert found.changeable == {"name", "description", "closed", "knocking"}


def test_changes_are_made_and_answered():
    """Each by its event; the first that is refused is the answer."""
    scene = Scene()
    scene.server.state[ROOM_ID][1] = levels(users={ALICE: 100, ghost(ROMEO): 100})
    scene.inside()
    changes = Configuration(
        name="Balcony", closed=True, moderated=True, history=Audience.PRESENT, public=True
    )
    scene.network.submit(ROMEO, Configure(room=GARDEN, changes=changes, ref=Ref(1)))
    scene.turn()
    assert Sent(ref=Ref(1)) in scene.told[ROMEO]
    found = outcome(scene.network.ask(ROMEO, ConfigurationQuery(GARDEN))).now
    assert (found.name, found.closed, found.moderated, found.history) == (
        "Balcony",
        True,
        True,
        Audience.PRESENT,
    )
    assert {"visibility": "public"} in [one[-1] for one in scene.server.asked]
    scene.told[ROMEO].clear()
    scene.server.refused["put"] = BridgeError(Trouble.NO_PRIVILEGE)
    scene.network.submit(ROMEO, Configure(room=GARDEN, changes=changes, ref=Ref(2)))
    scene.turn()
    assert [event.error.trouble for event in scene.told[ROMEO]] == [Trouble.NO_PRIVILEGE]


PNG = b"\x89PNG\r\n\x1a\n..."


def dress(scene: Scene, picture: bytes) -> list:
    """Have Romeo give the room a picture; return what he is told in answer."""
    scene.told[ROMEO].clear()
    scene.network.submit(ROMEO, Configure(room=GARDEN, changes=Configuration(picture=picture), ref=Ref(1)))
    scene.turn()
    return [one for one in scene.told[ROMEO] if isinstance(one, Sent | Failed)]


def test_picture_is_uploaded_and_set_and_taken_away():
    """XEP-0486 §4.2, by who may."""
    scene = Scene()
    scene.server.state[ROOM_ID][1] = levels(users={ALICE: 100, ghost(ROMEO): 50})
    scene.inside()
    assert dress(scene, PNG) == [Sent(ref=Ref(1))]
    content = scene.server.state[ROOM_ID][-1]["content"]
    assert scene.server.files[content["url"].rpartition("/")[2]] == PNG
    assert content["info"] == {"mimetype": "image/png", "size": len(PNG)}
    assert dress(scene, b"") == [Sent(ref=Ref(1))]
    assert scene.server.state[ROOM_ID][-1]["content"] == {}


def test_picture_of_who_may_not_set_it_is_not_uploaded():
    """He is told so at once."""
    scene = Scene()
    scene.inside()
    [failed] = dress(scene, PNG)
    assert failed.error.trouble is Trouble.NO_PRIVILEGE
    assert scene.server.files == {}
