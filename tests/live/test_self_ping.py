"""Self-ping (XEP-0410) and pings in general (XEP-0199)."""

from tests.live.cast.stanzas import value
from tests.live.stage import Stage

PING = "<ping xmlns='urn:xmpp:ping'/>"


async def test_self_ping_in_the_room_succeeds(stage: Stage):
    """A ping to one's own occupant is answered while one is in."""
    romeo, _ = await stage.together()
    await romeo.result(f"{stage.room}/{stage.nick('romeo')}", PING)


async def test_self_ping_after_leaving_tells_so(stage: Stage):
    """Out of the room the answer is not-acceptable, which makes clients join again."""
    romeo, _ = await stage.together()
    await romeo.left(stage.room, stage.nick("romeo"))
    assert await romeo.error(f"{stage.room}/{stage.nick('romeo')}", PING) == "not-acceptable"


async def test_self_ping_of_a_resource_not_in_the_room_tells_so(stage: Stage):
    """Each resource is asked about for itself."""
    _romeo, _ = await stage.together()
    other = await stage.on_xmpp("romeo", "b")
    assert await other.error(f"{stage.room}/{stage.nick('romeo')}", PING) == "not-acceptable"


async def test_ping_of_the_gateway_server_and_room(stage: Stage):
    """The gateway, a server and a room answer pings."""
    romeo, _ = await stage.together()
    for address in (stage.domain, stage.server, stage.room):
        await romeo.result(address, PING)


async def test_ping_of_somebody_on_irc_is_a_ctcp_ping(stage: Stage):
    """A ping to another occupant waits for his client's answer."""
    romeo, juliet = await stage.together()
    romeo.send(f"<iq type='get' id='p1' to='{stage.room}/{juliet.nick}'>{PING}</iq>")
    line = await juliet.find("PRIVMSG", juliet.nick)
    assert line.params[1].startswith("\x01PING")
    waiting = romeo.expect_answer("p1")
    juliet.send(f"NOTICE {stage.nick('romeo')} :{line.params[1]}")
    assert value(await waiting, "@type") == "result"


async def test_version_of_somebody_on_irc_is_ctcp_version(stage: Stage):
    """iq version to an occupant asks his client."""
    romeo, juliet = await stage.together()
    romeo.send(
        f"<iq type='get' id='v1' to='{stage.room}/{juliet.nick}'><query xmlns='jabber:iq:version'/></iq>"
    )
    await juliet.hears(juliet.nick, "\x01VERSION\x01")
    waiting = romeo.expect_answer("v1")
    juliet.send(f"NOTICE {stage.nick('romeo')} :\x01VERSION irssi v1.4\x01")
    assert "irssi" in value(await waiting, "version:query/version:name")


async def test_ctcp_version_from_irc_is_asked_of_the_client(stage: Stage):
    """CTCP VERSION of somebody on IRC is answered with what the user's client says of itself."""
    romeo, juliet = await stage.together()
    name = "<query xmlns='jabber:iq:version'><name>Gajim</name><version>2.0</version><os>Linux</os></query>"
    romeo.answers["jabber:iq:version"] = name
    juliet.say(stage.nick("romeo"), "\x01VERSION\x01")
    line = await juliet.find("NOTICE", nick=stage.nick("romeo"))
    assert line.params[1].startswith("\x01VERSION ") and "Gajim" in line.params[1]


async def test_ctcp_ping_from_irc_is_answered(stage: Stage):
    """CTCP PING of somebody on IRC comes back with its argument."""
    _romeo, juliet = await stage.together()
    juliet.say(stage.nick("romeo"), "\x01PING 12345\x01")
    await juliet.find("NOTICE", nick=stage.nick("romeo"), last="\x01PING 12345\x01")
