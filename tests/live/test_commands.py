"""Ad-hoc commands (XEP-0050): a user's settings, and what an administrator may do."""

import pytest
from lxml import etree

from tests.live.cast.stanzas import Pattern, status, value, values
from tests.live.stage import Stage

NODE = "http://jabber.org/protocol/commands"
LIST = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{NODE}'/>"
NODES = "discoitems:query/discoitems:item/@node"


async def test_commands_are_listed_by_address_and_rank(stage: Stage):
    """The gateway lists its commands; an administrator sees more."""
    romeo = await stage.on_xmpp("romeo")
    own = set(values(await romeo.result(stage.domain, LIST), NODES))
    assert own >= {"configure", "disconnect-from-irc-server"}
    assert "disconnect-user" not in own
    assert "configure" in values(await romeo.result(stage.server, LIST), NODES)
    assert "configure" in values(await romeo.result(stage.room, LIST), NODES)


async def test_administrator_disconnects_a_user(stage: Stage):
    """disconnect-user puts somebody out of all rooms; others may not run it."""
    romeo, juliet = await stage.together()
    admin = await stage.on_xmpp("admin", f"r{stage.number}", account="admin")
    assert "disconnect-user" in values(await admin.result(stage.domain, LIST), NODES)
    form: dict[str, str | list[str]] = {"jids": [romeo.bare], "quit-message": "the plague"}
    await admin.command(stage.domain, "disconnect-user", form)
    await juliet.find("QUIT", nick=stage.nick("romeo"))
    await romeo.mailbox.find(Pattern("presence", type="unavailable", has=status(110)))
    command = f"<command xmlns='{NODE}' node='disconnect-user' action='execute'/>"
    assert await romeo.error(stage.domain, command, "set") == "forbidden"


async def test_settings_are_kept(stage: Stage):
    """What is submitted is shown the next time; fields not sent keep their values."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.command(stage.server, "configure", {"nick": "Montague", "realname": "R. Montague"})
    await romeo.command(stage.server, "configure", {"username": "rom"})
    form = await romeo.command(stage.server, "configure")
    path = "adhoc:command/data:x/data:field[@var='{}']/data:value"
    assert value(form, path.format("nick")) == "Montague"
    assert value(form, path.format("realname")) == "R. Montague"
    assert value(form, path.format("username")) == "rom"
    assert value(form, path.format("verify_cert")) in ("1", "true")


async def test_nick_and_real_name_of_the_settings_are_used(stage: Stage):
    """A nick of the settings wins over the one of the join; the real name shows in WHOIS."""
    romeo = await stage.on_xmpp("romeo")
    mine = stage.nick("capulet")
    await romeo.command(stage.server, "configure", {"nick": mine, "realname": "Not a Montague"})
    seen = await romeo.join(stage.room, stage.nick("romeo"))
    assert seen.nick == mine
    juliet = await stage.on_irc("juliet", stage.channel)
    juliet.send(f"WHOIS {mine}")
    await juliet.find("311", juliet.nick, mine, last="Not a Montague")


async def test_after_connect_commands_are_sent(stage: Stage):
    """Raw lines of the settings are sent once connected."""
    juliet = await stage.on_irc("juliet")
    romeo = await stage.on_xmpp("romeo")
    lines = [f"PRIVMSG {juliet.nick} :I am here"]
    await romeo.command(stage.server, "configure", {"after_connect_commands": lines})
    await romeo.join(stage.room, stage.nick("romeo"))
    await juliet.hears(juliet.nick, "I am here", nick=stage.nick("romeo"))


async def test_bad_value_is_refused_or_ignored(stage: Stage):
    """A number that is none changes nothing."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.command(stage.server, "configure", {"ports": ["bad"], "realname": "x"})
    form = await romeo.command(stage.server, "configure")
    assert "bad" not in etree.tostring(form, encoding="unicode")


@pytest.mark.stage("inspircd", "ngircd")  # ircd-hybrid hides what the newly connected say when they quit
async def test_disconnect_from_one_server(stage: Stage):
    """A user ends his own link to a server."""
    romeo, juliet = await stage.together()
    form: dict[str, str | list[str]] = {"irc-servers": [stage.ircd.name], "quit-message": "so long"}
    await romeo.command(stage.domain, "disconnect-from-irc-server", form)
    line = await juliet.find("QUIT", nick=stage.nick("romeo"))
    assert "so long" in line.params[-1]
    await romeo.mailbox.find(Pattern("presence", type="unavailable", has=status(110)))


async def test_connection_info_names_server_and_channel(stage: Stage):
    """get-irc-connection-info tells since when and which channels."""
    romeo, _ = await stage.together()
    told = await romeo.command(stage.server, "get-irc-connection-info")
    text = " ".join(told.itertext())
    assert stage.ircd.name in text and stage.channel in text


async def test_room_configuration_form(stage: Stage):
    """muc#owner and the channel's configure are the same settings."""
    romeo, _ = await stage.together()
    owner = "<query xmlns='http://jabber.org/protocol/muc#owner'/>"
    form = await romeo.result(stage.room, owner)
    names = values(form, "mucowner:query/data:x/data:field/@var")
    assert {"record_history", "persistent"} <= set(names)
    data = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        "<field var='record_history'><value>false</value></field></x>"
    )
    await romeo.result(
        stage.room, f"<query xmlns='http://jabber.org/protocol/muc#owner'>{data}</query>", "set"
    )
    shown = await romeo.command(stage.room, "configure")
    path = "adhoc:command/data:x/data:field[@var='record_history']/data:value"
    assert value(shown, path) in ("false", "0")
