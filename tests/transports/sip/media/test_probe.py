"""What the operator is told of an rtpengine."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.media import engines
from tests.transports.sip.media.engines import ADDRESSES, Engine
from tests.transports.sip.wires import Reactor
from transports.sip.media.config import MediaConfig
from transports.sip.media.probe import media_probes, rtpengine_files

MEDIA = MediaConfig(
    rtpengine=("192.0.2.7:22222",), sip_interface="int", xmpp_interface="pub", dtmf_listen="127.0.0.1:9"
)


@pytest.mark.parametrize(
    ("is_alive", "refusals", "outcome"),
    [
        (
            True,
            {},
            "answers in 0 ms, media at 203.0.113.5 for SIP and nowhere for XMPP: clients elsewhere do not reach "
            "that; behind NAT write LOCAL!PUBLIC for the address in rtpengine.conf",
        ),
        (True, {"offer": "unknown interface"}, Trouble.NOT_ACCEPTABLE),
        (True, {"ping": "no"}, Trouble.FAULTY),
        (False, {}, Trouble.UNREACHABLE),
    ],
)
def test_each_instance_is_asked(is_alive, refusals, outcome):
    """And nothing is left open."""
    reactor = Reactor()
    [probe] = media_probes(MEDIA, reactor)
    engine = Engine(reactor, 0, ADDRESSES[0])
    engine.is_alive, engine.refusals = is_alive, refusals
    came = []
    probe.result.addBoth(came.append)
    for _ in range(10):
        engine.serve()
        reactor.advance(0.5 if not is_alive else 0)
    told = came[0]
    if isinstance(outcome, str):
        assert told == outcome
    else:
        assert told.check(BridgeError) and told.value.trouble is outcome
    assert probe.subject == "rtpengine 192.0.2.7:22222" and reactor.ports[0].stopped


def test_interface_that_rtpengine_does_not_know_is_told(monkeypatch):
    """It takes the first one for it, without a word."""
    candidate = "a=candidate:1 1 UDP 1 203.0.113.5 30002 typ host\r\n"
    monkeypatch.setattr(engines, "SECURE", engines.SECURE + candidate)
    reactor, came = Reactor(), []
    [probe] = media_probes(MEDIA, reactor)
    probe.result.addCallback(came.append)
    engine = Engine(reactor, 0, ADDRESSES[0])
    for _ in range(10):
        engine.serve()
    assert "media at 203.0.113.5 for SIP and 203.0.113.5 for XMPP: the same" in came[0]


@pytest.mark.parametrize(
    ("media", "words"),
    [
        (None, "none are carried"),
        (MediaConfig(), "neither rtpengine nor relay_address"),
        (MediaConfig(relay_address="127.0.0.1"), "can be started here"),
        (MediaConfig(relay_address="203.0.113.77"), "no address of this machine"),
    ],
)
def test_what_carries_no_calls_is_told(media, words):
    """No table, an empty one, or a relay that cannot run."""
    [probe] = media_probes(media, None)
    came = []
    probe.result.addCallbacks(came.append, lambda failure: came.append(failure.value.text))
    assert words in came[0]


def test_relay_that_is_not_installed_is_told(monkeypatch):
    """With the command that installs it."""
    monkeypatch.setattr("transports.sip.media.probe.find_spec", lambda name: None)
    [probe] = media_probes(MediaConfig(relay_address="127.0.0.1"), None)
    came = []
    probe.result.addErrback(lambda failure: came.append(failure.value.text))
    assert "aioice, pylibsrtp is missing: pip install" in came[0]


def test_rtpengine_is_started_as_it_is_configured():
    """Interfaces, the port of ng, and where keys are told."""
    text = rtpengine_files(MEDIA)["rtpengine.conf"]
    for line in ("interface = int/192.0.2.1;pub/198.51.100.1", "listen-ng = 192.0.2.7:22222"):
        assert line in text.splitlines()
    assert "dtmf-log-dest = 127.0.0.1:9" in text
    one = rtpengine_files(MediaConfig(rtpengine=("127.0.0.1:22222",)))["rtpengine.conf"]
    assert "interface = 198.51.100.1" in one.splitlines() and "dtmf-log-dest" not in one
    assert rtpengine_files(None) == rtpengine_files(MediaConfig()) == {}
