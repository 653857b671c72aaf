"""Logging in to services with SASL (IRCv3 sasl-3.2): Atheme behind InspIRCd."""

import pytest

from tests.live.cast.irc import IrcPerson
from tests.live.stage import Stage

pytestmark = pytest.mark.stage("inspircd")


async def register(stage: Stage, name: str, password: str) -> IrcPerson:
    """Register a services account of the test's nick."""
    person = await stage.on_irc(name)
    person.send(f"PRIVMSG NickServ :REGISTER {password} {name}@example.com")
    await person.find("900")
    return person


async def test_plain_logs_in_before_the_join(stage: Stage):
    """Account and password of the settings: +R channels open, WHOIS shows the account."""
    owner = await register(stage, "romeo", "sesame")
    await owner.quit()
    juliet = await stage.on_irc("juliet", stage.channel)
    await juliet.mode(stage.channel, "+R")
    romeo = await stage.on_xmpp("romeo")
    await romeo.command(f"tls.test@{stage.domain}", "configure", {"sasl_password": "sesame"})
    await romeo.join(stage.room_of(stage.channel, "tls.test"), stage.nick("romeo"))
    juliet.send(f"WHOIS {stage.nick('romeo')}")
    await juliet.find("330", juliet.nick, stage.nick("romeo"), stage.nick("romeo"))


async def test_plain_with_another_account_than_the_nick(stage: Stage):
    """The account is a setting of its own."""
    await register(stage, "capulet", "sesame")
    juliet = await stage.on_irc("juliet", stage.channel)
    romeo = await stage.on_xmpp("romeo")
    form: dict[str, str | list[str]] = {"sasl_account": stage.nick("capulet"), "sasl_password": "sesame"}
    await romeo.command(f"tls.test@{stage.domain}", "configure", form)
    await romeo.join(stage.room_of(stage.channel, "tls.test"), stage.nick("romeo"))
    juliet.send(f"WHOIS {stage.nick('romeo')}")
    await juliet.find("330", juliet.nick, stage.nick("romeo"), stage.nick("capulet"))


async def test_wrong_password_is_refused_visibly(stage: Stage):
    """904: the join ends with not-authorized, never connected without a login."""
    owner = await register(stage, "romeo", "sesame")
    await owner.quit()
    romeo = await stage.on_xmpp("romeo")
    await romeo.command(f"tls.test@{stage.domain}", "configure", {"sasl_password": "wrong"})
    room = stage.room_of(stage.channel, "tls.test")
    assert await romeo.refused(room, stage.nick("romeo")) == "not-authorized"


async def test_external_logs_in_with_the_certificate(stage: Stage):
    """A client certificate whose fingerprint services know logs in without a password."""
    certificate = stage.house.authority.issue(stage.nick("client"), "client.example")
    owner = await register(stage, "romeo", "sesame")
    owner.send(f"PRIVMSG NickServ :CERT ADD {certificate.fingerprint()}")
    await owner.find("NOTICE", nick="NickServ")
    await owner.sync()
    await owner.quit()
    juliet = await stage.on_irc("juliet", stage.channel)
    romeo = await stage.on_xmpp("romeo")
    await romeo.command(f"tls.test@{stage.domain}", "configure", {"sasl_external": certificate.pem_lines()})
    await romeo.join(stage.room_of(stage.channel, "tls.test"), stage.nick("romeo"))
    juliet.send(f"WHOIS {stage.nick('romeo')}")
    await juliet.find("330", juliet.nick, stage.nick("romeo"), stage.nick("romeo"))


async def test_password_is_never_sent_without_tls(stage: Stage):
    """SASL PLAIN (RFC 4616 §6) is for encrypted links: on a plain one the login is refused, not leaked."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.command(stage.server, "configure", {"sasl_password": "sesame"})
    assert await romeo.refused(stage.room, stage.nick("romeo")) == "not-authorized"
