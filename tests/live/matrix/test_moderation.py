"""Rights, and what moderators do by them, between XMPP and a real homeserver."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import nio
import pytest

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern, Stanza, item, status, values
from tests.live.cast.xmpp import Person
from tests.live.matrix.stage import MatrixStage

ADMIN = "http://jabber.org/protocol/muc#admin"
BAN_SECONDS = 2.0


def change(attributes: str, reason: str = "") -> str:
    """Return a muc#admin query with one item."""
    text = f"<reason>{reason}</reason>" if reason else ""
    return f"<query xmlns='{ADMIN}'><item {attributes}>{text}</item></query>"


def listed(answer: Stanza) -> list[str]:
    """The addresses in a list of affiliations."""
    return [str(one) for one in answer.xpath("*/*[local-name()='item']/@jid")]


async def invited(person: MatrixPerson, room: str) -> dict[str, Any]:
    """Wait for the invitation of somebody to a room; nio keeps its content for itself."""
    return await person.find("m.room.member", lambda event: event["state_key"] == person.id, room=room)


async def set_level(person: MatrixPerson, room: str, who: str, level: int) -> None:
    """Give somebody a power level, as a client does."""
    content = (await person.client.room_get_state_event(room, "m.room.power_levels")).content
    content = {**content, "users": {**content.get("users", {}), who: level}}
    put = await person.client.room_put_state(room, "m.room.power_levels", content)
    assert isinstance(put, nio.RoomPutStateResponse), put


async def levels(person: MatrixPerson, room: str) -> dict[str, Any]:
    """Return the room's power levels."""
    return dict((await person.client.room_get_state_event(room, "m.room.power_levels")).content)


async def romeo_rules(
    stage: MatrixStage, level: int = 100, **options: Any
) -> tuple[Person, MatrixPerson, str]:
    """Put Romeo and Juliet into a room, in which he has power."""
    juliet = await stage.on_matrix("Juliet")
    room = await stage.open_room(juliet, **options)
    romeo = await stage.on_xmpp("romeo")
    if options:
        await juliet.client.room_invite(room, stage.ghost("romeo"))
    await romeo.join(stage.room, "romeo")
    await set_level(juliet, room, stage.ghost("romeo"), level)
    await romeo.mailbox.find(Pattern("presence", frm=f"{stage.room}/romeo", has=item(role="moderator")))
    return romeo, juliet, room


def jid(stage: MatrixStage, user_id: str) -> str:
    """The JID of somebody on Matrix."""
    return f"{user_id.replace('@', chr(92) + '40').replace(':', chr(92) + '3a')}@{stage.bridge.domain}"


async def test_levels_are_affiliations_and_roles(matrix_stage: MatrixStage):
    """What Matrix gives and takes is seen on XMPP, with the addresses of both sides."""
    romeo, juliet, room = await matrix_stage.together()
    ghost = matrix_stage.ghost("romeo")
    for level, affiliation, role in (
        (50, "admin", "moderator"),
        (100, "owner", "moderator"),
        (1, "member", "participant"),
        (-1, "none", "visitor"),
    ):
        await set_level(juliet, room, ghost, level)
        seen = await romeo.presence(frm=f"{matrix_stage.room}/romeo", has=status(110))
        assert values(seen, "mucuser:x/mucuser:item/@affiliation") == [affiliation]
        assert values(seen, "mucuser:x/mucuser:item/@role") == [role]
        assert values(seen, "mucuser:x/mucuser:item/@jid") == [romeo.bare]


async def test_visitor_is_told_that_he_may_not_speak(matrix_stage: MatrixStage):
    """What Matrix forbids cannot be said through the bridge."""
    romeo, juliet, room = await matrix_stage.together()
    await set_level(juliet, room, matrix_stage.ghost("romeo"), -1)
    await romeo.presence(frm=f"{matrix_stage.room}/romeo", has=item(role="visitor"))
    ident = romeo.say(matrix_stage.room, "But soft")
    refused = await romeo.message(frm=matrix_stage.room, type="error")
    assert refused.get("id") == ident
    assert refused.xpath("error/*[local-name()='forbidden']")


