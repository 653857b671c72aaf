"""Entering a room (XEP-0045 §7.2): what is seen, in which order, and every way of being refused."""

import pytest

from tests.live.cast.stanzas import Pattern, item, status, value
from tests.live.cast.xmpp import condition
from tests.live.stage import Stage


async def test_join_shows_occupants_self_and_subject_in_order(stage: Stage):
    """The others come first, then oneself with status 110, then the subject."""
    juliet = await stage.on_irc("juliet", stage.channel)
    juliet.send(f"TOPIC {stage.channel} :Verona by night")
    await juliet.find("TOPIC", stage.channel)
    romeo = await stage.on_xmpp("romeo")
    seen = await romeo.join(stage.room, stage.nick("romeo"))
    assert seen.nicks == {juliet.nick}
    assert seen.nick == stage.nick("romeo")
    assert value(seen.occupants[0], "mucuser:x/mucuser:item/@role") == "moderator"
    assert seen.subject.findtext("subject") == "Verona by night"
    await juliet.find("JOIN", stage.channel, nick=stage.nick("romeo"))


async def test_first_in_a_channel_is_its_operator(stage: Stage):
    """Who makes a channel has its operator mode, shown as moderator; the subject is empty."""
    romeo = await stage.on_xmpp("romeo")
    seen = await romeo.join(stage.room, stage.nick("romeo"))
    assert seen.nicks == set()
    assert value(seen.self_presence, "mucuser:x/mucuser:item/@role") == "moderator"
    assert not seen.subject.findtext("subject")


async def test_two_users_of_the_gateway_see_each_other(stage: Stage):
    """A second user's join is one presence for the first."""
    romeo, mercutio = await stage.on_xmpp("romeo"), await stage.on_xmpp("mercutio")
    await romeo.join(stage.room, stage.nick("romeo"))
    seen = await mercutio.join(stage.room, stage.nick("mercutio"))
    assert seen.nicks == {stage.nick("romeo")}
    there = f"{stage.room}/{stage.nick('mercutio')}"
    await romeo.mailbox.find(Pattern("presence", frm=there, has=item(role="participant")))
    await romeo.nothing_more(stage.domain)


async def test_join_and_leave_of_another_are_seen(stage: Stage):
    """A person of IRC comes and goes; his reason is shown."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    juliet = await stage.on_irc("juliet", stage.channel)
    there = f"{stage.room}/{juliet.nick}"
    seen = Pattern("presence", frm=there, type=None, has=item(role="participant", affiliation="none"))
    await romeo.mailbox.find(seen)
    juliet.send(f"PART {stage.channel} :good night")
    gone = await romeo.presence(frm=there, type="unavailable")
    if stage.ircd.name != "hybrid.test":  # it hides what the newly connected say when they leave
        assert "good night" in (gone.findtext("status") or "")


async def test_quit_of_another_is_seen(stage: Stage):
    """A person of IRC who quits is gone from the room."""
    romeo, juliet = await stage.together()
    await juliet.quit()
    await romeo.presence(frm=f"{stage.room}/{juliet.nick}", type="unavailable")


async def test_leave_shows_the_way_out_and_parts(stage: Stage):
    """Leaving ends with one's own unavailable presence; IRC sees the part or quit."""
    romeo, juliet = await stage.together()
    await romeo.left(stage.room, stage.nick("romeo"))
    await juliet.sync()
    juliet.send(f"NAMES {stage.channel}")
    names = await juliet.find("353")
    while stage.nick("romeo") in names.params[-1]:
        juliet.send(f"NAMES {stage.channel}")
        names = await juliet.find("353")


async def test_leaving_a_room_one_is_not_in_disturbs_nothing(stage: Stage):
    """An unavailable presence to a room never joined ends quietly, or with one's own unavailable."""
    romeo = await stage.on_xmpp("romeo")
    romeo.leave(stage.room, "nobody")
    await romeo.result(stage.domain, "<ping xmlns='urn:xmpp:ping'/>")
    assert all(one.get("type") in ("unavailable", "error") for one in romeo.mailbox.waiting)


async def test_second_room_with_other_nick_keeps_the_servers_nick(stage: Stage):
    """IRC has one nick per server: status 210 tells which."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    second = stage.room_of(stage.new_channel())
    seen = await romeo.join(second, stage.nick("montague"))
    assert seen.nick == stage.nick("romeo")
    assert Pattern("presence", has=status(210)).matches(seen.self_presence)


async def test_escaped_channel_name_is_joined(stage: Stage):
    """XEP-0106: a slash in a channel's name is written \\2f in its JID."""
    juliet = await stage.on_irc("juliet", f"{stage.channel}/x")
    romeo = await stage.on_xmpp("romeo")
    seen = await romeo.join(stage.room_of(f"{stage.channel}\\2fx"), stage.nick("romeo"))
    assert seen.nicks == {juliet.nick}


