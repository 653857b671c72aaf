"""Registration and questions to one trunk, over a network in memory."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.secret import Secret
from tests.transports.sip.calling import Gateway
from tests.transports.sip.phone import Phone
from tests.transports.sip.test_network import DESK, Scene
from tests.transports.sip.wires import PEER, hang_up
from transports.sip.agent.connection import PONG_TIMEOUT
from transports.sip.lines.cycle import FIRST_PAUSE, LONGEST_PAUSE
from transports.sip.lines.registration import DEFAULT_FLOW_TIMER, MIN_REFRESH
from transports.sip.wire.framing import PING, PONG
from transports.sip.wire.message import Fields, Request, parse, respond, write


def registering() -> tuple[Scene, Request]:
    scene = Scene({"desk": DESK})
    [register] = scene.asked()
    return scene, register


def next_after(scene: Scene, most: float) -> float:
    """Return after how many seconds the next request is sent."""
    waited = 0.0
    while waited <= most:
        scene.reactor.advance(0.5)
        waited += 0.5
        if scene.asked():
            return waited
    raise AssertionError("nothing was sent")


@pytest.mark.parametrize(
    ("granted", "least", "most"), [("100", 50, 70), ("1", 5, MIN_REFRESH), ("junk", 2500, 3600)]
)
def test_registration_is_renewed_before_it_ends(granted: str, least: float, most: float) -> None:
    """As long as the server grants it, if that makes sense."""
    scene, register = registering()
    scene.reply(register, 200, (("Expires", granted),))
    assert least <= next_after(scene, most) <= most


def test_registrar_hears_that_calls_are_taken() -> None:
    """Some send an account no method that its Allow lacks."""
    assert "INVITE" not in (registering()[1].get("Allow") or "")
    trunk = {"username": "4711", "password": Secret("hush"), "register": True}
    gateway = Gateway("a", "b", trunk, {})
    assert "INVITE" in (Phone(gateway.reactor, PEER).asked("REGISTER").get("Allow") or "")


def test_longer_registration_is_agreed_to() -> None:
    """RFC 3261 §10.3: 423 says what is the least; one that is absurd is not taken."""
    scene, register = registering()
    scene.reply(register, 423, (("Min-Expires", "7200"),))
    [again] = scene.asked()
    assert again.get("Expires") == "7200" and again.cseq.number > register.cseq.number
    scene.reply(again, 423, (("Min-Expires", "999999999"),))
    assert scene.asked() == [] and "desk" in scene.bridge.troubles[-1]


def test_what_fails_is_tried_again_ever_later() -> None:
    """A server that is down is not flooded when it comes back."""
    scene, register = registering()
    pauses = []
    for _ in range(9):
        scene.reply(register, 500)
        scene.reactor.advance(0.1)
        for waited in range(1, int(LONGEST_PAUSE) + 2):
            scene.reactor.advance(1)
            if found := scene.asked():
                [register] = found
                pauses.append(waited)
                break
    assert pauses[0] <= FIRST_PAUSE + 1 and pauses[-1] > LONGEST_PAUSE / 2
    assert pauses[1] < pauses[3] < pauses[5]


# ---- flows


class Flow:
    """A registration over TCP, as the server sees it."""

    def __init__(self) -> None:
        self.scene = Scene({"desk": replace(DESK, server=f"sip:{PEER};transport=tcp")})
        self.accept()

    def accept(self) -> None:
        """Take the connection that was dialled last."""
        self.protocol, self.stream = self.scene.reactor.dialled()

    def asked(self) -> Request:
        data = self.stream.value()
        self.stream.clear()
        message = parse(data)
        assert isinstance(message, Request) and message.method == "REGISTER"
        return message

    def reply(self, asked: Request, status: int = 200, *fields: tuple[str, str]) -> None:
        self.protocol.dataReceived(write(respond(asked, status, "far", fields)))

    def pinged_within(self, most: float) -> float:
        """Return after how many seconds a ping comes."""
        for waited in range(1, int(most) + 1):
            self.scene.reactor.advance(1)
            if PING in self.stream.value():
                self.stream.clear()
                return waited
        raise AssertionError("no ping")


USED: Fields = (("Require", "outbound"), ("Flow-Timer", "30"))


@pytest.mark.spec("RFC 5626 §4.2.1")
def test_registration_over_tcp_offers_its_flow() -> None:
    """With an instance that stays the same after a restart; by datagrams there is no flow."""
    contacts = [Flow().asked().get("Contact") or "" for _ in range(2)]
    assert contacts[0] == contacts[1] and contacts[0].endswith(";reg-id=1")
    assert ';+sip.instance="<urn:uuid:' in contacts[0]
    assert Flow().asked().get("Supported") == "path, outbound"
    _, register = registering()
    assert "reg-id" not in (register.get("Contact") or "") and register.get("Supported") == "path"


def test_first_hop_without_flows_gets_a_plain_registration() -> None:
    """RFC 5626 §11.6."""
    flow = Flow()
    flow.reply(flow.asked(), 439)
    again = flow.asked()
    assert "reg-id" not in (again.get("Contact") or "") and again.get("Supported") == "path"
    flow.reply(again)
    assert flow.scene.network.users() != []


def test_flow_is_kept_alive_as_the_registrar_wants_and_cut_without_answer() -> None:
    """RFC 5626 §4.4.1: each ping has its pong, in ten seconds."""
    flow = Flow()
    flow.reply(flow.asked(), 200, *USED)
    for _ in range(3):
        assert 20 <= flow.pinged_within(30) <= 30
        flow.protocol.dataReceived(PONG)
    flow.pinged_within(30)
    flow.scene.reactor.advance(PONG_TIMEOUT)
    assert flow.stream.cut


@pytest.mark.parametrize("fields", [(), (("Require", '"a,'),), (("Flow-Timer", "30"),)])
def test_registrar_that_keeps_no_flows_owes_no_pong(fields: Fields) -> None:
    """It is pinged as any server is."""
    flow = Flow()
    flow.reply(flow.asked(), 200, *fields)
    flow.pinged_within(DEFAULT_FLOW_TIMER)
    flow.scene.reactor.advance(PONG_TIMEOUT + 1)
    assert not flow.stream.cut


def test_lost_flow_is_formed_anew_soon() -> None:
    """RFC 5626 §4.5; a connection that is none of ours changes nothing."""
    flow = Flow()
    first = flow.asked()
    flow.reply(first, 200, *USED)
    flow.scene.reactor.advance(FIRST_PAUSE)
    assert flow.stream.value() == b""
    hang_up(flow.protocol)
    flow.scene.reactor.advance(FIRST_PAUSE)
    flow.accept()
    again = flow.asked()
    assert again.get("Contact") == first.get("Contact") and again.call_id == first.call_id
    flow.reply(again, 200, *USED)
    flow.scene.network.stop("enough")
    hang_up(flow.protocol)
    flow.scene.reactor.advance(LONGEST_PAUSE)
    assert len(flow.scene.reactor.tcpClients) == 2
