"""What each end of a call at the relay is told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.calls import Endpoint, Setup
from bridge.errors import Trouble
from tests.transports.sip.calls.test_translate import content, session
from tests.transports.sip.media.engines import OFFER, PHONE, failed
from tests.transports.sip.media.relay.relays import MUXED, House
from transports.sip.media.relay.anchor import EVENT


def test_each_end_is_told_the_relays_addresses():
    """Of a call from XMPP; then the relay is told where both are."""
    house = House()
    anchor, _ = house.call()
    sdp = house.opens(anchor.offer_to_sip(MUXED))
    [audio] = sdp.media
    assert (audio.address, audio.port, audio.protocol) == ("203.0.113.5", 30000, "RTP/AVP")
    found: list = []
    anchor.answer_to_xmpp(PHONE).addBoth(found.append)
    [audio] = found[0].contents
    assert audio.rtcp_mux and (audio.endpoint.ufrag, audio.endpoint.password) == ("ru", "rp")
    assert audio.endpoint.fingerprint.setup is Setup.PASSIVE and len(audio.endpoint.candidates) == 1
    aim, connect, candidate = house.said()
    assert (aim["do"], aim["host"], aim["port"], aim["rtcp"], aim["events"]) == (
        "aim",
        "192.0.2.9",
        49170,
        49171,
        [101],
    )
    assert PHONE.media[0].codecs[-1].name == EVENT
    assert (connect["ufrag"], connect["is_client"]) == ("u1", False)
    assert " udp " in candidate["candidate"]


def test_call_from_a_phone_goes_the_other_way():
    """Whoever is to begin the handshake follows from the answer."""
    house = House()
    anchor, _ = house.call()
    offered = house.opens(anchor.offer_to_xmpp(PHONE))
    assert offered.contents[0].endpoint.fingerprint.setup is Setup.ACTPASS
    [voice] = MUXED.contents
    passive = replace(
        voice.endpoint, fingerprint=replace(voice.endpoint.fingerprint, setup=Setup.PASSIVE), complete=True
    )
    found: list = []
    anchor.answer_to_sip(session(replace(voice, name="0", endpoint=passive))).addBoth(found.append)
    assert found[0].media[0].port == 30000
    said = house.said()
    assert [line["do"] for line in said] == ["aim", "connect", "candidate", "candidate"]
    assert said[1]["is_client"] and said[3]["candidate"] == ""
    anchor.candidates("0", Endpoint(complete=True))
    anchor.candidates("other", Endpoint(complete=True))
    anchor.press("1", 100)
    assert [line["do"] for line in house.said()] == ["candidate", "press"]


@pytest.mark.parametrize(
    ("named", "expected"), [("10.0.0.9", ["8.8.8.8"]), ("8.8.4.4", ["8.8.4.4"]), ("0.0.0.0", [])]
)
def test_phone_behind_nat_is_where_its_signalling_comes_from(named, expected):
    """Nobody reaches what it says; and one that holds the call is nowhere."""
    house = House()
    anchor, ears = house.call()
    ears.signalled_from = "8.8.8.8"
    house.opens(anchor.offer_to_xmpp(replace(PHONE, address=named)))
    assert [line["host"] for line in house.said() if line["do"] == "aim"] == expected


@pytest.mark.parametrize(
    "offer",
    [session(), OFFER, session(content(rtcp_mux=True)), session(replace(MUXED.contents[0], codecs=()))],
)
def test_what_cannot_be_relayed_is_not_acceptable(offer):
    """No sound, two ports, neither ICE nor keys, and no codec."""
    house = House()
    assert failed(house.opens(house.call()[0].offer_to_sip(offer))) is Trouble.NOT_ACCEPTABLE


def test_phone_that_wants_its_media_protected_is_not_answered_in_the_clear():
    """It is told at once, before anybody rings."""
    house = House()
    [voice] = PHONE.media
    for protocol in ("RTP/SAVP", "UDP/TLS/RTP/SAVPF"):
        offer = replace(PHONE, media=(replace(voice, protocol=protocol),))
        assert failed(house.opens(house.call()[0].offer_to_xmpp(offer))) is Trouble.NOT_ACCEPTABLE


def test_keys_can_be_pressed_for_one_who_has_no_format_for_them():
    """The peer is offered one, and XMPP is not told; likewise in an answer."""
    house = House()
    anchor, _ = house.call()
    [voice] = MUXED.contents
    quiet = replace(voice, codecs=tuple(one for one in voice.codecs if one.name != EVENT))
    sdp = house.opens(anchor.offer_to_sip(session(quiet)))
    assert [codec.name for codec in sdp.media[0].codecs] == [*(one.name for one in quiet.codecs), EVENT]
    found: list = []
    anchor.answer_to_xmpp(PHONE).addBoth(found.append)
    assert EVENT not in [codec.name for codec in found[0].contents[0].codecs]
    other, _ = house.call()
    house.opens(other.offer_to_xmpp(PHONE))
    other.answer_to_sip(session(replace(quiet, name="0"))).addBoth(found.append)
    assert found[1].media[0].codecs[-1] == PHONE.media[0].codecs[-1]
