"""Servers that do not behave: whatever they send, nothing forged is delivered and the bridge lives."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import A, B, Federation, FederationStage
from tests.live.federation.wire import STARTTLS, Wire, header
from tests.live.peers.certificates import Certificate

EVIL = "evil.test"
FORGED = "<body>forged</body>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture(scope="module")
def evil(federation: Federation) -> Iterator[Certificate]:
    """The certificate of a domain that is who it says, and means no good."""
    federation.nameserver.serves(EVIL, 9)
    yield federation.house.authority.issue(EVIL, EVIL)
    federation.nameserver.withdraw(f"_xmpp-server._tcp.{EVIL}", "SRV")


async def unharmed(stage: FederationStage) -> None:
    """See that the bridge serves others as before."""
    alice = await stage.alice()
    await alice.result(stage.domain, PING)


async def wire(stage: FederationStage) -> Wire:
    """Connect to the bridge's port for servers."""
    return await Wire.connect(stage.bridge.server_port)


async def test_bytes_behind_starttls_end_the_connection(federated: FederationStage):
    """What was sent in the clear with <starttls/> must not count as sent under TLS."""
    peer = await wire(federated)
    await peer.open(EVIL, federated.domain)
    peer.write(STARTTLS + header(EVIL, federated.domain))
    await peer.closed()
    assert "<stream:features" not in peer.everything.partition("<proceed")[2]
    await unharmed(federated)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\x01\x02\xff\xfe",
        b"<stream:stream>",
        b"<?xml version='1.0' encoding='UTF-16'?><a>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>",
        b"<stream:stream xmlns:stream='urn:other' xmlns='jabber:server'>",
        b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' version='1.0'>",
        b"<" + b"a" * 100_000,
        b"\x16\x03\x01\x00\x05hello",
    ],
    ids=["http", "binary", "unbound", "utf-16", "doctype", "namespace", "client", "endless", "tls"],
)
async def test_garbage_instead_of_a_header_ends_the_connection(federated: FederationStage, garbage: bytes):
    """No header that makes sense, no stream."""
    peer = await wire(federated)
    peer.write(garbage)
    assert "<stream:features" not in await peer.closed()
    await unharmed(federated)


async def test_unknown_host_is_said_to_be_unknown(federated: FederationStage):
    """RFC 6120 §4.9.3.6, before TLS."""
    peer = await wire(federated)
    peer.write(header(EVIL, "nobody.test"))
    assert "host-unknown" in await peer.closed()


async def test_dialback_without_tls_is_refused(federated: FederationStage):
    """Encryption is required before anything else: the key is not even looked at (XEP-0220 §2.5)."""
    peer = await wire(federated)
    await peer.open(A, federated.domain)
    peer.write(f"<db:result from='{A}' to='{federated.domain}'>key</db:result>")
    answer = await peer.find("<db:result[^>]*type=['\"](\\w+)['\"].*?(policy-violation|</db:result>)")
    assert answer.groups() == ("error", "policy-violation")
    peer.write(f"<message from='alice@{A}' to='{federated.domain}' type='chat'>{FORGED}</message>")
    assert "<stream:error" in await peer.closed()


async def test_stanza_before_authentication_is_refused(federated: FederationStage):
    """It is delivered to nobody; the stream ends with an error (RFC 6120 §4.9.3.12)."""
    juliet = await federated.on_irc("juliet")
    peer = await wire(federated)
    await peer.secure(A, federated.domain, None)
    to = federated.contact(juliet.nick)
    peer.write(f"<message from='alice@{A}' to='{to}' type='chat'>{FORGED}</message>")
    assert re.search("<(not-authorized|invalid-from)", await peer.closed())
    await juliet.sync()
    assert not juliet.seen("PRIVMSG")


async def test_forged_dialback_key_is_found_out(federated: FederationStage):
    """XEP-0220 §2.4: Prosody, asked by the bridge, says that the key is none of its own."""
    peer = await wire(federated)
    await peer.secure(A, federated.domain, None)
    peer.write(f"<db:result from='{A}' to='{federated.domain}'>{'0' * 64}</db:result>")
    found = await peer.find(r"<db:result[^>]*type=['\"](\w+)['\"]")
    assert found[1] == "invalid"
    peer.write(
        f"<message from='alice@{A}' to='juliet%{federated.ircd.name}@{federated.domain}'>{FORGED}</message>"
    )
    await peer.closed()
    await unharmed(federated)