async def test_roles_and_affiliations_from_xmpp_set_levels(matrix_stage: MatrixStage):
    """Voice, its loss, and each affiliation, by nick and by address, are levels of the room."""
    romeo, juliet, room = await romeo_rules(matrix_stage)
    mercutio = await matrix_stage.on_matrix("Mercutio")
    await mercutio.join(room)
    await romeo.presence(frm=f"{matrix_stage.room}/Mercutio")
    address = jid(matrix_stage, mercutio.id)
    for wanted, level in (
        ("nick='Mercutio' role='visitor'", -1),
        ("nick='Mercutio' role='participant'", None),
        ("nick='Mercutio' role='moderator'", 50),
        ("nick='Mercutio' affiliation='member'", 1),
        (f"jid='{address}' affiliation='admin'", 50),
        (f"jid='{address}' affiliation='none'", None),
    ):
        await romeo.result(matrix_stage.room, change(wanted), "set")
        assert (await levels(juliet, room))["users"].get(mercutio.id) == level
        await romeo.presence(frm=f"{matrix_stage.room}/Mercutio")
    await romeo.result(matrix_stage.room, change("jid='nurse@capulet.example' affiliation='admin'"), "set")
    admins = await romeo.result(matrix_stage.room, change("affiliation='admin'"))
    assert listed(admins) == ["nurse@capulet.example"]
    owners = await romeo.result(matrix_stage.room, change("affiliation='owner'"))
    assert sorted(listed(owners)) == sorted([romeo.bare, jid(matrix_stage, juliet.id)])


async def test_who_has_not_the_power_is_refused(matrix_stage: MatrixStage):
    """Levels like one's own and above, and creators, are out of reach; so is everything for the powerless."""
    romeo, _, _ = await romeo_rules(matrix_stage, 50)
    for wanted in (
        "nick='Juliet' role='visitor'",
        "nick='Juliet' affiliation='none'",
        "nick='Juliet' affiliation='outcast'",
        "nick='romeo' affiliation='owner'",
    ):
        assert await romeo.error(matrix_stage.room, change(wanted), "set") == "not-allowed"
    assert (
        await romeo.error(matrix_stage.room, change("nick='romeo' affiliation='outcast'"), "set")
        == "conflict"
    )
    assert (
        await romeo.error(matrix_stage.room, change("nick='Nobody' role='visitor'"), "set")
        == "item-not-found"
    )


async def test_ban_from_xmpp_crosses_at_once_and_is_listed_and_lifted(matrix_stage: MatrixStage):
    """Somebody who is in is put out for good, until he is forgiven."""
    romeo, juliet, room = await romeo_rules(matrix_stage)
    tybalt = await matrix_stage.on_matrix("Tybalt")
    await tybalt.join(room)
    await romeo.presence(frm=f"{matrix_stage.room}/Tybalt")
    address = jid(matrix_stage, tybalt.id)
    async with asyncio.timeout(BAN_SECONDS):
        await romeo.result(
            matrix_stage.room, change(f"jid='{address}' affiliation='outcast'", "peace!"), "set"
        )
        gone = await romeo.presence(frm=f"{matrix_stage.room}/Tybalt", type="unavailable", has=status(301))
        banned = await juliet.find("m.room.member", lambda e: e["content"]["membership"] == "ban", room=room)
    assert (banned["state_key"], banned["content"]["reason"]) == (tybalt.id, "peace!")
    assert values(gone, "mucuser:x/mucuser:item/mucuser:actor/@nick") == ["romeo"]
    outcasts = await romeo.result(matrix_stage.room, change("affiliation='outcast'"))
    assert listed(outcasts) == [address]
    assert outcasts.xpath('*/*/*[local-name()="reason"]/text()') == ["peace!"]
    assert isinstance(await tybalt.client.join(room), nio.JoinError)
    await romeo.result(matrix_stage.room, change(f"jid='{address}' affiliation='none'"), "set")
    await tybalt.join(room)


