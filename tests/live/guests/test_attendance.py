"""Guests come into rooms of real servers, stay there and go."""

from __future__ import annotations

import asyncio

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    ChangeNick,
    ContactId,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Invite,
    Join,
    Kick,
    Leave,
    Message,
    NickChange,
    NickRefused,
    NotEntered,
    OccupantChange,
    Ref,
    Role,
    RoomId,
    Sent,
    SetAffiliation,
    SetRole,
)
from tests.live.cast.stanzas import Pattern, item, status
from tests.live.cast.xmpp import condition


async def test_guest_who_enters_is_told_who_is_there(guest_stage):
    """And the others who he is; those who come and go later are told too."""
    romeo, alice = await guest_stage.together()
    entered = await alice.hears(Entered)
    assert (set(entered.occupants), entered.me.nick) == ({"romeo"}, "alice")
    shown = await romeo.mailbox.find(Pattern("presence", frm=f"{guest_stage.room}/alice"))
    assert shown.find("{http://jabber.org/protocol/caps}c") is not None
    juliet = await guest_stage.on_xmpp("juliet")
    await juliet.join(guest_stage.room, "juliet")
    joined = await alice.hears(Join)
    assert joined.occupant.nick == "juliet"
    juliet.send(f"<presence to='{guest_stage.room}/juliet'><show>away</show><status>tea</status></presence>")
    assert (await alice.hears(OccupantChange)).occupant.away == "tea"
    juliet.leave(guest_stage.room, "juliet", "good night")
    assert (await alice.hears(Leave)).nick == "juliet"


async def test_address_of_an_occupant_is_told_where_the_room_shows_it(guest_stage):
    """To all in a room that hides nothing."""
    romeo = await guest_stage.on_xmpp("romeo")
    await romeo.join(guest_stage.room, "romeo")
    await guest_stage.configure(romeo, whois="anyone")
    alice = await guest_stage.guest("alice")
    entered = await alice.enters(guest_stage.room, "alice")
    one = entered.occupants["romeo"]
    assert (one.address, one.identity) == (romeo.jid, romeo.bare)
    assert (one.affiliation, one.role) == (Affiliation.OWNER, Role.MODERATOR)


@pytest.mark.parametrize(
    ("options", "trouble"),
    [
        ({"membersonly": "1"}, Trouble.INVITE_ONLY),
        ({"passwordprotectedroom": "1", "roomsecret": "rose"}, Trouble.BAD_PASSWORD),
    ],
)
async def test_closed_room_says_why(guest_stage, options, trouble):
    """The password opens it."""
    romeo = await guest_stage.on_xmpp("romeo")
    await romeo.join(guest_stage.room, "romeo")
    await guest_stage.configure(romeo, **options)
    alice = await guest_stage.guest("alice")
    alice.act(Enter(room=guest_stage.room, nick="alice"))
    assert (await alice.hears(NotEntered)).error.trouble is trouble
    if "roomsecret" in options:
        await alice.enters(guest_stage.room, "alice", password="rose")


async def test_taken_nick_is_refused_at_the_door_and_inside(guest_stage):
    """XEP-0045 §7.2.8 and §7.6; the old one stays."""
    _, alice = await guest_stage.together()
    bob = await guest_stage.guest("bob")
    bob.act(Enter(room=guest_stage.room, nick="romeo"))
    assert (await bob.hears(NotEntered)).error.trouble is Trouble.NICK_IN_USE
    alice.act(ChangeNick(room=guest_stage.room, nick="romeo"))
    assert (await alice.hears(NickRefused)).error.trouble is Trouble.NICK_IN_USE


async def test_nicks_change_on_both_sides(guest_stage):
    """And nobody is taken for somebody else."""
    romeo, alice = await guest_stage.together()
    alice.act(ChangeNick(room=guest_stage.room, nick="al"))
    changed = await alice.hears(NickChange)
    assert (changed.old, changed.occupant.nick) == ("alice", "al")
    await romeo.mailbox.find(Pattern("presence", frm=f"{guest_stage.room}/alice", has=status(303)))
    romeo.send(f"<presence to='{guest_stage.room}/montague'/>")
    changed = await alice.hears(NickChange, lambda event: event.old == "romeo")
    assert changed.occupant.nick == "montague"
    assert [event for event in alice.told if isinstance(event, Join | Leave)] == []


