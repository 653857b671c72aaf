"""Calls between Dino and a telephone, with sound at both ends: ICE and DTLS there, Kamailio and G.711 here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.live.cast.xmpp import Person
from tests.live.conftest import MakeTelephone
from tests.live.peers.baresip import Baresip
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.dino import Dino
from tests.live.peers.gateway import SipBridge
from tests.live.peers.kamailio import PASSWORD as EXTENSION_PASSWORD
from tests.live.peers.kamailio import Kamailio
from tests.live.peers.rtpengine import Rtpengine
from tests.live.peers.xmpp import PASSWORD, Prosody
from tests.live.stage import House

ADDRESS = "127.0.5.22"
"""Where the server is: Dino finds it by name and trusts its certificate."""
DOMAIN = "desktop.test"
GATEWAY = f"sip.{DOMAIN}"
ATTEMPTS = 6
"""Calls in one of which Dino's microphone works, at the latest."""
MakePair = Callable[[], Awaitable[tuple[Dino, Baresip]]]


@pytest.fixture(scope="module")
def server(house: House) -> Prosody:
    """The users' server."""
    made = Prosody(house.make_folder("desktop"), DOMAIN, house.authority.issue("desktop", DOMAIN), ADDRESS)
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture(scope="module")
def pbx(house: House, server: Prosody, sip_rtpengine: Rtpengine, sip_keys_port: int) -> Kamailio:
    """A PBX without presence, and the gateway between it and the users' server."""
    port = free_port()
    made = Kamailio(house.make_folder("pbx"), GATEWAY, port)
    trunk = {"server": f"sip:{HOST}:{made.port}", "domain": made.domain, "users": [DOMAIN], "presence": False}
    bridge = SipBridge(
        house.make_folder("sip"),
        GATEWAY,
        server.component_port,
        {"domain": GATEWAY, "listen": [f"udp {HOST}:{port}", f"tcp {HOST}:{port}"]},
        {"pbx": trunk},
        {
            "rtpengine": [sip_rtpengine.address],
            "sip_interface": "int",
            "xmpp_interface": "pub",
            "dtmf_listen": f"{HOST}:{sip_keys_port}",
        },
        f"admin@{DOMAIN}",
    )
    for running in (made, bridge):
        running.daemon.start()
        house.own(running.daemon)
    return made


@pytest.fixture
def pair(
    house: House, server: Prosody, pbx: Kamailio, telephone: MakeTelephone, loop: asyncio.AbstractEventLoop
) -> Iterator[MakePair]:
    """Make a user with Dino and a telephone, each in the other's list of contacts."""
    desktops: list[Dino] = []

    async def make() -> tuple[Dino, Baresip]:
        number = house.number()
        way = f';auth_pass={EXTENSION_PASSWORD};outbound="sip:{HOST}:{pbx.port}"'
        bob = await telephone(f"bob{number}", domain=pbx.domain, account=way, frequency=1000)
        contact = f"{bob.name}\\40{pbx.domain}@{GATEWAY}"
        jid = f"romeo{number}@{DOMAIN}"
        server.register(f"romeo{number}")
        await befriend(server, jid, contact)
        dino = Dino(house.make_folder("dino"), jid, ADDRESS, house.authority.root, contact, 440)
        desktops.append(dino)
        await asyncio.to_thread(dino.start)
        return dino, bob

    yield make
    for dino in desktops:
        dino.close()


async def befriend(server: Prosody, jid: str, contact: str) -> None:
    """Subscribe each to the other, with another client of the user's."""
    romeo = Person(f"{jid}/phone", PASSWORD, server.client_port, GATEWAY, ADDRESS)
    await romeo.log_in()
    romeo.send(f"<presence to='{contact}' type='subscribe'/>")
    for kind in ("subscribed", None, "subscribe"):
        await romeo.presence(frm=contact, type=kind)
    romeo.send(f"<presence to='{contact}' type='subscribed'/>")
    await romeo.result(GATEWAY, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    await romeo.log_out()


async def test_dino_calls_a_telephone(pair: MakePair) -> None:
    """Its button is there, the telephone rings and is answered, and Dino hangs up."""
    romeo, bob = await pair()
    await romeo.call()
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await bob.sees("CALL_ESTABLISHED")
    await romeo.hang_up()
    await bob.sees("CALL_CLOSED")


async def test_telephone_calls_dino(pair: MakePair) -> None:
    """It rings at both, though Dino says nothing of it; both hear each other, and the telephone hangs up.

    They call again where Dino's microphone is dead.
    """
    romeo, bob = await pair()
    for _ in range(ATTEMPTS):
        await bob.dial(f"sip:{romeo.user}%40{DOMAIN}@{GATEWAY}")
        await romeo.is_called()
        await bob.sees("CALL_RINGING")
        await romeo.answer()
        await bob.sees("CALL_ESTABLISHED")
        await romeo.hears(1000)
        is_heard = await romeo.has_microphone()
        if is_heard:
            await bob.hears(440)
        await bob.hang_up()
        await romeo.lets_go()
        if is_heard:
            return
    raise AssertionError(f"Dino's microphone was dead in {ATTEMPTS} calls")


async def test_call_is_refused_at_dino(pair: MakePair) -> None:
    """The telephone hears that nobody wants to talk."""
    romeo, bob = await pair()
    await bob.dial(f"sip:{romeo.user}%40{DOMAIN}@{GATEWAY}")
    await romeo.is_called()
    await romeo.refuse()
    await bob.sees("CALL_CLOSED")


async def test_caller_gives_up_before_dino_answers(pair: MakePair) -> None:
    """Dino rings no longer, and tells of a call that was missed."""
    romeo, bob = await pair()
    await bob.dial(f"sip:{romeo.user}%40{DOMAIN}@{GATEWAY}")
    await romeo.is_called()
    await bob.hang_up()
    await romeo.missed()
