"""Calls at rtpengines that live and die."""

from __future__ import annotations

import json

import pytest

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.media.engines import OFFER, House
from transports.sip.media import rtpengine as module
from transports.sip.media.rtpengine import HEALTH_EVERY


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


@pytest.mark.parametrize("uptime", ["1e999", "nan", 10**400, [], "x"])
def test_instance_that_tells_an_absurd_uptime_is_looked_at_again(uptime, monkeypatch):
    """And is alive."""
    house = House()
    reply = {"result": "ok", "statistics": {"totalstatistics": {"uptime": uptime}}}
    monkeypatch.setattr(house.engines[0], "_reply", lambda asked: reply)
    house.pass_time(5)
    assert house.backend.trouble == ""
    house.engines[0].is_alive = False
    house.pass_time(7)
    assert house.backend.trouble


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
    report(event=-1)
    report(callid=["list"])
    for garbage in (b"\xff", b"[" * 50_000, b'{"callid": "c", "source_tag": "sip", "event": 1e999}'):
        house.reactor.ports[0].protocol.datagramReceived(garbage, ("192.0.2.7", 9))
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
