"""People of Matrix in rooms of real XMPP servers, through the gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import nio
import pytest

from tests.live.cast.matrix import Event, MatrixPerson
from tests.live.cast.stanzas import Pattern, Stanza, value
from tests.live.cast.xmpp import Person, condition
from tests.live.matrix.portal_stage import PortalStage

NS_REPLY = "urn:xmpp:reply:0"
NS_REACTIONS = "urn:xmpp:reactions:0"
NS_RETRACT = "urn:xmpp:message-retract:1"
NS_ADMIN = "http://jabber.org/protocol/muc#admin"


def membership(who: str, how: str):
    """Recognise a change of somebody's membership."""
    return lambda event: (event.get("state_key"), event["content"]["membership"]) == (who, how)


def stanza_id(message: Stanza) -> str:
    """The room's id of a message."""
    return value(message, "sid:stanza-id/@id")


async def hears(person: Person, muc: str, nick: str, body: str) -> Stanza:
    """Wait for a message of that nick with exactly this body."""
    return await person.mailbox.find(Pattern("message", frm=f"{muc}/{nick}", body=body))


async def set_item(owner: Person, muc: str, **item: str) -> None:
    """Change somebody's role or affiliation."""
    attributes = "".join(f" {name}='{given}'" for name, given in item.items())
    await owner.result(muc, f"<query xmlns='{NS_ADMIN}'><item{attributes}/></query>", "set")


async def ask(person: MatrixPerson, path: str) -> Any:
    """Ask the homeserver for what nio has no request."""
    headers = {"Authorization": f"Bearer {person.client.access_token}"}
    answer = await person.client.send("GET", f"/_matrix/client/v3/{path}", headers=headers)
    return await answer.json()


# ---- in and out


async def test_words_go_both_ways(portal_stage: PortalStage):
    """Who joins the alias is an occupant with his name; who is there is a ghost with his nick."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    await juliet.say(room, "Ay me")
    await hears(romeo, portal_stage.muc, "Juliet", "Ay me")
    romeo.say(portal_stage.muc, "She speaks")
    await juliet.hears(room, "She speaks", sender=portal_stage.ghost("romeo"))


async def test_order_is_kept_both_ways(portal_stage: PortalStage):
    """Of several people, too."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    for number in range(10):
        romeo.say(portal_stage.muc, f"r{number}")
        await juliet.say(room, f"j{number}")
    bodies = [(await juliet.hears(room, f"r{number}"))["content"]["body"] for number in range(10)]
    assert bodies == [f"r{number}" for number in range(10)]
    for number in range(10):
        await hears(romeo, portal_stage.muc, "Juliet", f"j{number}")


async def test_guest_is_an_ordinary_occupant(portal_stage: PortalStage):
    """With an address of his own, who leaves when he leaves on Matrix, and comes back."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    seen = await (await portal_stage.on_xmpp("nurse")).join(portal_stage.muc, "nurse")
    [shown] = [one for one in seen.occupants if one.get("from", "").endswith("/Juliet")]
    address = value(shown, "mucuser:x/mucuser:item/@jid")
    assert address.partition("/")[0] == portal_stage.guest(juliet)
    await juliet.leave(room)
    await romeo.mailbox.find(Pattern("presence", frm=f"{portal_stage.muc}/Juliet", type="unavailable"))
    assert await juliet.join(portal_stage.portal) == room
    await romeo.mailbox.find(Pattern("presence", frm=f"{portal_stage.muc}/Juliet", type=None))
    await juliet.say(room, "again")
    await hears(romeo, portal_stage.muc, "Juliet", "again")


async def test_two_of_the_same_name_are_told_apart(portal_stage: PortalStage):
    """The second nick says whose it is; a new display name is a new nick."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    nurse = await portal_stage.on_xmpp("nurse")
    await nurse.join(portal_stage.muc, "Peter")
    peter = await portal_stage.on_matrix("Peter")
    await peter.join(portal_stage.portal)
    await juliet.find("m.room.member", lambda e: e["content"].get("displayname") == "Peter", room=room)
    await romeo.mailbox.find(Pattern("presence", frm=f"{portal_stage.muc}/Peter ({peter.id[1:]})", type=None))
    await peter.client.set_displayname("Servant")
    await romeo.mailbox.find(Pattern("presence", frm=f"{portal_stage.muc}/Servant", type=None))
    nurse.send(f"<presence to='{portal_stage.muc}/angelica'/>")
    await juliet.find(
        "m.room.member",
        lambda event: (
            (event["state_key"], event["content"].get("displayname"))
            == (portal_stage.ghost("nurse"), "angelica")
        ),
    )