async def test_forged_verification_is_answered_invalid(federated: FederationStage):
    """XEP-0220 §2.3: a key that the bridge did not make."""
    peer = await wire(federated)
    await peer.secure(A, federated.domain, None)
    peer.write(f"<db:verify from='{A}' to='{federated.domain}' id='s1'>{'0' * 64}</db:verify>")
    found = await peer.find(r"<db:verify[^>]*type=['\"](\w+)['\"]")
    assert found[1] == "invalid"
    peer.close()


async def test_dialback_result_that_nobody_asked_for_opens_nothing(federated: FederationStage):
    """A type='valid' from the side that has to prove itself proves nothing."""
    peer = await wire(federated)
    await peer.secure(A, federated.domain, None)
    peer.write(f"<db:result from='{A}' to='{federated.domain}' type='valid'/>")
    peer.write(
        f"<message from='alice@{A}' to='juliet%{federated.ircd.name}@{federated.domain}'>{FORGED}</message>"
    )
    await peer.closed()
    await unharmed(federated)


async def test_certificate_of_another_domain_authenticates_nobody(
    federated: FederationStage, evil: Certificate
):
    """SASL EXTERNAL is not offered, or fails: the certificate is evil.test's, the claim a.test's."""
    peer = await wire(federated)
    await peer.secure(A, federated.domain, evil)
    assert "EXTERNAL" not in peer.everything
    peer.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
    await peer.find("<failure|</stream:stream>")
    assert "<success" not in peer.everything
    peer.close()


@pytest.mark.parametrize("sender", [f"alice@{A}", f"bob@{B}", f"alice@sub.{EVIL}", "", "@"])
async def test_stanza_from_another_domain_ends_the_stream(
    federated: FederationStage, evil: Certificate, sender: str
):
    """RFC 6120 §8.1.2.2: an authenticated server speaks for its own domain; nothing is delivered."""
    component = await federated.component()
    peer = await wire(federated)
    await peer.authenticate(EVIL, federated.bridge.components[0], evil)
    peer.write(f"<message from='somebody@{EVIL}' to='{component.jid}' id='1'><body>honest</body></message>")
    await component.mailbox.find(Pattern("message", body="honest"))
    peer.write(f"<message from='{sender}' to='{component.jid}' id='2'>{FORGED}</message>")
    end = await peer.closed()
    assert "<stream:error" in end
    await component.result(federated.domain, PING)
    assert not component.mailbox.waiting


@pytest.mark.parametrize("whose", ["gateway", "component"])
async def test_stream_in_our_own_name_is_refused(federated: FederationStage, whose: str):
    """A loop, or a liar: nobody opens a stream from one of our domains to another."""
    ours = federated.domain if whose == "gateway" else federated.bridge.components[1]
    peer = await wire(federated)
    peer.write(header(ours, federated.bridge.components[0]))
    assert "invalid-from" in await peer.closed()
    peer = await wire(federated)
    await peer.secure(EVIL, federated.bridge.components[0], None)
    peer.write(f"<db:result from='{ours}' to='{federated.bridge.components[0]}'>key</db:result>")
    found = await peer.find(r"<db:result[^>]*type=['\"](\w+)['\"]")
    assert found[1] == "error"
    peer.close()


