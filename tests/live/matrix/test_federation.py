"""People of another homeserver: two that speak with each other, and a gateway at one of them."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nio
import pytest
from msgspec.structs import replace

from bridge.secret import Secret
from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern, value
from tests.live.cast.web import picture
from tests.live.cast.xmpp import Person
from tests.live.matrix.portal_stage import PortalStage
from tests.live.matrix.test_direct import RECEIPT, accept, begin, jid
from tests.live.matrix.test_media import image, upload
from tests.live.matrix.test_portals import hears
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.gateway import MatrixBridge
from tests.live.peers.synapse import Synapse
from tests.live.stage import House
from transports.matrix.config import MatrixConfig
from transports.matrix.registration import registration


class FederationStage(PortalStage):
    """A stage whose people of Matrix are on the homeserver `far`, which knows nothing of the gateway."""

    def __init__(self, house: House, home: Synapse, far: Synapse, bridge: MatrixBridge) -> None:
        super().__init__(house, home, bridge, house.xmpp("prosody"), "_jabber_")
        self.far = far

    @property
    def room(self) -> str:
        """The JID of the room that they make there."""
        return f"#{self.alias}%{self.far.server_name}@{self.bridge.domain}".replace(":", "\\3a")

    def via(self, room: str) -> str:
        """The address of a room by its id and a server that knows it."""
        local = self.by_id(room).partition("@")[0]
        return f"{local}?via={self.far.server_name}@{self.bridge.domain}".replace(":", "\\3a")

    async def on_matrix(self, name: str) -> MatrixPerson:
        """Make an account on the other homeserver."""
        person = await MatrixPerson.register(self.far, f"{name.lower()}.{self.alias}")
        self._matrix.append(person)
        await person.client.set_displayname(name)
        return person

    async def at_home(self, name: str) -> MatrixPerson:
        """Make an account on the gateway's own homeserver."""
        return await super().on_matrix(name)


@pytest.fixture(scope="module")
def two(house: House) -> Iterator[tuple[Synapse, Synapse, MatrixBridge]]:
    """The gateway's homeserver, another one, and the gateway."""
    ports = free_port(), free_port()
    certificate = house.authority.issue("federation", HOST, self_signed=True)
    config = MatrixConfig(
        homeserver=f"http://{HOST}:{free_port()}",
        server_name=f"{HOST}:{ports[0]}",
        as_token=Secret("fed-as-token"),
        hs_token=Secret("fed-hs-token"),
        listen=f"{HOST}:{free_port()}",
    )
    config = replace(config, id="fed", sender="fed", prefix="_jabber_")
    home, far = house.make_folder("home"), house.make_folder("far")
    written: Path = home / "fed.yaml"
    written.write_text(registration(config))
    servers = (
        Synapse(
            home,
            [written],
            port=int(config.homeserver.rpartition(":")[2]),
            certificate=certificate,
            federation_port=ports[0],
        ),
        Synapse(far, [], certificate=certificate, federation_port=ports[1]),
    )
    xmpp = house.xmpp("prosody")
    bridge = MatrixBridge(house.make_folder("fed"), f"fed.{xmpp.domain}", xmpp.component_port, config)
    daemons = [*(one.daemon for one in servers), bridge.daemon]
    for one in (*servers, bridge.daemon):
        one.start()
    yield *servers, bridge
    for daemon in reversed(daemons):
        daemon.close()


@pytest.fixture
def between(
    house: House,
    two: tuple[Synapse, Synapse, MatrixBridge],
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
) -> Iterator[FederationStage]:
    """An unused room on both sides."""
    made = FederationStage(house, *two)
    yield made
    loop.run_until_complete(made.close())
    if request.session.testsfailed:
        print(made.bridge.daemon.tail())
    assert "Traceback" not in made.bridge.daemon.output()


async def together(stage: FederationStage) -> tuple[Person, MatrixPerson, str]:
    """Put Romeo into a room that Juliet made on the other homeserver."""
    romeo, juliet = await stage.on_xmpp("romeo"), await stage.on_matrix("Juliet")
    room = await stage.open_room(juliet)
    assert (await romeo.join(stage.room, "romeo")).nicks == {"Juliet"}
    await juliet.find("m.room.member", lambda event: event["sender"] == stage.ghost("romeo"))
    return romeo, juliet, room