async def test_ban_of_an_xmpp_user_who_is_not_there_holds(matrix_stage: MatrixStage):
    """He is banned by his own address before he ever came."""
    romeo, _, _ = await romeo_rules(matrix_stage)
    tybalt = await matrix_stage.on_xmpp("tybalt")
    await romeo.result(matrix_stage.room, change(f"jid='{tybalt.bare}' affiliation='outcast'"), "set")
    outcasts = await romeo.result(matrix_stage.room, change("affiliation='outcast'"))
    assert listed(outcasts) == [tybalt.bare]
    assert await tybalt.refused(matrix_stage.room, "tybalt") == "forbidden"
    await romeo.result(matrix_stage.room, change(f"jid='{tybalt.bare}' affiliation='none'"), "set")
    await tybalt.join(matrix_stage.room, "tybalt")


async def test_ban_on_matrix_crosses_at_once(matrix_stage: MatrixStage):
    """The banned is told by whom and why, and cannot come back."""
    romeo, juliet, room = await matrix_stage.together()
    async with asyncio.timeout(BAN_SECONDS):
        await juliet.client.room_ban(room, matrix_stage.ghost("romeo"), "too loud")
        gone = await romeo.presence(
            frm=f"{matrix_stage.room}/romeo", type="unavailable", has=[status(301), status(110)]
        )
    assert values(gone, "mucuser:x/mucuser:item/mucuser:reason") == ["too loud"]
    assert values(gone, "mucuser:x/mucuser:item/mucuser:actor/@nick") == ["Juliet"]
    assert await romeo.refused(matrix_stage.room, "romeo") == "forbidden"
    await juliet.client.room_unban(room, matrix_stage.ghost("romeo"))
    await romeo.join(matrix_stage.room, "romeo")


async def test_moderators_retract_what_others_said(matrix_stage: MatrixStage):
    """XEP-0425 both ways: by a moderator on XMPP, and by one on Matrix."""
    romeo, juliet, room = await romeo_rules(matrix_stage, 50)
    said = await juliet.say(room, "fie")
    await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    wish = f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{said}'><retract xmlns='urn:xmpp:message-retract:1'/><reason>hush</reason></moderate>"
    await romeo.result(matrix_stage.room, wish, "set")
    shown = await romeo.message(frm=matrix_stage.room)
    assert shown.xpath("*[local-name()='retract']/@id") == [said]
    taken = await juliet.find(
        "m.room.redaction", lambda event: event["sender"] == matrix_stage.ghost("romeo")
    )
    assert said in (taken.get("redacts"), taken["content"].get("redacts"))
    romeo.say(matrix_stage.room, "fie too")
    own = (await romeo.message(frm=f"{matrix_stage.room}/romeo")).xpath("*[local-name()='stanza-id']/@id")
    await juliet.client.room_redact(room, own[0], "hush too")
    shown = await romeo.message(frm=matrix_stage.room)
    assert shown.xpath("*[local-name()='retract']/@id") == own
    assert shown.xpath("*[local-name()='retract']/*[local-name()='moderated']")


async def test_invitations_open_a_closed_room(matrix_stage: MatrixStage):
    """Of somebody on Matrix by his JID, and of somebody on XMPP by his own, who is told of it by the room."""
    romeo, _, room = await romeo_rules(matrix_stage, preset=nio.RoomPreset.private_chat)
    mercutio = await matrix_stage.on_matrix("Mercutio")
    benvolio = await matrix_stage.on_xmpp("benvolio")
    assert await benvolio.refused(matrix_stage.room, "benvolio") == "registration-required"
    for whom in (jid(matrix_stage, mercutio.id), benvolio.bare):
        romeo.send(
            f"<message to='{matrix_stage.room}'><x xmlns='http://jabber.org/protocol/muc#user'>"
            f"<invite to='{whom}'><reason>come</reason></invite></x></message>"
        )
    assert (await invited(mercutio, room))["sender"] == matrix_stage.ghost("romeo")
    await mercutio.join(room)
    told = await benvolio.find_anywhere(
        Pattern("message", frm=matrix_stage.room, has="mucuser:x/mucuser:invite")
    )
    assert values(told, "mucuser:x/mucuser:invite/@from") == [f"{matrix_stage.room}/romeo"]
    await benvolio.join(matrix_stage.room, "benvolio")
    members = await romeo.result(matrix_stage.room, change("affiliation='member'"))
    assert set(listed(members)) == {
        jid(matrix_stage, mercutio.id),
        benvolio.bare,
    }