async def test_addresses_in_a_stanza_multiply_nothing(federated: FederationStage, evil: Certificate):
    """XEP-0033 would make an amplifier of the bridge: it is not offered, and nobody else is sent to."""
    juliet = await federated.on_irc("juliet", federated.channel)
    alice = await federated.alice()
    await federated.enter(alice, juliet)
    info = await alice.result(federated.domain, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert "http://jabber.org/protocol/address" not in [one.get("var") for one in info.iter("{*}feature")]
    component, other = await federated.component(0), await federated.component(1)
    peer = await wire(federated)
    await peer.authenticate(EVIL, federated.bridge.components[0], evil)
    peer.write(
        f"<message from='x@{EVIL}' to='{component.jid}' type='chat'><body>to many</body>"
        "<addresses xmlns='http://jabber.org/protocol/address'>"
        f"<address type='to' jid='{other.jid}'/><address type='cc' jid='{alice.jid}'/></addresses></message>"
    )
    await component.mailbox.find(Pattern("message", body="to many"))
    await component.result(other.jid, PING)
    await alice.nothing_more(federated.domain)
    assert not other.mailbox.waiting
    peer.close()


async def test_report_of_a_server_reaches_the_administrator(
    build: BuildStage, federation: Federation, evil: Certificate
):
    """XEP-0377: who reported whom for what; the contacts for people are in disco (XEP-0157)."""
    contact, name = "xmpp:abuse@contacts.test", f"admin{federation.house.number()}"
    stage = build(tables={"": {"admins": [f"{name}@{A}"]}, "contacts": {"abuse": [contact]}})
    admin = await federation.person(name, A, (stage.domain,))
    info = await admin.result(stage.domain, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert contact in info.xpath(".//*[@var='abuse-addresses']/*/text()")
    peer = await wire(stage)
    await peer.authenticate(EVIL, stage.domain, evil)
    spammer = f"spammer%{stage.ircd.name}@{stage.domain}"
    peer.write(
        f"<message from='{EVIL}' to='{stage.domain}'><report xmlns='urn:xmpp:reporting:1' "
        f"reason='urn:xmpp:reporting:spam'><jid xmlns='urn:xmpp:jid:0'>{spammer}</jid>"
        "<text>buys cheap daggers</text></report></message>"
    )
    told = await admin.notice("cheap daggers")
    assert EVIL in (told.findtext("body") or "") and spammer in (told.findtext("body") or "")
    peer.close()
    await admin.log_out()


async def test_forged_marks_of_a_room_are_not_believed(federated: FederationStage, evil: Certificate):
    """A stranger's <delay/>, stanza-id and muc#user in a room that he is not in reach nobody."""
    juliet = await federated.on_irc("juliet", federated.channel)
    alice = await federated.alice()
    await federated.enter(alice, juliet)
    peer = await wire(federated)
    await peer.authenticate(EVIL, federated.domain, evil)
    peer.write(
        f"<message from='somebody@{EVIL}/x' to='{federated.room}' type='groupchat'>{FORGED}"
        "<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/></message>"
    )
    await alice.nothing_more(federated.domain)
    await juliet.sync()
    assert not juliet.seen("PRIVMSG")
    peer.close()


async def test_whoever_does_not_authenticate_is_closed_in_time(build: BuildStage):
    """limits.unauthenticated_seconds, for the silent, the one with a stream and the one with TLS."""
    stage = build(tables={"federation.limits": {"unauthenticated_seconds": 1.0}})
    silent, opened, secured = [await wire(stage) for _ in range(3)]
    await opened.open(EVIL, stage.domain)
    await secured.secure(EVIL, stage.domain, None)
    began = time.monotonic()
    for peer in (silent, opened, secured):
        await peer.closed(timeout=5)
    assert time.monotonic() - began < 4


async def test_more_connections_than_one_address_may_have_are_turned_away(build: BuildStage):
    """limits.connections_per_address: the surplus is closed at once, the others stay."""
    stage = build(tables={"federation.limits": {"connections_per_address": 5}})
    peers = [await wire(stage) for _ in range(6)]
    await peers[-1].closed()
    peers[0].write(header(EVIL, stage.domain))
    await peers[0].find("<stream:features")
    for peer in peers:
        peer.close()


async def test_oversized_stanza_is_not_delivered(build: BuildStage, evil: Certificate):
    """limits.stanza_bytes: what is too large is read past, what is far too large ends the stream."""
    stage = build(tables={"federation.limits": {"stanza_bytes": 20_000}})
    component = await stage.component()
    peer = await wire(stage)
    await peer.authenticate(EVIL, stage.bridge.components[0], evil)

    def message(body: str) -> str:
        return f"<message from='x@{EVIL}' to='{component.jid}' type='chat'><body>{body}</body></message>"

    peer.write(message("x" * 30_000) + message("after"))
    assert (await component.message(body="after")) is not None
    peer.write(message("x" * 1_000_000))
    assert "<stream:error" in await peer.closed()
    await unharmed(stage)
    assert not component.mailbox.waiting
