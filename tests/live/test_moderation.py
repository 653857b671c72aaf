"""Kicks, bans, modes (XEP-0045 §8 and §9) both ways."""

from tests.live.cast.irc import IrcPerson
from tests.live.cast.stanzas import Pattern, item, status, values
from tests.live.cast.xmpp import Person
from tests.live.stage import Stage

ADMIN = "http://jabber.org/protocol/muc#admin"


def change(attributes: str, reason: str = "") -> str:
    """Return a muc#admin query with one item."""
    text = f"<reason>{reason}</reason>" if reason else ""
    return f"<query xmlns='{ADMIN}'><item {attributes}>{text}</item></query>"


async def romeo_rules(stage: Stage) -> tuple[Person, IrcPerson]:
    """Put Romeo into the channel as operator, then Juliet."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    juliet = await stage.on_irc("juliet", stage.channel)
    await romeo.mailbox.find(Pattern("presence", frm=f"{stage.room}/{juliet.nick}"))
    return romeo, juliet


async def test_kick_from_xmpp(stage: Stage):
    """Role none is KICK, with its reason; the room shows 307."""
    romeo, juliet = await romeo_rules(stage)
    await romeo.result(stage.room, change(f"nick='{juliet.nick}' role='none'", "go &amp; &lt;sleep>"), "set")
    await juliet.find("KICK", stage.channel, juliet.nick, last="go & <sleep>")
    await romeo.mailbox.find(
        Pattern("presence", frm=f"{stage.room}/{juliet.nick}", type="unavailable", has=status(307))
    )


async def test_kick_by_the_powerless_is_refused(stage: Stage):
    """482: the iq ends with an error."""
    romeo, juliet = await stage.together()
    assert await romeo.error(stage.room, change(f"nick='{juliet.nick}' role='none'"), "set") in (
        "not-allowed",
        "forbidden",
    )


async def test_kick_of_nobody_is_refused(stage: Stage):
    """401/441: the iq ends with an error."""
    romeo, _ = await romeo_rules(stage)
    assert await romeo.error(stage.room, change("nick='nobodyhere' role='none'"), "set") == "item-not-found"


async def test_being_kicked_shows_307_with_reason_and_actor(stage: Stage):
    """Kicked on IRC: one is out, and told by whom and why."""
    romeo, juliet = await stage.together()
    juliet.send(f"KICK {stage.channel} {stage.nick('romeo')} :too loud")
    gone = await romeo.presence(
        frm=f"{stage.room}/{stage.nick('romeo')}", type="unavailable", has=[status(307), status(110)]
    )
    assert values(gone, "mucuser:x/mucuser:item/mucuser:reason") == ["too loud"]
    assert values(gone, "mucuser:x/mucuser:item/mucuser:actor/@nick") == [juliet.nick]
    seen = await romeo.join(stage.room, stage.nick("romeo"))
    assert seen.nicks == {juliet.nick}


async def test_voice_and_operator_are_roles_and_affiliations(stage: Stage):
    """+v is participant/member, +o moderator/admin; taking them away shows too."""
    romeo, juliet = await stage.together()
    mine = stage.nick("romeo")
    for mode, role, affiliation in (
        ("+v", "participant", "member"),
        ("+o", "moderator", "admin"),
        ("-o", "participant", "member"),
        ("-v", "participant", "none"),
    ):
        juliet.send(f"MODE {stage.channel} {mode} {mine}")
        await romeo.mailbox.find(
            Pattern("presence", frm=f"{stage.room}/{mine}", has=item(role=role, affiliation=affiliation))
        )


async def test_roles_and_affiliations_set_modes(stage: Stage):
    """Affiliation member is +v, admin +o, none takes both away."""
    romeo, juliet = await romeo_rules(stage)
    there = f"{stage.room}/{juliet.nick}"
    for affiliation, role in (("member", "participant"), ("admin", "moderator"), ("none", "participant")):
        await romeo.result(stage.room, change(f"nick='{juliet.nick}' affiliation='{affiliation}'"), "set")
        await romeo.mailbox.find(Pattern("presence", frm=there, has=item(role=role, affiliation=affiliation)))


async def test_ban_from_xmpp_puts_out_and_is_listed(stage: Stage):
    """Outcast is +b and a kick; the list of outcasts shows the mask, and taking it off removes it."""
    romeo, juliet = await romeo_rules(stage)
    await romeo.result(stage.room, change(f"nick='{juliet.nick}' affiliation='outcast'", "enough"), "set")
    await juliet.find("KICK", stage.channel, juliet.nick)
    query = f"<query xmlns='{ADMIN}'><item affiliation='outcast'/></query>"
    listed = await romeo.result(stage.room, query)
    jids = values(listed, "mucadmin:query/mucadmin:item[@affiliation='outcast']/@jid")
    assert len(jids) == 1
    await romeo.result(stage.room, change(f'jid="{jids[0]}" affiliation="none"'), "set")
    emptied = await romeo.result(stage.room, query)
    assert values(emptied, "mucadmin:query/mucadmin:item/@jid") == []
    await juliet.join(stage.channel)


async def test_ban_on_irc_is_listed(stage: Stage):
    """A +b set on IRC is in the list of outcasts."""
    romeo, juliet = await stage.together()
    await juliet.mode(stage.channel, "+o " + stage.nick("romeo"))
    await juliet.mode(stage.channel, "+b *!*@bad.example")
    listed = await romeo.result(stage.room, f"<query xmlns='{ADMIN}'><item affiliation='outcast'/></query>")
    assert len(values(listed, "mucadmin:query/mucadmin:item/@jid")) == 1


async def test_mode_line_is_sent_as_a_command(stage: Stage):
    """A body that begins with /mode changes the channel's mode, as Biboumi's users know it."""
    romeo, juliet = await romeo_rules(stage)
    romeo.say(stage.room, f"/mode +v {juliet.nick}")
    await juliet.find("MODE", stage.channel, "+v", juliet.nick)


async def test_forced_part_of_the_last_operator_is_no_end(stage: Stage):
    """After a kick the other occupants remain for those who stay."""
    romeo, juliet = await stage.together()
    mercutio = await stage.on_irc("mercutio", stage.channel)
    await romeo.presence(frm=f"{stage.room}/{mercutio.nick}")
    juliet.send(f"KICK {stage.channel} {mercutio.nick} :bye")
    await romeo.presence(frm=f"{stage.room}/{mercutio.nick}", type="unavailable", has=status(307))
    juliet.say(stage.channel, "only us")
    await romeo.message(body="only us")
