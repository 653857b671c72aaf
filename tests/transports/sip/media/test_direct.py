"""Media past the gateway."""

from __future__ import annotations

from msgspec.structs import replace

from bridge.calls import Codec, Endpoint, SessionDescription
from bridge.errors import Trouble
from tests.transports.sip.calls.test_translate import content, session
from tests.transports.sip.descriptions import CHROMIUM
from tests.transports.sip.media.engines import OFFER, failed
from tests.transports.sip.samples import SDP
from transports.sip.media.backend import Demands
from transports.sip.media.direct import DirectAnchor
from transports.sip.wire.sdp import parse_sdp, write_sdp

BROWSER = parse_sdp(CHROMIUM)


def anchor(*codecs: str) -> DirectAnchor:
    return DirectAnchor(Demands(is_direct=True, codecs=codecs), 7)


def came(deferred):
    found = []
    deferred.addBoth(found.append)
    return found[0]


def test_offer_and_answer_go_through_with_ice_and_keys():
    """By their names and places, in the order of the offer."""
    line = anchor()
    sdp = came(line.offer_to_sip(OFFER))
    assert sdp.origin.session == 7 and (sdp.media[0].address, sdp.media[0].port) == ("198.51.100.3", 40000)
    text = write_sdp(sdp).decode()
    assert "a=ice-ufrag:u1" in text and "a=setup:actpass" in text
    answer = came(line.answer_to_xmpp(replace(BROWSER, media=BROWSER.media[:1])))
    assert [(one.name, one.endpoint.ufrag) for one in answer.contents] == [("voice", "Vx8w")]


def test_peers_offer_and_the_answer_to_it_go_the_other_way():
    """Bundles and all; a later offer keeps the names."""
    line = anchor()
    offered = came(line.offer_to_xmpp(BROWSER))
    assert isinstance(offered, SessionDescription) and offered.bundles == (("0", "1"),)
    answer = came(line.answer_to_sip(replace(offered, contents=offered.contents[:1], bundles=())))
    assert [media.port > 0 for media in answer.media] == [True, False]
    again = came(line.offer_to_sip(replace(offered, contents=offered.contents[:1], bundles=())))
    assert [media.port > 0 for media in again.media] == [True, False]


def test_end_without_ice_or_keys_is_not_acceptable():
    """Of either side, in an offer and in an answer."""
    line = anchor()
    bare = session(content(endpoint=Endpoint(ufrag="u", password="p")))
    assert failed(came(line.offer_to_sip(bare))) is Trouble.NOT_ACCEPTABLE
    assert failed(came(line.offer_to_xmpp(parse_sdp(SDP)))) is Trouble.NOT_ACCEPTABLE
    came(line.offer_to_sip(OFFER))
    assert failed(came(line.answer_to_xmpp(parse_sdp(SDP)))) is Trouble.NOT_ACCEPTABLE
    assert failed(came(line.answer_to_sip(bare))) is Trouble.NOT_ACCEPTABLE


def test_only_codecs_that_the_trunk_takes_are_offered():
    """With the keys; a content without any of them is not offered."""
    [voice] = OFFER.contents
    key = Codec(payload=101, name="telephone-event", clock=8000)
    opus = Codec(payload=111, name="opus", clock=48000, channels=2)
    many = session(replace(voice, codecs=(opus, *voice.codecs, key)))
    [media] = came(anchor("pcmu").offer_to_sip(many)).media
    assert media.formats == ("0", "101")
    assert failed(came(anchor("G729").offer_to_sip(many))) is Trouble.NOT_ACCEPTABLE


def test_nothing_is_kept_of_a_call():
    """Neither candidates nor keys nor an end."""
    line = anchor()
    line.candidates("voice", Endpoint())
    line.press("1", 100)
    line.end()
    assert came(line.offer_to_sip(OFFER)).media
