"""Which back end carries a call's media."""

from __future__ import annotations

import pytest

from bridge.calls import CallId
from bridge.errors import BridgeError
from tests.transports.sip.media.engines import Ears
from tests.transports.sip.wires import Reactor
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.media.backend import Demands, Protection
from transports.sip.media.choice import backend_of, demands_of
from transports.sip.media.config import MediaConfig
from transports.sip.media.direct import DirectAnchor


@pytest.mark.parametrize(
    ("media", "demands"),
    [
        ("rtp", Demands(codecs=("PCMA",))),
        ("sdes", Demands(protection=Protection.SDES, codecs=("PCMA",))),
        ("dtls", Demands(protection=Protection.DTLS, codecs=("PCMA",))),
        ("webrtc", Demands(protection=Protection.DTLS, codecs=("PCMA",), has_ice=True)),
        ("direct", Demands(protection=Protection.DTLS, codecs=("PCMA",), is_direct=True)),
    ],
)
def test_peer_behind_a_trunk_gets_what_the_operator_says(media, demands):
    """How it is protected, and which codecs it is offered."""
    trunk = TrunkConfig(server="sip:pbx.example", media=media, codecs=("PCMA",))
    assert demands_of(trunk, 4) == demands


def test_peer_behind_no_trunk_gets_plain_media():
    """By its own version of IP; a page has ICE, unless a trunk is between."""
    assert demands_of(None, 6) == Demands(family=6)
    assert demands_of(None, 4, is_page=True) == Demands(has_ice=True)
    assert not demands_of(TrunkConfig(server="sip:pbx.example"), 4, is_page=True).has_ice


def test_without_the_table_there_are_no_calls():
    """With it there are, over what it names."""
    assert backend_of(SipConfig(domain="gw.example"), None) is None


def test_trunk_that_is_direct_is_not_anchored():
    """Whether or not a relay answers; others cannot do without."""
    make = backend_of(SipConfig(domain="gw.example", media=MediaConfig()), Reactor())
    assert make is not None
    backend = make(lambda: None)
    backend.start()
    assert isinstance(backend.anchor(CallId("c"), Demands(is_direct=True), Ears()), DirectAnchor)
    with pytest.raises(BridgeError):
        backend.anchor(CallId("c"), Demands(), Ears())
    assert backend.trouble == ""


def test_relay_carries_calls_where_it_has_an_address():
    """It is not there before its process is."""
    media = MediaConfig(relay_address="192.0.2.1")
    make = backend_of(SipConfig(domain="gw.example", media=media), Reactor())
    assert make is not None
    with pytest.raises(BridgeError):
        make(lambda: None).anchor(CallId("c"), Demands(), Ears())