async def test_room_that_was_not_there_is_made(guest_stage):
    """Its first guest owns it, and others may come."""
    alice = await guest_stage.guest("alice")
    entered = await alice.enters(guest_stage.room, "alice")
    assert (entered.created, entered.me.affiliation) == (True, Affiliation.OWNER)
    bob = await guest_stage.guest("bob")
    assert set((await bob.enters(guest_stage.room, "bob")).occupants) == set()


async def test_server_that_is_not_there_is_said_to_be_none(guest_stage):
    """By who should reach it."""
    alice = await guest_stage.guest("alice")
    alice.act(Enter(room=RoomId("verona@nowhere.test"), nick="alice"))
    assert (await alice.hears(NotEntered)).error.trouble in (Trouble.UNREACHABLE, Trouble.NO_SUCH_ROOM)


async def test_guests_moderate_if_they_may(guest_stage):
    """Kick, role and affiliation; who may not is refused."""
    romeo, alice = await guest_stage.together()
    juliet = await guest_stage.on_xmpp("juliet")
    await juliet.join(guest_stage.room, "juliet")
    alice.act(Kick(room=guest_stage.room, nick="juliet", ref=Ref(1)))
    assert (await alice.hears(Failed)).ref == 1
    await guest_stage.set_affiliation(romeo, "alice", "admin")
    await alice.hears(OccupantChange, lambda event: event.occupant.role is Role.MODERATOR)
    alice.act(SetRole(room=guest_stage.room, nick="juliet", role=Role.VISITOR, ref=Ref(2)))
    await alice.hears(Sent, lambda event: event.ref == 2)
    await juliet.mailbox.find(Pattern("presence", has=item(role="visitor")))
    alice.act(Kick(room=guest_stage.room, nick="juliet", reason="out", ref=Ref(3)))
    await juliet.mailbox.find(Pattern("presence", type="unavailable", has=status(307)))
    kick = await alice.hears(Kick)
    assert (kick.nick, kick.reason) == ("juliet", "out")
    nurse = await guest_stage.on_xmpp("nurse")
    contact = ContactId(nurse.bare)
    alice.act(
        SetAffiliation(room=guest_stage.room, contact=contact, affiliation=Affiliation.OUTCAST, ref=Ref(4))
    )
    await alice.hears(Sent, lambda event: event.ref == 4)
    nurse.enter(guest_stage.room, "nurse")
    refused = await nurse.mailbox.find(Pattern("presence", type="error"))
    assert condition(refused) == "forbidden"


async def test_guest_is_banned_and_stays_out(guest_stage):
    """XEP-0045 §9.1."""
    romeo, alice = await guest_stage.together()
    await guest_stage.set_affiliation(romeo, "alice", "outcast", reason="spam")
    exited = await alice.hears(Exited)
    assert (exited.exit, exited.reason) == (Exit.BANNED, "spam")
    alice.act(Enter(room=guest_stage.room, nick="alice"))
    assert (await alice.hears(NotEntered)).error.trouble is Trouble.BANNED


async def test_invitations_cross(guest_stage):
    """Through the room (XEP-0045 §7.8.2), and from one to the other (XEP-0249)."""
    romeo, alice = await guest_stage.together()
    await guest_stage.set_affiliation(romeo, "alice", "admin")
    juliet = await guest_stage.on_xmpp("juliet")
    alice.act(Invite(room=guest_stage.room, contact=ContactId(juliet.bare), reason="come", ref=Ref(1)))
    invited = await juliet.mailbox.find(Pattern("message", has="mucuser:x/mucuser:invite"))
    assert invited.get("from") == guest_stage.room
    bob = await guest_stage.guest("bob")
    romeo.send(
        f"<message to='{guest_stage.room}'><x xmlns='http://jabber.org/protocol/muc#user'>"
        f"<invite to='{bob.jid}'><reason>come</reason></invite></x></message>"
    )
    mediated = await bob.hears(Invite)
    assert (mediated.room, mediated.reason) == (guest_stage.room, "come")
    assert mediated.nick in (romeo.bare, f"{guest_stage.room}/romeo")