async def test_hidden_occupant_is_a_ghost_of_this_room(portal_stage: PortalStage):
    """Where the room does not show who somebody is, nobody on Matrix learns it."""
    romeo, juliet, room = await portal_stage.together_in_muc(whois="moderators")
    romeo.say(portal_stage.muc, "who am I?")
    heard = await juliet.hears(room, "who am I?")
    assert heard["sender"].startswith(f"@{portal_stage.prefix}room{portal_stage.number}=40")
    romeo.leave(portal_stage.muc, "romeo")
    await juliet.find("m.room.member", membership(heard["sender"], "leave"))


@pytest.mark.parametrize("options", [{"membersonly": "1"}, {"passwordprotectedroom": "1", "roomsecret": "x"}])
async def test_who_may_not_enter_is_put_out_with_the_reason(portal_stage: PortalStage, options):
    """The alias is there, the door is not open."""
    romeo = await portal_stage.on_xmpp("romeo")
    await portal_stage.open_muc(romeo, "romeo", **options)
    juliet = await portal_stage.on_matrix("Juliet")
    room = await juliet.join(portal_stage.portal)
    put_out = await kicked(juliet, room)
    assert put_out["content"]["reason"]


async def kicked(person: MatrixPerson, room: str) -> Event:
    """Return the event by which somebody was put out, which nio shows to nobody: he asks for his membership."""
    for _ in range(100):
        state = await ask(person, f"rooms/{room}/state/m.room.member/{person.id}?format=event")
        if state.get("content", {}).get("membership") == "leave":
            return state
        await person.client.sync(timeout=100)
    raise AssertionError(f"{person.id} is still in")


async def test_alias_of_no_room_does_not_exist(portal_stage: PortalStage):
    """Whoever joins is told by the homeserver."""
    juliet = await portal_stage.on_matrix("Juliet")
    answer = await juliet.client.join(f"#{portal_stage.prefix}romeo=40nowhere.test:hs.test")
    assert isinstance(answer, nio.JoinError) and answer.status_code == "M_NOT_FOUND"


async def test_user_of_xmpp_is_sent_to_the_room_itself(portal_stage: PortalStage):
    """By the gateway he would be in it twice."""
    await portal_stage.together_in_muc()
    paris = await portal_stage.on_xmpp("paris")
    alias = portal_stage.portal.replace(":", "\\3a")
    gone = f"xmpp:{portal_stage.muc}?join"
    paris.enter(f"{alias}@{portal_stage.bridge.domain}", "paris")
    refused = await paris.mailbox.find(Pattern("presence", type="error"))
    assert condition(refused) == "gone"
    assert refused.xpath("//*[local-name()='gone']/text()") == [gone]


# ---- what is said


