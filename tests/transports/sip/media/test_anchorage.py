"""What an rtpengine is asked for one call, and what is made of its answers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.calls import Codec, SessionDescription
from bridge.errors import Trouble
from tests.transports.sip.calls.test_translate import content, session
from tests.transports.sip.media.engines import OFFER, PHONE, SECURE, House, failed
from transports.sip.media import anchorage
from transports.sip.media.backend import Demands, Protection
from transports.sip.media.webrtc import is_web
from transports.sip.wire.sdp import parse_sdp, write_sdp


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
    assert asked["SDES"] == ["no-AEAD_AES_256_GCM", "no-AEAD_AES_128_GCM"]
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
    assert (asked["from-tag"], asked["direction"]) == (anchorage.SIP, ["int", "pub"])
    assert asked["SDES"] == ["off"]
    answered = house.result(anchor.answer_to_sip(session(content("x"))))
    assert answered.media[0].port == 30000
    again = house.result(anchor.offer_to_sip(session(content("x"))))
    assert again.media[0].port == 30000 and house.engines[0].asked[-1]["from-tag"] == "xmpp"


@pytest.mark.parametrize(
    ("named", "learning", "more"),
    [
        ("8.8.4.4", "endpoint-learning-off", {}),
        ("10.0.0.9", "endpoint-learning-heuristic", {"received-from": ["IP4", "8.8.8.8"]}),
    ],
)
def test_media_are_taken_from_the_phone_alone(named, learning, more):
    """Where it says that it is, or behind NAT where its signalling comes from."""
    house = House()
    anchor, ears = house.call()
    ears.signalled_from = "8.8.8.8"
    house.result(anchor.offer_to_xmpp(replace(PHONE, address=named)))
    asked = house.engines[0].asked[-1]
    assert {learning, "strict-source"} <= set(asked["flags"]) and more.items() <= asked.items()
    assert ("SIP-source-address" in asked["flags"]) is bool(more)


def test_media_of_a_symmetric_peer_may_come_from_elsewhere():
    """The address that it names is preferred; who was learned alone remains."""
    house = House()
    anchor, _ = house.call(Demands(is_symmetric=True))
    house.result(anchor.offer_to_xmpp(PHONE))
    asked = house.engines[0].asked[-1]
    assert {"endpoint-learning-heuristic", "strict-source"} <= set(asked["flags"])
    assert "received-from" not in asked


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


def test_formats_that_are_offered_again_have_the_numbers_that_xmpp_knows():
    """A hold of the phone's changes nothing else, though the instance numbers what it transcodes anew."""
    house = House()
    anchor, _ = house.call()
    known = (Codec(payload=111, name="PCMU", clock=8000),)
    house.result(anchor.offer_to_sip(session(content("x", codecs=known))))
    house.result(anchor.answer_to_xmpp(PHONE))
    [audio] = house.result(anchor.offer_to_xmpp(PHONE)).contents
    assert [codec.payload for codec in audio.codecs] == [111]


def test_answer_has_no_format_that_was_not_offered():
    """Where nothing is left there is no call, and no sound that nobody can decode."""
    house = House()
    anchor, _ = house.call()
    unknown = (
        Codec(payload=97, name="lyra", clock=48000),
        Codec(payload=101, name="telephone-event", clock=8000),
    )
    house.result(anchor.offer_to_sip(session(content("x", codecs=unknown))))
    assert failed(house.result(anchor.answer_to_xmpp(PHONE))) is Trouble.NOT_ACCEPTABLE


WEB = parse_sdp(SECURE.encode())


def test_web_phone_is_offered_and_answered_as_one():
    """By ICE and DTLS in both directions; who is one is seen by his offer."""
    house = House()
    anchor, ears = house.call(Demands(has_ice=True))
    ears.signalled_from = "8.8.8.8"
    offered = house.result(anchor.offer_to_sip(OFFER))
    assert is_web(offered)
    asked = house.engines[0].asked[-1]
    assert (asked["ICE"], asked["transport-protocol"]) == ("force", "UDP/TLS/RTP/SAVPF")
    assert (asked["rtcp-mux"], asked["SDES"]) == (["offer", "require"], ["off"])
    house.result(anchor.answer_to_xmpp(WEB))
    assert "a=ice-ufrag" in house.engines[0].asked[-1]["sdp"]
    anchor, ears = house.call(call="d")
    ears.signalled_from = "8.8.8.8"
    house.result(anchor.offer_to_xmpp(WEB))
    asked = house.engines[0].asked[-1]
    assert asked["flags"] == ["generate-mid", "trickle-ICE"] and "received-from" not in asked
    assert is_web(house.result(anchor.answer_to_sip(session(content("x")))))
    asked = house.engines[0].asked[-1]
    assert (asked["ICE"], asked["DTLS"], asked["rtcp-mux"]) == ("force", "passive", ["accept"])
    house.result(anchor.offer_to_sip(session(content("x"))))
    assert house.engines[0].asked[-1]["ICE"] == "force"
