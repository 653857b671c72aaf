"""Requests in a call are its peer's alone, wherever he may be."""

from __future__ import annotations

import pytest
from twisted.names import dns

from bridge.calls import CallAnswer, CallEnd, CallOffer
from tests.transports.sip.calling import AUDIO, TO_JULIET, Gateway, described
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import PEER
from transports.sip.wire.message import parse

ELSEWHERE = "203.0.113.9"
PROXY = ("Record-Route", f"<sip:{PEER};lr>, <sip:{ELSEWHERE};lr>")
NAMED = ("Record-Route", f"<sip:{PEER};lr>, <sip:edge.example;lr>")


class Scene:
    """A call from a phone, and somebody at another address who knows all of it."""

    def __init__(self, *fields: tuple[str, str], contact: str = "") -> None:
        self.gateway = Gateway("a", "b", {}, {"allowed_peers": ("203.0.113.0/24",)})
        self.phone = Phone(self.gateway.reactor, PEER)
        self.phone.answer_all(200)
        if contact:
            self.phone.contact = ("Contact", contact)
        self.phone.invite("sip:romeo%40a.example@a.gw", *fields)
        [offer] = self.gateway.told()
        self.call = offer.call
        self.gateway.do(CallAnswer(call=self.call, description=described("audio0")))
        self.phone.take(200)
        self.other = Phone(self.gateway.reactor, ELSEWHERE)
        self.other.last, self.other.sent = self.phone.last, self.phone.sent

    def stand(self) -> None:
        self.phone.acknowledge()
        self.other.dialog = self.phone.dialog

    def statuses(self) -> list[int]:
        """Responses since the last time, to whom they went."""
        port = self.gateway.reactor.ports[0]
        sent, port.sent = port.sent, []
        return [parse(data).status for data, (host, _) in sent if host == ELSEWHERE]


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO"])
def test_who_knows_the_tags_but_is_elsewhere_is_told_that_there_is_no_call(method: str) -> None:
    """The call goes on, and the peer's numbers are not used up."""
    scene = Scene()
    scene.stand()
    scene.statuses()
    scene.other.offer(SDP if method in ("INVITE", "UPDATE") else b"", method)
    assert scene.statuses() == [481]
    assert scene.gateway.told() == []
    scene.phone.dialog.local_cseq -= 1
    scene.phone.request("BYE")
    assert [type(event) for event in scene.gateway.told()] == [CallEnd]


def test_ack_from_elsewhere_is_none() -> None:
    """The 200 is sent on until the peer's comes."""
    scene = Scene()
    scene.other.acknowledge()
    scene.statuses()
    scene.gateway.reactor.advance(0.5)
    assert scene.phone.take(200)


@pytest.mark.parametrize(
    ("fields", "contact"),
    [((), f"<sip:phone@{ELSEWHERE}:5070>"), ((PROXY,), ""), ((NAMED,), "")],
    ids=["Contact", "proxy", "proxy by name"],
)
def test_contact_and_proxies_of_the_way_may_speak(fields: tuple, contact: str) -> None:
    """They are where requests of ours go, be it by a name (RFC 3261 §12.2.1.1)."""
    scene = Scene(*fields, contact=contact)
    scene.gateway.names.records[("A", "edge.example")] = [dns.Record_A(ELSEWHERE)]
    scene.stand()
    scene.other.request("BYE")
    assert scene.statuses() == [200]
    assert [type(event) for event in scene.gateway.told()] == [CallEnd]


def test_other_addresses_of_the_trunk_may_speak() -> None:
    """As of a carrier with several."""
    scene = Scene()
    scene.stand()
    scene.gateway.network._guard.trust("peer", frozenset({PEER, ELSEWHERE}))
    scene.other.request("BYE")
    assert scene.statuses() == [200]


def test_who_is_called_is_heard_from_where_he_is_alone() -> None:
    """The answer's Contact counts as the INVITE's does."""
    for contact, status in ((f"<sip:phone@{PEER}>", 481), (f"<sip:phone@{ELSEWHERE}>", 200)):
        gateway = Gateway("a", "b", {}, {"allowed_peers": ("203.0.113.0/24",)})
        phone, other = Phone(gateway.reactor, PEER), Phone(gateway.reactor, ELSEWHERE)
        phone.answer_all(200)
        gateway.do(CallOffer(call="c1", contact=TO_JULIET, description=AUDIO))
        phone.accept(phone.asked("INVITE"), ("Contact", contact))
        other.dialog = phone.dialog
        gateway.reactor.ports[0].sent.clear()
        other.request("BYE")
        assert other.take(status)