async def test_corrections_replies_and_reactions_go_both_ways(portal_stage: PortalStage):
    """XEP-0308, XEP-0461 and XEP-0444 mean the same message on both sides."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    muc = portal_stage.muc
    said = await juliet.say(room, "Romoe")
    first = await hears(romeo, muc, "Juliet", "Romoe")
    new = {"msgtype": "m.text", "body": "Romeo"}
    relation = {"rel_type": "m.replace", "event_id": said}
    await juliet.send(room, {**new, "body": "* Romeo", "m.new_content": new, "m.relates_to": relation})
    corrected = await hears(romeo, muc, "Juliet", "Romeo")
    assert corrected.xpath("//*[local-name()='replace']/@id") == [first.get("id")]

    asked = stanza_id(first)
    romeo.say(muc, "I am", extra=f"<reply xmlns='{NS_REPLY}' to='{muc}/Juliet' id='{asked}'/>")
    answer = await juliet.hears(room, "I am")
    assert answer["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": said}}
    romeo_said = await hears(romeo, muc, "romeo", "I am")
    back = {"m.in_reply_to": {"event_id": answer["event_id"]}}
    await juliet.send(room, {"msgtype": "m.text", "body": "thou art", "m.relates_to": back})
    reply = await hears(romeo, muc, "Juliet", "thou art")
    assert reply.xpath("//*[local-name()='reply']/@id") == [stanza_id(romeo_said)]

    reactions = f"<reactions xmlns='{NS_REACTIONS}' id='{asked}'><reaction>🌹</reaction></reactions>"
    romeo.send(f"<message to='{muc}' type='groupchat' id='r1'>{reactions}</message>")
    reaction = await juliet.find("m.reaction", room=room)
    assert reaction["content"]["m.relates_to"]["event_id"] == said
    annotation = {"rel_type": "m.annotation", "event_id": answer["event_id"], "key": "🌙"}
    await juliet.send(room, {"m.relates_to": annotation}, type="m.reaction")
    shown = await romeo.mailbox.find_where(
        lambda one: one.xpath("//*[local-name()='reaction']/text()") == ["🌙"], "Juliet's reaction"
    )
    assert shown.xpath("//*[local-name()='reactions']/@id") == [stanza_id(romeo_said)]


async def test_retractions_go_both_ways(portal_stage: PortalStage):
    """XEP-0424: what its author takes back is taken back."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    muc = portal_stage.muc
    romeo.say(muc, "oops")
    said = await juliet.hears(room, "oops")
    own = await hears(romeo, muc, "romeo", "oops")
    retract = f"<retract xmlns='{NS_RETRACT}' id='{stanza_id(own)}'/>"
    romeo.send(f"<message to='{muc}' type='groupchat' id='x1'>{retract}<body>gone</body></message>")
    redaction = await juliet.find("m.room.redaction", room=room)
    assert redaction["content"].get("redacts", redaction.get("redacts")) == said["event_id"]
    event_id = await juliet.say(room, "alas")
    heard = await hears(romeo, muc, "Juliet", "alas")
    await juliet.client.room_redact(room, event_id)
    retraction = await romeo.mailbox.find_where(
        lambda one: bool(one.xpath("//*[local-name()='retract']")), "the retraction"
    )
    assert retraction.xpath("//*[local-name()='retract']/@id") == [stanza_id(heard)]


async def test_topics_and_typing_go_both_ways(portal_stage: PortalStage):
    """A subject here is a topic there, and whoever is writing is seen to."""
    romeo, juliet, room = await portal_stage.together_in_muc(changesubject="1")
    muc = portal_stage.muc
    romeo.set_subject(muc, "night")
    await juliet.find("m.room.topic", lambda event: event["content"]["topic"] == "night", room=room)
    await juliet.client.room_put_state(room, "m.room.topic", {"topic": "day"})
    await romeo.mailbox.find_where(lambda one: one.findtext("subject") == "day", "the subject")
    await juliet.client.room_typing(room, True, 10_000)
    await romeo.mailbox.find(Pattern("message", frm=f"{muc}/Juliet", has="states:composing"))


async def test_what_the_room_refuses_is_told_to_its_author(portal_stage: PortalStage):
    """Without voice nothing is said, and a notice tells so."""
    romeo, juliet, room = await portal_stage.together_in_muc(moderatedroom="1")
    await set_item(romeo, portal_stage.muc, nick="Juliet", role="visitor")
    said = await juliet.say(room, "unheard")
    notice = await juliet.find(
        "m.room.message", lambda event: event["content"]["msgtype"] == "m.notice", room=room
    )
    assert notice["content"]["body"].startswith("Not delivered")
    assert notice["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": said}}


