"""Calls at rtpengines that live and die."""

from __future__ import annotations

import json

import pytest

from bridge.calls import CallId, Candidate, Endpoint, Fingerprint, SessionDescription, Setup
from bridge.errors import BridgeError, Trouble
from tests.transports.sip.media.engines import Ears, Engine
from tests.transports.sip.samples import SDP
from tests.transports.sip.test_translate import content, session
from tests.transports.sip.wires import Reactor, tokens
from transports.sip.media import rtpengine as module
from transports.sip.media.backend import Demands, Protection
from transports.sip.media.config import MediaConfig
from transports.sip.media.rtpengine import HEALTH_EVERY, Rtpengines
from transports.sip.sdp import parse_sdp, write_sdp

PHONE = parse_sdp(SDP)
ADDRESSES = (("192.0.2.7", 22222), ("192.0.2.8", 22222))


def candidate(protocol: str) -> Candidate:
    return Candidate(
        foundation="1",
        component=1,
        protocol=protocol,
        priority=1,
        address="198.51.100.3",
        port=40000,
        type="host",
    )


OFFER = session(
    content(
        endpoint=Endpoint(
            ufrag="u1",
            password="p1",
            candidates=(candidate("udp"), candidate("tcp")),
            fingerprint=Fingerprint(hash="sha-256", value="AB", setup=Setup.ACTPASS),
        )
    )
)


class House:
    """A back end with its instances."""

    def __init__(self, count: int = 1, **more: str) -> None:
        self.reactor = Reactor()
        config = MediaConfig(
            rtpengine=tuple(f"{host}:{port}" for host, port in ADDRESSES[:count]),
            sip_interface="int",
            xmpp_interface="pub",
            **more,
        )
        self.changes: list[str] = []
        self.backend = Rtpengines(
            config, self.reactor, tokens(), lambda: self.changes.append(self.backend.trouble)
        )
        self.backend.start()
        first = 1 if more else 0
        self.engines = [Engine(self.reactor, n + first, ADDRESSES[n]) for n in range(count)]
        self.serve()

    def serve(self) -> list[dict]:
        return [asked for engine in self.engines for asked in engine.serve()]

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.reactor.advance(0.1)
            self.serve()

    def call(self, demands: Demands | None = None, call: str = "c"):
        ears = Ears()
        return self.backend.anchor(CallId(call), demands or Demands(), ears), ears

    def result(self, deferred):
        came = []
        deferred.addBoth(came.append)
        self.serve()
        return came[0] if came else None


def failed(result: object) -> Trouble:
    return result.check(BridgeError) and result.value.trouble  # type: ignore[attr-defined, no-any-return]


def test_offer_to_a_phone_has_nothing_of_ice_and_what_it_wants():
    """The instance is told how the phone is protected, its codecs, and which interfaces."""
    house = House()
    demands = Demands(protection=Protection.SDES, codecs=("PCMA",), family=6)
    anchor, _ = house.call(demands)
    offered = house.result(anchor.offer_to_sip(OFFER))
    [asked] = house.engines[0].asked
    assert "a=mid" not in write_sdp(offered).decode() and offered.media[0].port == 30000
    assert {key: asked[key] for key in ("ICE", "transport-protocol", "direction", "address-family")} == {
        "ICE": "remove",
        "transport-protocol": "RTP/SAVP",
        "direction": ["pub", "int"],
        "address-family": "IP6",
    }
    assert asked["codec"] == {"mask": ["all"], "transcode": ["PCMA", "telephone-event"]}
    assert "a=setup:active" in asked["sdp"] and " tcp " not in asked["sdp"]


def test_answer_to_xmpp_has_the_names_of_its_offer():
    """And ICE, and a fingerprint."""
    house = House()
    anchor, _ = house.call()
    house.result(anchor.offer_to_sip(OFFER))
    answer = house.result(anchor.answer_to_xmpp(PHONE))
    assert isinstance(answer, SessionDescription)
    [audio] = answer.contents
    assert (audio.name, audio.endpoint.ufrag) == ("voice", "u")
    assert house.engines[0].asked[-1]["DTLS"] == "passive"


def test_phones_offer_and_the_answer_to_it_go_the_other_way():
    """A later offer keeps the names."""
    house = House()
    anchor, _ = house.call()
    offered = house.result(anchor.offer_to_xmpp(PHONE))
    [audio] = offered.contents
    assert audio.name == "x" and audio.endpoint.fingerprint is not None
    asked = house.engines[0].asked[-1]
    assert (asked["from-tag"], asked["direction"]) == ("sip", ["int", "pub"])
    answered = house.result(anchor.answer_to_sip(session(content("x"))))
    assert answered.media[0].port == 30000
    again = house.result(anchor.offer_to_sip(session(content("x"))))
    assert again.media[0].port == 30000 and house.engines[0].asked[-1]["from-tag"] == "xmpp"