async def test_kick_out_of_a_closed_room_takes_the_membership(matrix_stage: MatrixStage):
    """XEP-0045 §9.4: 321 tells that he does not come back uninvited; where the room closes, all stay members."""
    romeo, juliet, room = await matrix_stage.together()
    nurse = await matrix_stage.on_xmpp("nurse")
    await nurse.join(matrix_stage.room, "nurse")
    await juliet.client.room_put_state(room, "m.room.join_rules", {"join_rule": "invite"})
    for nick in ("romeo", "nurse"):
        member = [item(affiliation="member"), status(110)] if nick == "romeo" else item(affiliation="member")
        await romeo.mailbox.find(Pattern("presence", frm=f"{matrix_stage.room}/{nick}", has=member))
    await romeo.mailbox.find(Pattern("message", frm=matrix_stage.room, has=status(104)))
    await juliet.client.room_kick(room, matrix_stage.ghost("romeo"), "enough")
    codes = [status(307), status(321), status(110)]
    gone = await romeo.presence(frm=f"{matrix_stage.room}/romeo", type="unavailable", has=codes)
    assert values(gone, "mucuser:x/mucuser:item/mucuser:reason") == ["enough"]
    assert values(gone, "mucuser:x/mucuser:item/@affiliation") == ["none"]
    assert await romeo.refused(matrix_stage.room, "romeo") == "registration-required"


async def test_direct_invitation_of_a_contact_reaches_him(matrix_stage: MatrixStage):
    """XEP-0249, sent to a JID of the gateway, is an invitation of Matrix; affiliation member is another."""
    romeo, _, room = await romeo_rules(matrix_stage, preset=nio.RoomPreset.private_chat)
    mercutio, paris = await matrix_stage.on_matrix("Mercutio"), await matrix_stage.on_matrix("Paris")
    romeo.send(
        f"<message to='{jid(matrix_stage, mercutio.id)}'>"
        f"<x xmlns='jabber:x:conference' jid='{matrix_stage.room}'/></message>"
    )
    await invited(mercutio, room)
    await romeo.result(
        matrix_stage.room, change(f"jid='{jid(matrix_stage, paris.id)}' affiliation='member'"), "set"
    )
    await invited(paris, room)
    await paris.join(room)
    await romeo.mailbox.find(Pattern("presence", frm=f"{matrix_stage.room}/Paris"))
    await romeo.result(matrix_stage.room, change("nick='Paris' affiliation='none'"), "set")
    codes = [status(307), status(321)]
    await romeo.presence(frm=f"{matrix_stage.room}/Paris", type="unavailable", has=codes)


OWNER = "http://jabber.org/protocol/muc#owner"


async def configure(person: Person, room: str, **fields: str) -> Stanza:
    """Submit the owner's form with these fields; __ stands for #."""
    written = "".join(
        f"<field var='{name.replace('__', '#').replace('x_', 'x-')}'><value>{value}</value></field>"
        for name, value in fields.items()
    )
    return await person.iq(
        room, f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'>{written}</x></query>", "set"
    )