async def test_voice_is_asked_for_and_given_by_a_word(portal_stage: PortalStage):
    """XEP-0045 §7.13, §8.6: by a guest, who is told how, and is answered by the room's own form."""
    romeo, juliet, room = await portal_stage.together_in_muc(moderatedroom="1")
    muc = portal_stage.muc
    await set_item(romeo, muc, nick="Juliet", role="visitor")
    await juliet.say(room, "unheard")
    await juliet.find("m.room.message", lambda event: "say !voice" in event["content"]["body"], room=room)
    await juliet.say(room, "!voice")
    asked = await romeo.mailbox.find(Pattern("message", frm=muc, has="data:x[@type='form']"))
    fields = {
        one.get("var"): one.xpath("*[local-name()='value']/text()")
        for one in asked.xpath("*/*[local-name()='field']")
    }
    assert fields["muc#roomnick"] == ["Juliet"]
    values = {name: "1" if name == "muc#request_allow" else value[0] for name, value in fields.items()}
    written = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in values.items())
    romeo.send(f"<message to='{muc}'><x xmlns='jabber:x:data' type='submit'>{written}</x></message>")
    await juliet.hears(room, "You may speak now.")
    await juliet.say(room, "heard")
    await hears(romeo, muc, "Juliet", "heard")


async def test_guest_who_moderates_gives_voice_by_a_word(portal_stage: PortalStage):
    """XEP-0045 §8.6: the room on Matrix is told who asks."""
    romeo, juliet, room = await portal_stage.together_in_muc(moderatedroom="1")
    muc, nurse = portal_stage.muc, await portal_stage.on_xmpp("nurse")
    await nurse.join(muc, "nurse")
    await set_item(romeo, muc, nick="nurse", role="visitor")
    await set_item(romeo, muc, nick="Juliet", role="moderator")
    await juliet.find("m.room.power_levels", lambda event: juliet.id in event["content"]["users"])
    form = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field>"
    role = "<field var='muc#role'><value>participant</value></field>"
    nurse.send(f"<message to='{muc}'><x xmlns='jabber:x:data' type='submit'>{form}{role}</x></message>")
    await juliet.find("m.room.message", lambda event: "!voice nurse" in event["content"]["body"], room=room)
    await juliet.say(room, "!voice nurse")
    await nurse.mailbox.find(
        Pattern("presence", frm=f"{muc}/nurse", has="mucuser:x/mucuser:item[@role='participant']")
    )
    await juliet.hears(room, "nurse may speak now.")


# ---- moderation and invitations


@pytest.mark.parametrize("how", [{"role": "none"}, {"affiliation": "outcast"}])
async def test_guest_who_is_put_out_is_out_on_matrix(portal_stage: PortalStage, how):
    """With the reason; who is banned does not come back in."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    item = {"nick": "Juliet"} if "role" in how else {"jid": portal_stage.guest(juliet)}
    await set_item(romeo, portal_stage.muc, **item, **how)
    await kicked(juliet, room)
    if "affiliation" in how:
        await juliet.join(portal_stage.portal)
        await kicked(juliet, room)


async def test_room_that_closes_puts_its_guests_out(portal_stage: PortalStage):
    """XEP-0045 §10.2.1, status 322: who is no member is out on Matrix, and told why; a member is not."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    nurse = await portal_stage.on_matrix("Nurse")
    await set_item(romeo, portal_stage.muc, jid=portal_stage.guest(nurse), affiliation="member")
    await nurse.join(portal_stage.portal)
    await romeo.mailbox.find(Pattern("presence", frm=f"{portal_stage.muc}/Nurse"))
    await portal_stage.configure(romeo, membersonly="1")
    gone = await kicked(juliet, room)
    assert gone["content"]["reason"].endswith("from now on.")
    await set_item(romeo, portal_stage.muc, jid=portal_stage.guest(nurse), affiliation="none")
    gone = await kicked(nurse, room)
    assert gone["content"]["reason"].startswith("Only members")