def test_what_does_not_fit_is_not_acceptable():
    """Refused by the instance, or by us."""
    house = House()
    anchor, _ = house.call()
    house.engines[0].refusals["offer"] = "no codecs left"
    assert failed(house.result(anchor.offer_to_sip(OFFER))) is Trouble.NOT_ACCEPTABLE
    assert failed(house.result(anchor.offer_to_sip(session()))) is Trouble.NOT_ACCEPTABLE


def test_call_ends_at_its_instance_once():
    """What is asked of it afterwards fails."""
    house = House()
    anchor, ears = house.call()
    house.result(anchor.offer_to_sip(OFFER))
    anchor.end()
    anchor.end()
    [asked] = house.serve()
    assert (asked["command"], asked["delete-delay"]) == ("delete", 0)
    assert failed(house.result(anchor.offer_to_sip(OFFER))) is Trouble.LOST
    assert ears.lost == []


def test_call_that_ends_while_it_is_offered_is_let_go():
    """Its end may have overtaken the offer."""
    house = House()
    anchor, _ = house.call()
    came = []
    anchor.offer_to_sip(OFFER).addErrback(came.append)
    anchor.end()
    house.serve()
    [asked] = house.serve()
    assert asked["command"] == "delete" and failed(came[0]) is Trouble.LOST


def test_first_offer_goes_to_another_instance_if_its_own_is_silent():
    """Before the look at its health tells."""
    house = House(2)
    anchor, _ = house.call()
    came = []
    anchor.offer_to_sip(OFFER).addBoth(came.append)
    [home] = [engine for engine in house.engines if house.reactor.ports[engine.index].sent]
    home.is_alive = False
    house.pass_time(4)
    assert came[0].media[0].port == 30000


def test_silent_instance_loses_its_calls_within_ten_seconds():
    """They are told, and the operator is; nobody can call until it answers again."""
    house = House()
    anchor, ears = house.call()
    house.result(anchor.offer_to_sip(OFFER))
    house.engines[0].is_alive = False
    house.pass_time(9)
    assert ears.lost == ["The media relay does not answer."]
    assert house.changes == ["", "rtpengine does not answer at 192.0.2.7:22222"]
    with pytest.raises(BridgeError) as caught:
        house.call()
    assert caught.value.trouble is Trouble.UNREACHABLE
    house.engines[0].is_alive = True
    house.pass_time(6)
    assert house.changes[-1] == "" and house.call()


def test_restarted_instance_has_lost_its_calls():
    """It answers, but not for as long as before."""
    house = House()
    anchor, ears = house.call()
    house.result(anchor.offer_to_sip(OFFER))
    house.pass_time(4)
    assert ears.lost == []
    house.engines[0].booted = house.reactor.seconds()
    house.pass_time(HEALTH_EVERY + 1)
    assert ears.lost == ["The media relay was started anew."]


def test_call_without_media_is_noticed():
    """The instance has forgotten it."""
    house = House()
    anchor, ears = house.call()
    house.result(anchor.offer_to_sip(OFFER))
    house.pass_time(31)
    assert ears.lost == []
    house.engines[0].calls.clear()
    house.pass_time(31)
    assert ears.lost == ["No media came any more."]


def test_instance_that_tells_no_uptime_is_alive():
    """Other versions may answer otherwise, or refuse."""
    house = House()
    house.engines[0].refusals["statistics"] = "no such command"
    house.pass_time(5)
    assert house.backend.trouble == ""


def test_keys_are_told_to_their_call_only():
    """Those of the phone, from the address of the instance."""
    house = House(dtmf_listen="127.0.0.1:22444")
    anchor, ears = house.call()
    house.result(anchor.offer_to_sip(OFFER))
    call = house.engines[0].asked[-1]["call-id"]

    def report(source="192.0.2.7", **more):
        told = {"callid": call, "source_tag": "sip", "event": 11, "duration": 100, **more}
        house.reactor.ports[0].protocol.datagramReceived(json.dumps(told).encode(), (source, 9))

    report()
    report(source="192.0.2.99")
    report(source_tag="xmpp")
    report(callid="other")
    report(event=99)
    report(event="x")
    house.reactor.ports[0].protocol.datagramReceived(b"\xff", ("192.0.2.7", 9))
    assert ears.keys == ["#"]
    anchor.press("5", 100)
    [asked] = house.serve()
    assert (asked["command"], asked["code"], asked["from-tag"]) == ("play DTMF", "5", "xmpp")


def test_calls_are_bounded(monkeypatch):
    """As many as are configured here."""
    monkeypatch.setattr(module, "MAX_CALLS", 1)
    house = House()
    house.call()
    with pytest.raises(BridgeError) as caught:
        house.call()
    assert caught.value.trouble is Trouble.OVERLOADED


def test_stop_lets_go_of_every_call():
    """And fires within five seconds even if nobody answers."""
    house = House(dtmf_listen="127.0.0.1:22444")
    for n in range(3):
        house.result(house.call(call=str(n))[0].offer_to_sip(OFFER))
    house.engines[0].is_alive = False
    came = []
    house.backend.stop().addCallback(came.append)
    house.pass_time(5)
    assert came == [None] and all(port.stopped for port in house.reactor.ports)
