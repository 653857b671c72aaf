"""What is done to messages, as the room tells of it."""

import pytest

from bridge.events import Message, MessageId, Reaction, Retraction, RoomId, Text
from bridge.network import Tombstone
from bridge.services.muc.acts import act, place_of
from bridge.services.muc.render import Renderer
from bridge.xmpp.payloads.moderation import NS_MODERATION
from bridge.xmpp.payloads.occupant_id import parse_occupant_id
from bridge.xmpp.payloads.retract import NS_RETRACT
from bridge.xmpp.payloads.stanza_id import NS_STANZA_ID

ROOM, JID = RoomId("#verona"), "#verona@gw.example"
RENDER = Renderer("gw.example", b"secret")
ROMEO, NURSE = RENDER.occupant_id(ROOM, "romeo"), RENDER.occupant_id(ROOM, "nurse")
HIS = {"room": ROOM, "nick": "Romeo"}
REACTION = Reaction(**HIS, id=MessageId("a1"), emojis=("x",), act=MessageId("a2"), identity="romeo", time=2.0)
OWN = Retraction(**HIS, id=MessageId("a1"), act=MessageId("a3"), origin="r1", identity="romeo", time=3.0)
MODERATED = Retraction(
    **HIS, id=MessageId("a1"), act=MessageId("a4"), actor="Nurse", reason="hush", identity="nurse", time=4.0
)


@pytest.mark.parametrize(
    ("event", "sender", "id", "occupant"),
    [
        (REACTION, f"{JID}/Romeo", "a2", ROMEO),
        (OWN, f"{JID}/Romeo", "r1", ROMEO),
        (MODERATED, JID, "a4", None),
        (
            Tombstone(**HIS, id=MessageId("a1"), origin="m1", identity="romeo", retraction=OWN),
            f"{JID}/Romeo",
            "m1",
            ROMEO,
        ),
    ],
)
def test_act_is_told_by_who_did_it(event, sender, id, occupant):
    """With his occupant-id and the room's stanza-id; what moderators do the room says itself."""
    told = act(RENDER, event)
    assert (told.sender, told.id) == (sender, id)
    ids = [one.attributes for one in told.payloads if one.namespace == NS_STANZA_ID]
    assert ids == [{"id": place_of(event)[0], "by": JID}]
    found = [one.get("id") for one in told.payloads if one.name == "occupant-id"]
    assert found == ([] if occupant is None else [occupant])


@pytest.mark.parametrize(("done", "id"), [(OWN, "r1"), (MODERATED, "a4")])
def test_tombstone_names_the_stanza_that_retracted_the_message(done, id):
    """XEP-0424 §4 by id and time; XEP-0425 §4 by moderator and reason as well; no word is left."""
    told = act(RENDER, Tombstone(**HIS, id=MessageId("a1"), identity="romeo", time=1.0, retraction=done))
    [retracted] = [one for one in told.payloads if one.namespace == NS_RETRACT]
    assert (retracted.name, retracted.get("id")) == ("retracted", id)
    assert retracted.get("stamp") == f"1970-01-01T00:00:0{int(done.time)}Z"
    moderated = retracted.child("moderated", NS_MODERATION)
    assert (moderated is None) == (done is OWN)
    if moderated is not None:
        assert (moderated.get("by"), parse_occupant_id(moderated)) == (f"{JID}/Nurse", NURSE)
        assert retracted.child_text("reason") == "hush"
    assert act(RENDER, done).id == id


def test_places_are_those_of_the_archive():
    """Each entry has an id of its own, and a time."""
    message = Message(**HIS, id=MessageId("a1"), body=Text(plain="hi"), time=1.0)
    stone = Tombstone(**HIS, id=MessageId("a1"), time=1.0, retraction=OWN)
    places = [place_of(one) for one in (message, stone, REACTION, OWN)]
    assert places == [("a1", 1.0), ("a1", 1.0), ("a2", 2.0), ("a3", 3.0)]