@pytest.mark.parametrize("may", [True, False])
async def test_moderator_puts_a_ghost_out(portal_stage: PortalStage, may: bool):
    """Who moderates on XMPP may do it on Matrix; who does not cannot."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    nurse = await portal_stage.on_xmpp("nurse")
    await nurse.join(portal_stage.muc, "nurse")
    ghost = portal_stage.ghost("nurse")
    await juliet.find("m.room.member", membership(ghost, "join"))
    if may:
        await set_item(romeo, portal_stage.muc, nick="Juliet", role="moderator")
        await juliet.find("m.room.power_levels", lambda event: juliet.id in event["content"]["users"])
    answer = await juliet.client.room_kick(room, ghost, "late")
    assert isinstance(answer, nio.RoomKickError) is not may
    if may:
        gone = await nurse.mailbox.find(
            Pattern("presence", frm=f"{portal_stage.muc}/nurse", type="unavailable")
        )
        assert value(gone, "mucuser:x/mucuser:status[@code='307']/@code") == "307"


async def test_invitations_go_both_ways(portal_stage: PortalStage):
    """A JID that is invited on Matrix is invited into the room there, and the other way round."""
    romeo, juliet, room = await portal_stage.together_in_muc(allowinvites="1")
    paris = await portal_stage.on_xmpp("paris")
    await juliet.client.room_invite(room, portal_stage.ghost("paris"))
    invited = await paris.mailbox.find_where(
        lambda one: bool(one.xpath("//*[local-name()='invite']/@from")), "the invitation"
    )
    assert portal_stage.muc in (invited.get("from"), *invited.xpath("//*[local-name()='x']/@jid"))
    nurse = await portal_stage.on_matrix("Nurse")
    invite = f"<invite to='{portal_stage.guest(nurse)}'><reason>come</reason></invite>"
    x = f"<x xmlns='http://jabber.org/protocol/muc#user'>{invite}</x>"
    romeo.send(f"<message to='{portal_stage.muc}'>{x}</message>")
    await nurse.find("m.room.member", lambda event: event["state_key"] == nurse.id, room=room)


async def test_invitations_that_are_declined_go_both_ways(portal_stage: PortalStage):
    """XEP-0045 §7.8.2: who invited is told, through the room; the ghost of who does not come leaves."""
    romeo, juliet, room = await portal_stage.together_in_muc(allowinvites="1")
    muc, x = portal_stage.muc, "<x xmlns='http://jabber.org/protocol/muc#user'>"
    nurse, paris = await portal_stage.on_matrix("Nurse"), await portal_stage.on_xmpp("paris")
    romeo.send(f"<message to='{muc}'>{x}<invite to='{portal_stage.guest(nurse)}'/></x></message>")
    await nurse.find("m.room.member", lambda event: event["state_key"] == nurse.id, room=room)
    await nurse.leave(room)
    told = await romeo.mailbox.find(Pattern("message", frm=muc, has="mucuser:x/mucuser:decline"))
    assert value(told, "mucuser:x/mucuser:decline/@from").startswith(portal_stage.guest(nurse))
    ghost = portal_stage.ghost("paris")
    await juliet.client.room_invite(room, ghost)
    invited = await paris.mailbox.find_where(
        lambda one: bool(one.xpath("//*[local-name()='invite']/@from")), "the invitation"
    )
    [inviter] = invited.xpath("//*[local-name()='invite']/@from")
    paris.send(f"<message to='{muc}'>{x}<decline to='{inviter}'><reason>no</reason></decline></x></message>")
    gone = await juliet.find("m.room.member", membership(ghost, "leave"), room=room)
    assert (gone["sender"], gone["content"].get("reason")) == (ghost, "no")


# ---- looking for rooms and people


async def test_rooms_and_people_are_found_by_their_addresses(portal_stage: PortalStage):
    """Third-party lookups lead to the alias, and to the ghost; the room is in the directory of the network."""
    romeo, juliet, _ = await portal_stage.together_in_muc()
    protocol = await ask(juliet, "thirdparty/protocol/xmpp")
    assert protocol["instances"][0]["desc"] == "XMPP"
    local, _, server = portal_stage.muc.partition("@")
    places = await ask(juliet, f"thirdparty/location/xmpp?room={local}&server={server}")
    assert portal_stage.portal in [place["alias"] for place in places]
    people = await ask(juliet, f"thirdparty/user/xmpp?jid={romeo.bare}")
    assert portal_stage.ghost("romeo") in [person["userid"] for person in people]


@pytest.mark.parametrize("portal_stage", ["ejabberd"], indirect=True)
async def test_channel_of_irc_is_a_room_of_matrix(portal_stage: PortalStage):
    """Through the bridge's own gateway to IRC; whoever is there has a connection of his own."""
    house, channel = portal_stage.house, f"#p{portal_stage.number}"
    ircd = house.ircd("ngircd")
    romeo = await house.irc_person(ircd.port, f"romeo{portal_stage.number}")
    await romeo.join(channel)
    juliet = await portal_stage.on_matrix("Juliet")
    written = f"{channel}%{ircd.name}".replace("#", "=23").replace("%", "=25")
    gateway = f"spare.{portal_stage.xmpp.domain}"
    alias = f"#{portal_stage.prefix}{written}=40{gateway}:{portal_stage.synapse.server_name}"
    room = await juliet.join(alias)
    await romeo.find("JOIN", channel, nick="Juliet")
    await juliet.say(room, "wherefore?")
    await romeo.hears(channel, "wherefore?", nick="Juliet")
    romeo.say(channel, "therefore")
    await juliet.hears(room, "therefore")
    await romeo.quit()


