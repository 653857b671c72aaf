"""The server's own JID: raw commands, answers and notices."""

from tests.live.cast.irc import REAL_NAME
from tests.live.stage import Stage


async def test_connection_is_announced(stage: Stage):
    """Connecting and the welcome are told by the server's JID."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    await romeo.notice("Connect")


async def test_raw_command_is_sent_and_answered(stage: Stage):
    """A chat to the server's JID is a line; what it answers comes back."""
    romeo, juliet = await stage.together()
    romeo.say(stage.server, f"WHOIS {juliet.nick}", type="chat")
    await romeo.notice(REAL_NAME)
    romeo.say(stage.server, f"PRIVMSG {juliet.nick} :raw indeed", type="chat")
    await juliet.hears(juliet.nick, "raw indeed")


async def test_unknown_raw_command_is_answered_by_the_server(stage: Stage):
    """421 is shown."""
    romeo, _ = await stage.together()
    romeo.say(stage.server, "FROBNICATE now", type="chat")
    await romeo.notice("FROBNICATE")


async def test_raw_command_without_connection_is_an_error(stage: Stage):
    """Not connected: the message comes back."""
    romeo = await stage.on_xmpp("romeo")
    romeo.say(stage.server, "WHOIS x", type="chat")
    stanza = await romeo.notices.take("an error")
    assert stanza.get("type") == "error"


async def test_private_notice_is_shown(stage: Stage):
    """A NOTICE of somebody never written to is told by the server's JID or by himself."""
    romeo, juliet = await stage.together()
    juliet.send(f"NOTICE {stage.nick('romeo')} :mind the gap")
    await romeo.eventually("mind the gap")


async def test_presence_of_gateway_and_server_in_the_roster(stage: Stage):
    """Subscribing to the gateway and to a server shows when they are there (XEP-0100)."""
    romeo = await stage.on_xmpp("romeo")
    romeo.send(f"<presence type='subscribe' to='{stage.domain}'/>")
    await romeo.notices.find_where(lambda one: one.get("type") == "subscribed", "subscribed")
    await romeo.notices.find_where(lambda one: one.tag == "presence" and one.get("type") is None, "available")
    romeo.send(f"<presence type='subscribe' to='{stage.server}'/>")
    await romeo.notices.find_where(lambda one: one.get("type") == "subscribed", "subscribed")
    await romeo.join(stage.room, stage.nick("romeo"))
    await romeo.notices.find_where(
        lambda one: (
            one.tag == "presence" and one.get("type") is None and one.get("from", "").startswith(stage.server)
        ),
        "the server's presence",
    )
