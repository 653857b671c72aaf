"""Telephones can call each other, by themselves and through a server where they are registered."""

from __future__ import annotations

from tests.live.conftest import MakeTelephone
from tests.live.peers.daemon import free_port
from tests.live.peers.kamailio import PASSWORD, Kamailio
from tests.live.stage import House


async def test_telephones_talk_and_press_keys(telephone: MakeTelephone) -> None:
    """They hear each other's tones, and each other's keys; one holds the call, the other ends it."""
    alice, bob = await telephone("alice", frequency=440), await telephone("bob", frequency=1000)
    await alice.dial(bob.uri)
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await alice.sees("CALL_ESTABLISHED")
    await alice.hears(1000)
    await bob.hears(440)
    await alice.press("5#")
    await bob.sees("digit 5")
    await bob.sees("digit #")
    await alice.hold()
    await bob.sees("CALL_REMOTE_SDP")
    await alice.resume()
    await bob.hang_up()
    await alice.sees("CALL_CLOSED")


async def test_telephone_is_called_through_its_server(house: House, telephone: MakeTelephone) -> None:
    """It shows its password to be found there."""
    kamailio = Kamailio(house.make_folder(f"kamailio-{house.number()}"), "nobody.test", free_port())
    kamailio.daemon.start()
    house.own(kamailio.daemon)
    way = f';auth_pass={PASSWORD};outbound="sip:127.0.0.1:{kamailio.port}"'
    carol = await telephone("carol", domain=kamailio.domain, account=way)
    dave = await telephone("dave", domain=kamailio.domain, account=way)
    await dave.dial(carol.uri)
    await carol.sees("CALL_INCOMING")
    await carol.hang_up()
    await dave.sees("CALL_CLOSED")
