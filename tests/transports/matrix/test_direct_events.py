"""What is said between two, as their room has it and as they have it."""

from __future__ import annotations

from bridge.events import DirectReaction, DirectRetraction, Mention, Ref, Reply
from tests.transports.matrix.raw import ALICE, BOB, IDS, ROMEO, event, said
from tests.transports.matrix.test_direct import CONTACT, USER, Scene


def test_what_refers_to_messages_names_them_as_each_side_does():
    """Ids of the client on XMPP, events on Matrix."""
    scene = Scene()
    room = scene.opened()
    scene.say("one", origin="m1")
    first = f"$said{len(scene.server.said)}"
    scene.say("two", reply=Reply(id="m1"), replaces="")
    assert scene.server.said[-1][2]["m.relates_to"] == {"m.in_reply_to": {"event_id": first}}
    scene.say("uno", replaces="m1")
    assert scene.server.said[-1][2]["m.relates_to"] == {"rel_type": "m.replace", "event_id": first}
    scene.direct.submit(USER, DirectReaction(contact=CONTACT, id="m1", emojis=("+",), ref=Ref(1)))
    assert scene.server.said[-1][2]["m.relates_to"]["event_id"] == first
    scene.direct.submit(USER, DirectRetraction(contact=CONTACT, id="m1", ref=Ref(1)))
    assert scene.server.asked[-1][:5] == ("PUT", "rooms", room, "redact", first)
    scene.taken()
    relates = {"rel_type": "m.annotation", "event_id": first, "key": "!"}
    [reaction] = scene.hear(room, event("m.reaction", ALICE, {"m.relates_to": relates}))
    assert (reaction.id, reaction.emojis) == ("m1", ("!",))
    [reply] = scene.hear(room, said(ALICE, "ay", **{"m.relates_to": {"m.in_reply_to": {"event_id": first}}}))
    assert reply.reply.id == "m1"
    [retracted] = scene.hear(room, {**event("m.room.redaction", ALICE, {}), "redacts": reply.id})
    assert retracted == DirectRetraction(contact=CONTACT, id=reply.id)
    assert scene.hear(room, event("m.reaction", ROMEO, {"m.relates_to": relates})) == []


def test_file_is_a_link_and_people_are_named_by_address():
    """In a conversation there are no nicks; the user need not be told that he is meant."""
    scene = Scene()
    room = scene.opened()
    named = {"m.mentions": {"user_ids": [ALICE, ROMEO, BOB]}}
    file = {"msgtype": "m.image", "filename": "r.png", "url": "mxc://hs.example/id"}
    [heard] = scene.hear(room, said(ALICE, "a rose", **{**named, **file}))
    assert (heard.body.plain, heard.attachments[0].url) == (
        "a rose",
        "https://gw.example/hs.example/id/r.png",
    )
    assert {one.contact for one in heard.mentions} == {CONTACT, IDS.contact(BOB)}
    scene.say("hi", mentions=(Mention(start=0, end=2, contact=CONTACT),))
    assert scene.server.said[-1][2]["m.mentions"] == {"user_ids": [ALICE]}