async def test_leaving_is_seen_by_everybody(guest_stage):
    """With its reason."""
    romeo, alice = await guest_stage.together()
    alice.leaves(guest_stage.room, "good night")
    assert (await alice.hears(Exited)).exit is Exit.LEFT
    gone = await romeo.mailbox.find(Pattern("presence", frm=f"{guest_stage.room}/alice", type="unavailable"))
    assert gone.findtext("status") == "good night"


async def test_bridge_that_stops_takes_its_guests_along(guest_stage):
    """Nobody stays behind."""
    romeo, _ = await guest_stage.together()
    await guest_stage.gateway.stop()
    gone = await romeo.mailbox.find(Pattern("presence", frm=f"{guest_stage.room}/alice", type="unavailable"))
    assert gone.findtext("status") == "Gateway shutdown"


async def test_bridge_that_crashed_comes_back_without_doubles(guest_stage):
    """The same occupant is in again, by the same nick; who does not come back is put out when somebody speaks."""
    romeo, alice = await guest_stage.together()
    bob = await guest_stage.guest("bob")
    await bob.enters(guest_stage.room, "bob")
    await guest_stage.crash()
    alice = await guest_stage.guest("alice")
    entered = await alice.enters(guest_stage.room, "alice")
    assert entered.me.nick == "alice"
    romeo.say(guest_stage.room, "who is there?")
    await alice.hears(Message)
    await romeo.mailbox.find(Pattern("presence", frm=f"{guest_stage.room}/bob", type="unavailable"))
    juliet = await guest_stage.on_xmpp("juliet")
    nicks = (await juliet.join(guest_stage.room, "juliet")).nicks - {""}  # the room's own
    assert nicks == {"romeo", "alice"}


async def test_link_that_broke_is_asked_about(guest_stage):
    """The room may have put the guest out meanwhile: he is in again by himself, and misses nothing."""
    romeo, alice = await guest_stage.together()
    alice.told.clear()
    await guest_stage.gateway.cut()
    romeo.say(guest_stage.room, "are you there?")
    await romeo.mailbox.find(Pattern("message", body="are you there?"))
    await guest_stage.gateway.mend()
    romeo.say(guest_stage.room, "and now?")
    await alice.hears(Message, lambda message: message.body.plain == "and now?")
    words = [event.body.plain for event in alice.told if isinstance(event, Message)]
    assert words == ["are you there?", "and now?"]


async def test_room_is_looked_at(guest_stage):
    """Its name, description and how many are in it; a room that is not there, and a person, are none."""
    romeo = await guest_stage.on_xmpp("romeo")
    await romeo.join(guest_stage.room, "romeo")
    await guest_stage.configure(romeo, roomname="Verona", roomdesc="Two households", publicroom="1")
    await guest_stage.guest("alice")
    info = await guest_stage.look(guest_stage.room)
    assert (info.name, info.description, info.occupants) == ("Verona", "Two households", 1)
    for nothing in (f"none{guest_stage.number}@{guest_stage.muc}", romeo.bare):
        with pytest.raises(BridgeError) as caught:
            await guest_stage.look(nothing)
        assert caught.value.trouble in (Trouble.NO_SUCH_ROOM, Trouble.NO_SERVICE, Trouble.FORBIDDEN)


async def test_server_that_crashes_has_its_guests_again(own_guest_stage):
    """They are in the room again, and hear what is said."""
    stage = own_guest_stage
    romeo, alice = await stage.together()
    await stage.configure(romeo, persistentroom="1")
    alice.told.clear()
    romeo.drop()
    await asyncio.to_thread(stage.server.daemon.kill)
    await asyncio.to_thread(stage.server.daemon.start)
    await romeo.log_in()
    await romeo.join(stage.room, "romeo")
    romeo.say(stage.room, "here we are again")
    await alice.hears(Message)
    assert not any(isinstance(event, Exited) for event in alice.told)