async def features(person: Person, room: str) -> set[str]:
    """What disco says of a room."""
    info = await person.result(room, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    return {str(one) for one in info.xpath("*/*[local-name()='feature']/@var")}


async def test_owner_configures_the_room(matrix_stage: MatrixStage):
    """Name, description, who comes in, who speaks and who reads: each is a state event, and disco tells it."""
    romeo, juliet, room = await romeo_rules(matrix_stage)
    assert {"muc_open", "muc_unmoderated", "muc_public", "muc_persistent"} <= await features(
        romeo, matrix_stage.room
    )
    form = await romeo.result(matrix_stage.room, f"<query xmlns='{OWNER}'/>")
    shown = {
        one.get("var"): one.xpath("*[local-name()='value']/text()")
        for one in form.xpath("*/*/*[local-name()='field']")
    }
    assert shown["muc#roomconfig_membersonly"] == ["false"] and shown["x-history"] == ["members"]
    done = await configure(
        romeo,
        matrix_stage.room,
        muc__roomconfig_roomname="Balcony",
        muc__roomconfig_roomdesc="At night",
        muc__roomconfig_membersonly="1",
        x_knocking="1",
        muc__roomconfig_moderatedroom="1",
        muc__roomconfig_publicroom="0",
        x_history="present",
    )
    assert done.get("type") == "result"

    async def content(kind: str) -> dict[str, Any]:
        return dict((await juliet.client.room_get_state_event(room, kind)).content)

    assert await content("m.room.name") == {"name": "Balcony"}
    assert (await content("m.room.topic"))["topic"] == "At night"
    assert await content("m.room.join_rules") == {"join_rule": "knock"}
    assert await content("m.room.history_visibility") == {"history_visibility": "joined"}
    assert (await content("m.room.power_levels"))["events_default"] == 1
    for _ in ("name", "who comes in", "who speaks"):
        await romeo.mailbox.find(Pattern("message", frm=matrix_stage.room, has=status(104)))
    assert {"muc_membersonly", "muc_moderated", "muc_hidden"} <= await features(romeo, matrix_stage.room)


async def test_configuration_on_matrix_is_seen_and_is_not_for_everybody(matrix_stage: MatrixStage):
    """Status 104 tells of a change; who has no power is shown no field of the room, and can change none."""
    romeo, juliet, room = await matrix_stage.together()
    await juliet.client.room_put_state(room, "m.room.join_rules", {"join_rule": "invite"})
    await romeo.mailbox.find(Pattern("message", frm=matrix_stage.room, has=status(104)))
    assert "muc_membersonly" in await features(romeo, matrix_stage.room)
    form = await romeo.result(matrix_stage.room, f"<query xmlns='{OWNER}'/>")
    assert not [one for one in form.xpath("*/*/*[local-name()='field']/@var") if "roomconfig" in one]
    refused = await configure(romeo, matrix_stage.room, muc__roomconfig_membersonly="0")
    assert refused.xpath("error/*[local-name()='not-allowed']")


KNOCKING: dict[str, Any] = {
    "preset": nio.RoomPreset.private_chat,
    "room_version": "12",
    "initial_state": [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}],
}
REGISTER = "jabber:iq:register"