async def test_room_of_another_server_is_entered_by_its_id(between: FederationStage):
    """The id of a room of version 12 names no server: the address does."""
    romeo, juliet = await between.on_xmpp("romeo"), await between.on_matrix("Juliet")
    room = await between.open_room(juliet, room_version="12")
    assert ":" not in room
    address = between.via(room)
    assert (await romeo.join(address, "romeo")).nicks == {"Juliet"}
    romeo.say(address, "But soft")
    await juliet.hears(room, "But soft", sender=between.ghost("romeo"))
    await juliet.say(room, "Ay me")
    await hears(romeo, address, "Juliet", "Ay me")


async def test_people_of_another_server_come_talk_and_go(between: FederationStage):
    """In a room of ours they are occupants like all others."""
    nurse, romeo = await between.at_home("Nurse"), await between.on_xmpp("romeo")
    room = await between.open_room(nurse)
    address = f"#{between.alias}%{between.synapse.server_name}@{between.bridge.domain}".replace(":", "\\3a")
    await romeo.join(address, "romeo")
    juliet = await between.on_matrix("Juliet")
    await juliet.join(f"#{between.alias}:{between.synapse.server_name}")
    await romeo.presence(frm=f"{address}/Juliet")
    await juliet.say(room, "Ay me")
    await hears(romeo, address, "Juliet", "Ay me")
    romeo.say(address, "She speaks")
    await juliet.hears(room, "She speaks", sender=between.ghost("romeo"))
    await juliet.leave(room)
    await romeo.mailbox.find(Pattern("presence", frm=f"{address}/Juliet", type="unavailable"))


async def test_talk_with_somebody_of_another_server_goes_both_ways(between: FederationStage):
    """Whoever begins: a room is opened for the two, and both are in it."""
    romeo, juliet = await between.on_xmpp("romeo"), await between.on_matrix("Juliet")
    romeo.say(jid(between, juliet), "hello", type="chat", extra=RECEIPT)
    await romeo.message(frm=jid(between, juliet), has="*[local-name()='received']")
    room = await accept(juliet, between.ghost("romeo"))
    # what was said before she came, her homeserver gets when she looks back
    past = await juliet.client.room_messages(room, juliet.client.next_batch)
    assert isinstance(past, nio.RoomMessagesResponse), past
    assert [one.body for one in past.chunk if isinstance(one, nio.RoomMessageText)] == ["hello"]
    await juliet.say(room, "hello yourself")
    heard = await romeo.mailbox.find(Pattern("message", frm=jid(between, juliet), type="chat", has="body"))
    assert heard.findtext("body") == "hello yourself"
    nurse = await between.on_matrix("Nurse")
    other = await begin(nurse, between.ghost("romeo"))
    await nurse.say(other, "a word")
    heard = await romeo.mailbox.find(Pattern("message", frm=jid(between, nurse), type="chat", has="body"))
    assert heard.findtext("body") == "a word"


async def test_room_of_xmpp_is_joined_from_another_server(between: FederationStage):
    """The gateway's homeserver asks for the alias on behalf of the other."""
    romeo, juliet, room = await between.together_in_muc()
    await juliet.say(room, "Ay me")
    await hears(romeo, between.muc, "Juliet", "Ay me")
    romeo.say(between.muc, "She speaks")
    await juliet.hears(room, "She speaks", sender=between.ghost("romeo"))


async def test_file_of_another_server_is_had_by_its_link(between: FederationStage):
    """Our homeserver gets it from there."""
    romeo, juliet, room = await together(between)
    data = picture()
    await juliet.send(room, image(await upload(juliet, data), data))
    url = (await romeo.message(frm=f"{between.room}/Juliet")).findtext("body")
    assert await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=20).read()) == data


@pytest.mark.parametrize(("act", "code"), [("room_kick", "307"), ("room_ban", "301")])
async def test_moderator_of_another_server_puts_users_out(between: FederationStage, act: str, code: str):
    """The user sees by whom; who is banned is not let in again."""
    romeo, juliet, room = await together(between)
    done = await getattr(juliet.client, act)(room, between.ghost("romeo"), "enough")
    assert not isinstance(done, nio.ErrorResponse), done
    gone = await romeo.presence(frm=f"{between.room}/romeo", type="unavailable")
    assert value(gone, f"mucuser:x/mucuser:status[@code='{code}']/@code") == code
    assert value(gone, "mucuser:x/mucuser:item/mucuser:actor/@nick") == "Juliet"
    if act == "room_ban":
        assert await romeo.refused(between.room, "romeo") == "forbidden"
