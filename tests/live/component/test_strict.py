"""Every stanza in its order, as the XMPP server gets it from the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.live.cast.irc import IrcPerson
from tests.live.cast.stanzas import Pattern, item, status, value
from tests.live.component.host import ComponentHost, HostedUser
from tests.live.peers.gateway import Biboumi, Domain, Gateway, IrcServer, XmppBridge
from tests.live.stage import House

DOMAIN = "irc.host.test"


@dataclass
class Desk:
    """The test as XMPP server, InspIRCd on the other side, the gateway between."""

    host: ComponentHost
    house: House
    gateway: Gateway

    def __post_init__(self) -> None:
        self.number = self.house.number()
        self.channel = f"#d{self.number}"
        self.room = f"{self.channel}%inspircd.test@{DOMAIN}"

    def romeo(self, resource: str = "a") -> HostedUser:
        """Return Romeo's resource."""
        jid = f"romeo{self.number}@host.test"
        self.gateway.know(jid)
        return self.host.user(f"{jid}/{resource}")

    async def juliet(self) -> IrcPerson:
        """Connect Juliet to IRC and the channel."""
        person = await IrcPerson.connect(self.house.ircd("inspircd").port, f"juliet{self.number}")
        await person.join(self.channel)
        return person


@pytest.fixture(scope="module")
def hosted(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[tuple[ComponentHost, Gateway]]:
    """A gateway whose XMPP server is the test."""
    host = ComponentHost()
    loop.run_until_complete(host.start())
    folder = house.make_folder(f"gateway-{house.number()}")
    ircd = house.ircd("inspircd")
    domain, server = Domain(DOMAIN, host.port), IrcServer(ircd.name, ircd.port)
    kind = Biboumi if house.kind == "biboumi" else XmppBridge
    gateway: Gateway = kind(folder, [domain], [server], house.authority.root)
    start = asyncio.to_thread(gateway.daemon.start)
    loop.run_until_complete(start)
    house.own(gateway.daemon)
    yield host, gateway
    loop.run_until_complete(host.close())


@pytest.fixture
def desk(hosted: tuple[ComponentHost, Gateway], house: House) -> Desk:
    """A desk with a channel of the test's own."""
    host, gateway = hosted
    return Desk(host, house, gateway)


async def test_whole_visit_stanza_by_stanza(desk: Desk):
    """Join, talk, be renamed, voiced, kicked: nothing more and nothing less than this."""
    await desk.host.connected()
    romeo, juliet = desk.romeo(), await desk.juliet()
    nick, room = f"romeo{desk.number}", desk.room
    box = romeo.mailbox
    romeo.enter(room, nick)
    await box.next(Pattern("presence", frm=f"{room}/{juliet.nick}", type=None, has=item(role="moderator")))
    mine = [status(110), item(role="participant", affiliation="none")]
    await box.next(Pattern("presence", frm=f"{room}/{nick}", type=None, has=mine))
    await box.next(Pattern("message", type="groupchat", has="subject", lacks="body"))
    romeo.say(room, "one", ident="i1")
    await box.next(Pattern("message", frm=f"{room}/{nick}", type="groupchat", id="i1", body="one"))
    juliet.say(desk.channel, "two")
    await box.next(Pattern("message", frm=f"{room}/{juliet.nick}", type="groupchat", body="two"))
    juliet.send(f"NICK j{desk.number}")
    await box.next(Pattern("presence", frm=f"{room}/{juliet.nick}", type="unavailable", has=status(303)))
    await box.next(Pattern("presence", frm=f"{room}/j{desk.number}", type=None, has=item(role="moderator")))
    juliet.send(f"MODE {desk.channel} +v {nick}")
    voiced = Pattern("presence", frm=f"{room}/{nick}", has=item(role="participant", affiliation="member"))
    told = Pattern("message", frm=room, type="groupchat", has="body")
    await box.all_of(voiced, told)
    juliet.send(f"KICK {desk.channel} {nick} :enough")
    kicked = [status(307), status(110), item(role="none", affiliation="none")]
    await box.next(Pattern("presence", frm=f"{room}/{nick}", type="unavailable", has=kicked))
    await romeo.nothing_more(DOMAIN)
    await juliet.quit()


async def test_second_resource_gets_the_room_and_the_first_gets_nothing(desk: Desk):
    """A join of another resource shows the room to it alone."""
    await desk.host.connected()
    first, second = desk.romeo("a"), desk.romeo("b")
    juliet = await desk.juliet()
    await first.join(desk.room, f"romeo{desk.number}")
    seen = await second.join(desk.room, f"romeo{desk.number}")
    assert seen.nicks == {juliet.nick}
    await first.nothing_more(DOMAIN)
    await second.nothing_more(DOMAIN)
    await juliet.quit()


async def test_error_from_a_client_takes_its_resource_out(desk: Desk):
    """XEP-0045 §18: a client that bounces messages is gone; the nick leaves IRC."""
    await desk.host.connected()
    romeo, juliet = desk.romeo(), await desk.juliet()
    await romeo.join(desk.room, f"romeo{desk.number}")
    await juliet.find("JOIN", nick=f"romeo{desk.number}")
    error = (
        "<error type='cancel'><recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    )
    romeo.send(f"<message type='error' to='{desk.room}/{juliet.nick}'>{error}</message>")
    await juliet.sync()
    while not juliet.seen("QUIT") + juliet.seen("PART"):
        await juliet.sync()
    await juliet.quit()


async def test_link_cut_and_back_shows_whole_rooms(desk: Desk):
    """The stream breaks and comes back: Romeo is still in, and what was said meanwhile reaches him."""
    await desk.host.connected()
    romeo, juliet = desk.romeo(), await desk.juliet()
    romeo.answers["urn:xmpp:ping"] = ""
    await romeo.join(desk.room, f"romeo{desk.number}")
    desk.host.cut()
    juliet.say(desk.channel, "said while the link was down")
    await desk.host.connected()
    said = Pattern("message", body="said while the link was down")
    await romeo.mailbox.find(said)
    juliet.say(desk.channel, "and after")
    await romeo.mailbox.find(Pattern("message", body="and after"))
    await juliet.quit()


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
)


@pytest.mark.parametrize(
    "evil",
    [
        "<message>" + BOMB,
        "<!-- comment -->",
        "<?php echo 1 ?>",
        "<message>&undefined;</message>",
        "<message></presence>",
    ],
    ids=["dtd", "comment", "pi", "entity", "mismatched"],
)
async def test_forbidden_xml_ends_the_stream_at_once(desk: Desk, evil: str):
    """RFC 6120 §11.1: a stream error within a second, and the gateway comes back."""
    await desk.host.connected()
    desk.host.raw.clear()
    start = time.monotonic()
    desk.host.write(evil)
    await asyncio.wait_for(desk.host.closed.wait(), 10)
    assert time.monotonic() - start < 5
    assert b"stream:error" in desk.host.raw or b"urn:ietf:params:xml:ns:xmpp-streams" in desk.host.raw
    desk.host.cut()
    await desk.host.connected()


async def test_a_megabyte_of_newlines_is_quick(desk: Desk):
    """Text is not joined piece by piece: the gateway answers right after it."""
    await desk.host.connected()
    romeo = desk.romeo()
    start = time.monotonic()
    romeo.send(f"<message type='chat' to='{DOMAIN}'><body>{chr(10) * 200_000}</body></message>")
    await romeo.result(DOMAIN, "<ping xmlns='urn:xmpp:ping'/>")
    assert time.monotonic() - start < 5


async def test_deep_nesting_costs_only_its_sender(desk: Desk):
    """A hundred thousand nested elements are refused as one stanza; the stream of all others goes on."""
    await desk.host.connected()
    romeo = desk.romeo()
    start = time.monotonic()
    romeo.send(f"<message type='chat' id='deep' to='{DOMAIN}'>{'<a>' * 100_000}{'</a>' * 100_000}</message>")
    await romeo.result(DOMAIN, "<ping xmlns='urn:xmpp:ping'/>")
    assert time.monotonic() - start < 5


async def test_stanzas_without_sense_are_answered_or_ignored(desk: Desk):
    """No type, unknown type, no address, foreign namespaces: the stream goes on."""
    await desk.host.connected()
    romeo = desk.romeo()
    for xml in (
        f"<iq to='{DOMAIN}' id='x'/>",
        f"<iq type='get' to='{DOMAIN}'/>",
        f"<iq type='wrong' id='y' to='{DOMAIN}'><a xmlns='b'/></iq>",
        f"<message type='wrong' to='{desk.room}'/>",
        f"<presence type='wrong' to='{desk.room}/x'/>",
        f"<presence to='{desk.room}/x'><x xmlns='http://jabber.org/protocol/muc'><x/></x></presence>",
        "<message to='&#x1F4A9;@@/'><body>x</body></message>",
        f"<something xmlns='urn:odd' to='{DOMAIN}'/>",
    ):
        romeo.send(xml)
    answer = await romeo.result(DOMAIN, "<ping xmlns='urn:xmpp:ping'/>")
    assert value(answer, "@from") == DOMAIN