async def test_knock_of_an_xmpp_user_is_answered_by_an_invitation(matrix_stage: MatrixStage):
    """XEP-0045 §7.10: he is told that he can ask, asks by the form, and is invited."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet, **KNOCKING)
    romeo = await matrix_stage.on_xmpp("romeo")
    romeo.enter(matrix_stage.room, "romeo")
    refused = await romeo.presence(type="error")
    assert refused.xpath("error/*[local-name()='registration-required']")
    assert "register" in "".join(refused.xpath("error/*[local-name()='text']/text()"))
    form = await romeo.result(matrix_stage.room, f"<query xmlns='{REGISTER}'/>")
    assert form.xpath("*/*/*[local-name()='field']/@var") == ["FORM_TYPE", "x-reason"]
    data = "<x xmlns='jabber:x:data' type='submit'><field var='x-reason'><value>love</value></field></x>"
    await romeo.result(matrix_stage.room, f"<query xmlns='{REGISTER}'>{data}</query>", "set")
    knock = await juliet.find("m.room.member", lambda e: e["content"]["membership"] == "knock", room=room)
    assert (knock["state_key"], knock["content"]["reason"]) == (matrix_stage.ghost("romeo"), "love")
    await juliet.client.room_invite(room, matrix_stage.ghost("romeo"))
    invitation = await romeo.find_anywhere(Pattern("message", has="mucuser:x/mucuser:invite"))
    await romeo.join(invitation.get("from"), "romeo")


@pytest.mark.parametrize("allow", ["1", "0"])
async def test_knock_on_matrix_is_answered_by_a_moderator_on_xmpp(matrix_stage: MatrixStage, allow: str):
    """XEP-0045 §9.9: a form says who asks and why; the answer lets him in, or sends him away."""
    romeo, juliet, room = await romeo_rules(matrix_stage, **KNOCKING)
    mercutio = await matrix_stage.on_matrix("Mercutio")
    headers = {"Authorization": f"Bearer {mercutio.client.access_token}"}
    path = f"/_matrix/client/v3/knock/{quote(room)}"
    await mercutio.client.send("POST", path, '{"reason": "a feast"}', headers)
    asked = await romeo.message(frm=matrix_stage.room, has="body[contains(., 'a feast')]")
    data = asked.xpath("*[local-name()='x']")[0]
    fields = {one.get("var"): one.xpath("*/text()")[0] for one in data.xpath("*[local-name()='field']")}
    assert fields["x-jid"] == jid(matrix_stage, mercutio.id)
    fields["muc#register_allow"] = allow
    written = "".join(f"<field var='{key}'><value>{value}</value></field>" for key, value in fields.items())
    romeo.send(
        f"<message to='{matrix_stage.room}'><x xmlns='jabber:x:data' type='submit'>{written}</x></message>"
    )
    if allow == "1":
        await invited(mercutio, room)
        await mercutio.join(room)
        await romeo.presence(frm=f"{matrix_stage.room}/Mercutio")
    else:
        gone = await juliet.find("m.room.member", lambda e: e["content"]["membership"] == "leave", room=room)
        assert (gone["state_key"], gone["sender"]) == (mercutio.id, matrix_stage.ghost("romeo"))


# ---- voice

REQUEST = "http://jabber.org/protocol/muc#request"


def request(**fields: str) -> str:
    """Return the form that asks for voice, or answers who does."""
    values = {"FORM_TYPE": REQUEST, **{f"muc#{name}": value for name, value in fields.items()}}
    written = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in values.items())
    return f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"


async def test_voice_is_asked_for_on_matrix_and_given_by_a_level(matrix_stage: MatrixStage):
    """XEP-0045 §7.13: who can change levels is asked in a chat, and what he does is seen on XMPP."""
    romeo, juliet, room = await matrix_stage.together()
    ghost = matrix_stage.ghost("romeo")
    await set_level(juliet, room, ghost, -1)
    await romeo.presence(frm=f"{matrix_stage.room}/romeo", has=item(role="visitor"))
    romeo.send(f"<message to='{matrix_stage.room}' id='v1'>{request(role='participant')}</message>")
    chat = await juliet.find("m.room.member", lambda event: event["content"].get("is_direct") is True)
    await juliet.join(chat["room_id"])
    asked = await juliet.find("m.room.message", room=chat["room_id"])
    assert asked["sender"] == ghost and matrix_stage.alias in asked["content"]["body"]
    romeo.send(f"<message to='{matrix_stage.room}' id='v2'>{request(role='participant')}</message>")
    refused = await romeo.message(frm=matrix_stage.room, type="error")
    assert refused.get("id") == "v2"
    await set_level(juliet, room, ghost, 0)
    await romeo.presence(frm=f"{matrix_stage.room}/romeo", has=item(role="participant"))


async def test_voice_is_asked_for_and_given_on_xmpp(matrix_stage: MatrixStage):
    """XEP-0045 §8.6: a moderator on XMPP is asked by a form, and his answer is a power level."""
    romeo, juliet, room = await romeo_rules(matrix_stage)
    benvolio = await matrix_stage.on_xmpp("benvolio")
    await benvolio.join(matrix_stage.room, "benvolio")
    ghost = matrix_stage.ghost("benvolio")
    await set_level(juliet, room, ghost, -1)
    await benvolio.mailbox.find(Pattern("presence", has=[item(role="visitor"), status(110)]))
    benvolio.send(f"<message to='{matrix_stage.room}' id='v1'>{request(role='participant')}</message>")
    asked = await romeo.mailbox.find(Pattern("message", frm=matrix_stage.room, has="data:x[@type='form']"))
    named = values(asked, "data:x/data:field[@var='muc#jid']/data:value")
    assert named == [benvolio.bare]
    answer = request(role="participant", roomnick="benvolio", request_allow="true")
    romeo.send(f"<message to='{matrix_stage.room}' id='v2'>{answer}</message>")
    await benvolio.mailbox.find(Pattern("presence", has=[item(role="participant"), status(110)]))
    assert ghost not in (await levels(juliet, room))["users"]


# ---- invitations that are not followed

MUC_USER = "http://jabber.org/protocol/muc#user"


async def test_invitation_that_is_declined_on_xmpp_is_on_matrix(matrix_stage: MatrixStage):
    """XEP-0045 §7.8.2: the ghost does not come, and says why."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet, preset=nio.RoomPreset.private_chat)
    romeo, ghost = await matrix_stage.on_xmpp("romeo"), matrix_stage.ghost("romeo")
    await juliet.client.room_invite(room, ghost)
    told = await romeo.find_anywhere(Pattern("message", has="mucuser:x/mucuser:invite"))
    [inviter] = values(told, "mucuser:x/mucuser:invite/@from")
    decline = f"<decline to='{inviter}'><reason>too late</reason></decline>"
    romeo.send(f"<message to='{told.get('from')}'><x xmlns='{MUC_USER}'>{decline}</x></message>")
    gone = await juliet.find("m.room.member", lambda e: e["content"]["membership"] == "leave", room=room)
    assert (gone["state_key"], gone["sender"], gone["content"]["reason"]) == (ghost, ghost, "too late")


