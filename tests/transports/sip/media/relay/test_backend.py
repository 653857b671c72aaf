"""The relay's process as the gateway sees it."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.media.engines import failed
from tests.transports.sip.media.relay.relays import MUXED, House
from transports.sip.media.backend import Demands, Protection
from transports.sip.media.relay.backend import ANSWER, FIRST_ANSWER, RESTART, STOP_TIMEOUT


def test_call_that_cannot_be_opened_fails():
    """Refused by the process, or not answered."""
    house = House()
    found: list = []
    house.call()[0].offer_to_sip(MUXED).addBoth(found.append)
    house.tell({"tell": "refused", "call": house.said()[0]["call"], "reason": "no ports"})
    house.call()[0].offer_to_sip(MUXED).addBoth(found.append)
    house.reactor.advance(ANSWER)
    assert [failed(one) for one in found] == [Trouble.OVERLOADED, Trouble.TIMED_OUT]


def test_news_of_a_call_reach_its_listener_until_it_ends():
    """Keys, and that it is lost, once."""
    house = House()
    anchor, ears = house.call()
    house.opens(anchor.offer_to_sip(MUXED))
    house.tell({"tell": "pressed", "call": anchor.id, "digit": "5"})
    house.tell({"tell": "lost", "call": anchor.id, "reason": "gone"})
    house.tell({"tell": "lost", "call": anchor.id, "reason": "gone"})
    anchor.end()
    assert (ears.keys, ears.lost) == (["5"], ["gone"])
    assert [line["do"] for line in house.said()] == ["close"]
    assert failed(house.opens(anchor.offer_to_sip(MUXED))) is Trouble.LOST


def test_limits_and_what_it_does_not_speak_are_told_at_once():
    """Before anybody's phone rings."""
    house = House(calls=1)
    with pytest.raises(BridgeError) as caught:
        house.call(Demands(protection=Protection.SDES))
    assert caught.value.trouble is Trouble.NOT_ACCEPTABLE
    house.call()
    with pytest.raises(BridgeError) as caught:
        house.call()
    assert caught.value.trouble is Trouble.OVERLOADED


def test_calls_of_the_first_moments_wait_for_the_process():
    """A while longer than others, and not for one that does not come up."""
    house = House(is_ready=False)
    opened = house.opens(house.call()[0].offer_to_sip(MUXED))
    assert opened.media[0].port == 30000
    found: list = []
    house.call()[0].offer_to_sip(MUXED).addBoth(found.append)
    house.reactor.advance(ANSWER)
    assert not found
    house.reactor.advance(FIRST_ANSWER - ANSWER)
    house.call()[0].offer_to_sip(MUXED).addBoth(found.append)
    house.process.processEnded(None)
    assert [failed(one) for one in found] == [Trouble.TIMED_OUT, Trouble.UNREACHABLE]


def test_process_is_told_its_ports():
    """None are any."""
    for ports in ((), (40_000, 40_099)):
        house = House(relay_ports=ports)
        [(_, command)] = house.reactor.started
        assert command[3:] == ["203.0.113.5", *map(str, ports)]


def test_process_that_ends_is_started_again():
    """Its calls are lost, and none is taken meanwhile."""
    house = House()
    anchor, ears = house.call()
    house.opens(anchor.offer_to_sip(MUXED))
    found: list = []
    house.call()[0].offer_to_sip(MUXED).addBoth(found.append)
    house.process.processEnded(None)
    assert ears.lost == ["The media relay has ended."] and failed(found[0]) is Trouble.UNREACHABLE
    with pytest.raises(BridgeError):
        house.call()
    house.reactor.advance(RESTART)
    house.tell({"tell": "ready", "call": ""})
    assert house.changes == ["the media relay does not run", ""] and len(house.reactor.started) == 2


def test_stop_ends_the_process_and_kills_it_if_it_does_not_listen():
    """Within five seconds."""
    house = House()
    found: list = []
    house.relay.stop().addBoth(found.append)
    pipe = house.process.transport
    assert pipe.is_closed and not found
    house.reactor.advance(STOP_TIMEOUT)
    assert pipe.killed
    house.process.processEnded(None)
    assert found == [None]
    house.reactor.advance(RESTART)
    assert len(house.reactor.started) == 1