async def test_channel_key_is_needed_and_given(stage: Stage):
    """+k: no or a wrong password is not-authorized, the right one enters."""
    juliet = await stage.on_irc("juliet", stage.channel)
    await juliet.mode(stage.channel, "+k sesame")
    romeo = await stage.on_xmpp("romeo")
    assert await romeo.refused(stage.room, stage.nick("romeo")) == "not-authorized"
    assert await romeo.refused(stage.room, stage.nick("romeo"), password="wrong") == "not-authorized"
    seen = await romeo.join(stage.room, stage.nick("romeo"), password="sesame")
    assert seen.nicks == {juliet.nick}


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [("+i", "registration-required"), ("+b *!*@*", "forbidden"), ("+l 1", "service-unavailable")],
    ids=["invite-only", "banned", "full"],
)
async def test_refused_join_says_why(stage: Stage, mode: str, wanted: str):
    """XEP-0045 §7.2.7 to §7.2.9: each refusal of IRC has its condition."""
    juliet = await stage.on_irc("juliet", stage.channel)
    await juliet.mode(stage.channel, mode)
    romeo = await stage.on_xmpp("romeo")
    assert await romeo.refused(stage.room, stage.nick("romeo")) == wanted


@pytest.mark.stage("inspircd")
async def test_registered_only_channel_refuses(stage: Stage):
    """+R: only who is logged in to services may join."""
    juliet = await stage.on_irc("juliet", stage.channel)
    await juliet.mode(stage.channel, "+R")
    romeo = await stage.on_xmpp("romeo")
    assert await romeo.refused(stage.room, stage.nick("romeo")) == "registration-required"


async def test_bad_channel_name_is_refused(stage: Stage):
    """A name that the server does not accept ends in an error, never in silence."""
    romeo = await stage.on_xmpp("romeo")
    romeo.enter(stage.room_of("#" + "x" * 250), stage.nick("romeo"))
    answer = await romeo.mailbox.next(Pattern("presence"))
    assert answer.get("type") == "error" and condition(answer)


async def test_bad_nick_is_refused(stage: Stage):
    """432: the server does not like the nick."""
    romeo = await stage.on_xmpp("romeo")
    assert await romeo.refused(stage.room, "-;+") in ("not-acceptable", "jid-malformed")


async def test_join_without_nick_is_refused(stage: Stage):
    """XEP-0045 §7.2.1: no resource, no nick."""
    romeo = await stage.on_xmpp("romeo")
    romeo.send(f"<presence to='{stage.room}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    assert condition(await romeo.presence(type="error")) == "jid-malformed"


async def test_unreachable_server_is_an_error(stage: Stage):
    """Nothing listens there: the join ends with an error that says so."""
    romeo = await stage.on_xmpp("romeo")
    room = stage.room_of(stage.channel, "nowhere.test")
    assert await romeo.refused(room, stage.nick("romeo")) in ("item-not-found", "remote-server-not-found")


async def test_unknown_host_is_an_error(stage: Stage):
    """A name that resolves to nothing: the join ends with an error that says so."""
    romeo = await stage.on_xmpp("romeo")
    room = stage.room_of(stage.channel, "does-not-exist.invalid")
    assert await romeo.refused(room, stage.nick("romeo")) in ("item-not-found", "remote-server-not-found")


async def test_occupants_have_stable_ids_and_irc_addresses(stage: Stage):
    """XEP-0421 ids do not change with a rejoin; the item's JID is the person's address on IRC."""
    romeo, juliet = await stage.together()
    await romeo.left(stage.room, stage.nick("romeo"))
    first = await romeo.join(stage.room, stage.nick("romeo"))
    await romeo.left(stage.room, stage.nick("romeo"))
    second = await romeo.join(stage.room, stage.nick("romeo"))
    ids = [value(seen.occupants[0], "occupant:occupant-id/@id") for seen in (first, second)]
    assert ids[0] == ids[1]
    own = value(second.self_presence, "occupant:occupant-id/@id")
    assert own != ids[0]
    assert juliet.nick in value(second.occupants[0], "@from")


async def test_many_channels_at_once_are_all_joined(stage: Stage):
    """Twenty joins sent together: each room is entered, in order within itself."""
    juliet = await stage.on_irc("juliet")
    channels = [stage.new_channel() for _ in range(20)]
    for channel in channels:
        await juliet.join(channel)
    romeo = await stage.on_xmpp("romeo")
    for channel in channels:
        romeo.enter(stage.room_of(channel), stage.nick("romeo"))
    entered: dict[str, list[str]] = {}
    while sum(steps[-1:] == ["subject"] for steps in entered.values()) < len(channels):
        stanza = await romeo.mailbox.take("twenty joins")
        room = stanza.get("from", "").partition("/")[0]
        mine = Pattern("presence", has=status(110)).matches(stanza)
        step = "subject" if stanza.tag == "message" else "self" if mine else "other"
        entered.setdefault(room, []).append(step)
    assert entered == {stage.room_of(channel): ["other", "self", "subject"] for channel in channels}
