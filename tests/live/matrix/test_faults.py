"""The gateway when parts of its world go away, and when its operator changes his mind."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from bridge.web.links import Links
from tests.live.cast.stanzas import Pattern
from tests.live.matrix.portal_stage import PortalStage
from tests.live.matrix.stage import MatrixStage
from tests.live.matrix.test_media import image, upload
from tests.live.matrix.test_portals import heard_until, hears, said_until
from tests.live.matrix.test_upgrades import upgrade
from tests.live.peers.gateway import MatrixBridge


@contextlib.asynccontextmanager
async def configured(bridge: MatrixBridge, change: Callable[[str], str]) -> AsyncIterator[None]:
    """Have a bridge run with another configuration for a while (SIGHUP)."""
    before = bridge.config.read_text()
    for written in (change(before), before):
        known = bridge.daemon.output().count("read again")
        bridge.config.write_text(written)
        bridge.daemon.send_signal(signal.SIGHUP)
        while bridge.daemon.output().count("read again") == known:
            await asyncio.sleep(0.02)
        if written is not before:
            yield


async def test_rules_of_the_operator_hold_from_sighup_on(matrix_stage: MatrixStage):
    """Who may not be in a room any more is put out, and let in again when he may."""
    romeo, _, room = await matrix_stage.together()
    mercutio = await matrix_stage.on_xmpp("mercutio")
    await mercutio.join(matrix_stage.room, "mercutio")
    rule = f'room_rules = ["deny {romeo.bare} {room}"]'

    def forbidden(written: str) -> str:
        return re.sub(r"^(\[.*\.matrix\])$", lambda found: f"{found[1]}\n{rule}", written, flags=re.MULTILINE)

    async with configured(matrix_stage.bridge, forbidden):
        out = Pattern("presence", frm=f"{matrix_stage.room}/romeo", type="unavailable")
        assert (await romeo.mailbox.find(out)).xpath("//*[@code='110']")
        await mercutio.mailbox.find(out)
        assert await romeo.refused(matrix_stage.room, "romeo") == "not-allowed"
    assert (await romeo.join(matrix_stage.room, "romeo")).nicks == {"Juliet", "mercutio"}


@pytest.mark.last
async def test_restart_after_an_upgrade_finds_everybody_in_the_new_room(matrix_stage: MatrixStage):
    """The address leads where it led before."""
    juliet, romeo = await matrix_stage.on_matrix("Juliet"), await matrix_stage.on_xmpp("romeo")
    room = await matrix_stage.open_room(juliet, room_version="11")
    address = matrix_stage.by_id(room)
    await romeo.join(address, "romeo")
    new = await upgrade(juliet, room)
    await romeo.eventually("the address stays")
    await matrix_stage.restart()
    await juliet.say(new, "still here?")
    await hears(romeo, address, "Juliet", "still here?")
    romeo.say(address, "still here")
    await juliet.hears(new, "still here", sender=matrix_stage.ghost("romeo"))


async def test_link_that_has_expired_says_so(matrix_stage: MatrixStage):
    """It is told apart from one that was never ours."""
    romeo, juliet, room = await matrix_stage.together()
    await juliet.send(room, image(await upload(juliet, b"x"), b"x"))
    link = (await romeo.message(frm=f"{matrix_stage.room}/Juliet")).findtext("body")
    bridge = matrix_stage.bridge
    with contextlib.closing(sqlite3.connect(bridge.config.parent / "xmppbridge.sqlite")) as database:
        [(key,)] = database.execute("select value from memory where name = 'link-key'")
    name = Links(bridge.url, key, 0, time.time).linked(bridge.domain, link)
    old = Links(bridge.url, key, 0, lambda: time.time() - 7200).link(bridge.domain, name, "x.png")
    with pytest.raises(HTTPError) as refused:
        await asyncio.to_thread(urlopen, old, timeout=20)
    assert refused.value.code == 410


@pytest.mark.last
async def test_portal_goes_on_after_a_restart_of_the_homeserver(portal_stage: PortalStage):
    """What is said on XMPP meanwhile comes afterwards, in order, each once."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    await asyncio.to_thread(portal_stage.synapse.daemon.stop)
    for number in range(3):
        romeo.say(portal_stage.muc, f"down {number}")
    await hears(romeo, portal_stage.muc, "romeo", "down 2")
    await asyncio.to_thread(portal_stage.synapse.daemon.start)
    said = await said_until(juliet, room, portal_stage.ghost("romeo"), "down 2")
    assert said == [f"down {number}" for number in range(3)]
    await juliet.say(room, "after")
    assert await heard_until(romeo, f"{portal_stage.muc}/Juliet", "after") == ["after"]


# not Prosody: somebody there waits all through the session for a silent link to be found (test_half_open)
@pytest.mark.parametrize("portal_stage", ["ejabberd"], indirect=True)
@pytest.mark.last
async def test_portal_goes_on_after_a_restart_of_the_xmpp_server(portal_stage: PortalStage):
    """Guests are in the room again; what they say before waits for that, and is heard, in order."""
    romeo, juliet, room = await portal_stage.together_in_muc(persistentroom="1")
    await romeo.log_out()
    await asyncio.to_thread(portal_stage.xmpp.daemon.stop)
    for number in range(3):
        await juliet.say(room, f"in the dark {number}")
    await asyncio.to_thread(portal_stage.xmpp.daemon.start)
    await juliet.say(room, "is it light?")
    paris = await portal_stage.on_xmpp("paris")
    paris.enter(portal_stage.muc, "paris")
    sender = f"{portal_stage.muc}/Juliet"
    heard = await heard_until(paris, sender, "is it light?")
    assert heard == [*(f"in the dark {number}" for number in range(3)), "is it light?"]
    paris.say(portal_stage.muc, "I am")
    await juliet.hears(room, "I am", sender=portal_stage.ghost("paris"))