async def test_invitation_that_is_declined_on_matrix_is_on_xmpp(matrix_stage: MatrixStage):
    """XEP-0045 §7.8.2: who invited is told, and by whom."""
    romeo, _, room = await romeo_rules(matrix_stage, preset=nio.RoomPreset.private_chat)
    mercutio = await matrix_stage.on_matrix("Mercutio")
    address = jid(matrix_stage, mercutio.id)
    invite = f"<x xmlns='{MUC_USER}'><invite to='{address}'/></x>"
    romeo.send(f"<message to='{matrix_stage.room}'>{invite}</message>")
    await invited(mercutio, room)
    headers = {"Authorization": f"Bearer {mercutio.client.access_token}"}
    path = f"/_matrix/client/v3/rooms/{quote(room)}/leave"
    await mercutio.client.send("POST", path, '{"reason": "too late"}', headers)
    told = await romeo.message(frm=matrix_stage.room, has="mucuser:x/mucuser:decline")
    assert values(told, "mucuser:x/mucuser:decline/@from") == [address]
    assert values(told, "mucuser:x/mucuser:decline/mucuser:reason") == ["too late"]


async def test_restricted_room_lets_in_members_of_another(matrix_stage: MatrixStage):
    """The ghost is what counts; who is not in that other room is told that there is one."""
    romeo, juliet, lobby = await matrix_stage.together()
    benvolio = await matrix_stage.on_xmpp("benvolio")
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": lobby}]}
    matrix_stage.alias += "b"
    state = [{"type": "m.room.join_rules", "state_key": "", "content": rule}]
    await matrix_stage.open_room(juliet, initial_state=state)
    assert "Juliet" in (await romeo.join(matrix_stage.room, "romeo")).nicks
    assert "muc_membersonly" in await features(romeo, matrix_stage.room)
    benvolio.enter(matrix_stage.room, "benvolio")
    refused = await benvolio.presence(type="error")
    assert refused.xpath("error/*[local-name()='registration-required']")
    assert "other rooms" in "".join(refused.xpath("error/*[local-name()='text']/text()"))
