"""TLS to the IRC server (RFC 7525, RFC 9525): verified by default, never silently plain."""

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import condition
from tests.live.peers.irc import InspIrcd
from tests.live.stage import Stage

pytestmark = pytest.mark.stage("inspircd")
REFUSED = ("item-not-found", "remote-server-not-found", "not-acceptable", "remote-server-timeout")


async def test_certificate_of_a_trusted_ca_is_accepted(stage: Stage):
    """Name and chain are right: the join succeeds over TLS."""
    juliet = await stage.on_irc("juliet", stage.channel)
    romeo = await stage.on_xmpp("romeo")
    seen = await romeo.join(stage.room_of(stage.channel, "tls.test"), stage.nick("romeo"))
    assert seen.nicks == {juliet.nick}
    juliet.send(f"WHOIS {stage.nick('romeo')}")
    await juliet.find("671", juliet.nick, stage.nick("romeo"))


async def test_certificate_for_another_name_is_refused(stage: Stage):
    """The chain is right but the name is not: no connection, and an error that says so."""
    romeo = await stage.on_xmpp("romeo")
    assert await romeo.refused(stage.room_of(stage.channel, "badname.test"), stage.nick("romeo")) in REFUSED


async def test_certificate_is_accepted_when_the_user_says_so(stage: Stage):
    """verify_cert off in the user's settings: the name does not matter to him."""
    romeo = await stage.on_xmpp("romeo")
    answer = await romeo.command(f"badname.test@{stage.domain}", "configure", {"verify_cert": "0"})
    assert answer.get("type") == "result"
    await romeo.join(stage.room_of(stage.channel, "badname.test"), stage.nick("romeo"))


async def test_pinned_certificate_is_accepted(stage: Stage):
    """A fingerprint is trust in exactly that certificate."""
    romeo = await stage.on_xmpp("romeo")
    fingerprint = stage.house.certificate.fingerprint()
    await romeo.command(f"badname.test@{stage.domain}", "configure", {"fingerprint": fingerprint})
    await romeo.join(stage.room_of(stage.channel, "badname.test"), stage.nick("romeo"))


async def test_other_certificate_than_the_pinned_is_refused(stage: Stage):
    """A wrong fingerprint refuses even a valid certificate."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.command(f"tls.test@{stage.domain}", "configure", {"fingerprint": "00" * 32})
    assert await romeo.refused(stage.room_of(stage.channel, "tls.test"), stage.nick("romeo")) in REFUSED


async def test_plain_server_on_a_tls_port_is_refused(stage: Stage):
    """No fall-back to plain text."""
    romeo = await stage.on_xmpp("romeo")
    room = stage.room_of(stage.channel, "plain-refused.test")
    romeo.enter(room, stage.nick("romeo"))
    assert condition(await romeo.mailbox.next(Pattern("presence", type="error"), timeout=60)) in REFUSED


async def test_address_and_ports_are_the_users_to_set(stage: Stage):
    """A server under a name of his own: address and TLS port from his settings."""
    assert isinstance(stage.ircd, InspIrcd)
    romeo = await stage.on_xmpp("romeo")
    juliet = await stage.on_irc("juliet", stage.channel)
    form: dict[str, str | list[str]] = {
        "address": "localhost",
        "tls_ports": [str(stage.ircd.tls_port)],
        "ports": [],
    }
    await romeo.command(f"my.own@{stage.domain}", "configure", form)
    seen = await romeo.join(stage.room_of(stage.channel, "my.own"), stage.nick("romeo"))
    assert seen.nicks == {juliet.nick}