# ---- faults


async def test_bridge_that_is_killed_loses_and_doubles_nothing(portal_stage: PortalStage):
    """What was said meanwhile on either side comes afterwards, once, and what is old is known still."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    muc, loop = portal_stage.muc, asyncio.get_running_loop()
    await juliet.say(room, "j before")
    await hears(romeo, muc, "Juliet", "j before")
    for number in range(3):
        # meanwhile it is on disk that she was heard
        romeo.say(muc, f"before {number}")
        await juliet.hears(room, f"before {number}")
    await loop.run_in_executor(None, portal_stage.bridge.daemon.kill)
    romeo.say(muc, "r down")
    await hears(romeo, muc, "romeo", "r down")
    await juliet.say(room, "j down")
    await loop.run_in_executor(None, portal_stage.bridge.daemon.start)
    assert await heard_until(romeo, f"{muc}/Juliet", "j down") == ["j down"]
    romeo.say(muc, "r after")
    assert await said_until(juliet, room, portal_stage.ghost("romeo"), "r after") == ["r down", "r after"]
    await juliet.say(room, "j after")
    assert await heard_until(romeo, f"{muc}/Juliet", "j after") == ["j after"]


async def test_all_that_was_said_while_the_bridge_was_away_is_asked_of_the_archive(portal_stage: PortalStage):
    """XEP-0313: in order, much more than a room tells on entering, and what was done to messages."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    muc, ghost = portal_stage.muc, portal_stage.ghost("romeo")
    romeo.say(muc, "before")
    await juliet.hears(room, "before")
    before = await romeo.mailbox.find(Pattern("message", frm=f"{muc}/romeo", body="before"))
    await asyncio.to_thread(portal_stage.bridge.daemon.kill)
    words = [f"down {number}" for number in range(60)]
    for body in words:
        romeo.say(muc, body)
    wish = "<message type='groupchat' id='{}' to='" + muc + "'>{}</message>"
    sid = value(before, "sid:stanza-id/@id")
    likes = f"<reactions xmlns='urn:xmpp:reactions:0' id='{sid}'><reaction>🌹</reaction></reactions>"
    romeo.send(wish.format("r1", likes + "<store xmlns='urn:xmpp:hints'/>"))
    await romeo.mailbox.find(Pattern("message", frm=f"{muc}/romeo", has="react:reactions"))
    await asyncio.to_thread(portal_stage.bridge.daemon.start)
    assert await said_until(juliet, room, ghost, words[-1]) == words
    liked = await juliet.find("m.reaction", lambda event: event["sender"] == ghost, room=room)
    assert liked["content"]["m.relates_to"]["key"] == "🌹"
    romeo.say(muc, "r after")
    assert await said_until(juliet, room, ghost, "r after") == ["r after"]


async def heard_until(person: Person, sender: str, last: str) -> list[str]:
    """Return what somebody of XMPP hears of an occupant up to some words."""
    bodies: list[str] = []
    while last not in bodies:
        message = await person.mailbox.find(Pattern("message", frm=sender, has="body"))
        bodies.append(message.findtext("body") or "")
    return bodies


async def said_until(person: MatrixPerson, room: str, sender: str, last: str) -> list[str]:
    """Return what somebody of Matrix hears of a ghost up to some words."""
    bodies: list[str] = []
    while last not in bodies:
        event = await person.find("m.room.message", lambda one: one["sender"] == sender, room=room)
        bodies.append(event["content"]["body"])
    return bodies
