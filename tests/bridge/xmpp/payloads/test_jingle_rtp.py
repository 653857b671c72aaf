"""What media a call has."""

from __future__ import annotations

import pytest
from hypothesis import given
from msgspec.structs import replace

from bridge.calls import (
    Codec,
    Crypto,
    Ending,
    Endpoint,
    Feedback,
    Flow,
    HeaderExtension,
    MediaKind,
    SessionDescription,
    Source,
    SourceGroup,
)
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import NS_JINGLE, Action, Jingle, Unacceptable, parse_jingle
from bridge.xmpp.payloads.jingle_ice import NS_ICE
from bridge.xmpp.payloads.jingle_rtp import (
    MAX_CODECS,
    MAX_EACH,
    NS_FEEDBACK,
    NS_RTP,
    build_contents,
    build_groups,
    build_kinds,
    flow_of,
    kinds_of,
    parse_description,
    senders_of,
)
from tests.bridge.services.scene import read_stanzas
from tests.bridge.xmpp.descriptions import KEYS, descriptions


def request(*contents: Element, payloads: tuple[Element, ...] = ()) -> Jingle:
    return Jingle(action=Action.SESSION_INITIATE, sid="a", contents=contents, payloads=payloads)


def content(*parts: Element, media: str = "audio", namespace: str = NS_RTP, **facts: str) -> Element:
    description = Element("description", namespace, {"media": media}, *parts)
    transport = Element("transport", NS_ICE, {"ufrag": "a", "pwd": "b"})
    return Element("content", NS_JINGLE, {"name": "a", **facts}, description, transport)


def payload_type(*parts: Element, **facts: str) -> Element:
    return Element("payload-type", NS_RTP, {"id": "0", **facts}, *parts)


def read(*stanzas: bytes) -> SessionDescription:
    (element,) = read_stanzas(
        b"<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='a'>%s</jingle>" % b"".join(stanzas)
    )
    return parse_description(parse_jingle(element), is_initiator=True)


@pytest.mark.parametrize(("payload", "channels"), [(10, 1), (10, 2), (0, 1), (0, 2), (96, 1), (96, 2)])
def test_channels_are_read_as_they_were_written(payload: int, channels: int) -> None:
    """Of payload types that mean two channels, or one, by themselves, too."""
    element = payload_type(id=str(payload), name="x", channels=str(channels))
    described = parse_description(request(content(element)), True)
    again = parse_description(request(*build_contents(described, "initiator", True)), True)
    assert again == described and again.contents[0].codecs[0].channels == channels


@pytest.mark.parametrize("is_initiator", [True, False])
@given(description=descriptions(), keys=KEYS)
def test_description_is_read_as_it_was_written(description, keys, is_initiator: bool) -> None:
    """Whoever its author is."""
    first, *others = description.contents
    kept = replace(first, endpoint=replace(first.endpoint, crypto=keys))
    whole = replace(description, contents=(kept, *others))
    written = request(*build_contents(whole, "initiator", is_initiator), payloads=build_groups(whole))
    assert parse_description(written, is_initiator) == whole


@pytest.mark.parametrize(
    ("senders", "initiator", "responder"),
    [
        (None, Flow.BOTH, Flow.BOTH),
        ("both", Flow.BOTH, Flow.BOTH),
        ("initiator", Flow.SENDS, Flow.RECEIVES),
        ("responder", Flow.RECEIVES, Flow.SENDS),
        ("none", Flow.NONE, Flow.NONE),
    ],
)
@pytest.mark.spec("XEP-0166 §7.3")
def test_who_sends_is_told_by_who_asks(senders: str | None, initiator: Flow, responder: Flow) -> None:
    """The author of a description sees it from his side."""
    assert (flow_of(senders, True), flow_of(senders, False)) == (initiator, responder)
    assert senders_of(initiator, True) == senders_of(responder, False) == (senders or "both")


def test_unknown_senders_are_malformed() -> None:
    """They are one of four."""
    with pytest.raises(BridgeError) as caught:
        parse_description(request(content(payload_type(), senders="me")), True)
    assert caught.value.trouble is Trouble.BAD_REQUEST


@pytest.mark.spec("XEP-0167 §5")
def test_formats_of_the_specification_are_read() -> None:
    """What a payload type always means need not be said, nor the clock that most formats have."""
    (voice,) = read(
        b"""<content creator='initiator' name='voice'>
        <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>
        <payload-type id='96' name='speex' clockrate='16000' ptime='40'>
          <parameter name='vbr' value='on'/><parameter name='cng' value='on'/></payload-type>
        <payload-type id='18' name='G729'/>
        <payload-type id='103' name='L16' clockrate='16000' channels='2'/>
        <payload-type id='102' name='iLBC'/>
        <payload-type id='0' name='PCMU' clockrate='16000'/>
        <payload-type id='10'/>
        <payload-type id='104'/>
        <payload-type id='200' name='x'/>
        <payload-type id='18' name='again'/>
        <bandwidth type='AS'>128</bandwidth>
        <rtcp-mux/></description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'/>
        </content>"""
    ).contents
    assert voice.codecs == (
        Codec(payload=96, name="speex", clock=16000, parameters=(("vbr", "on"), ("cng", "on")), ptime=40),
        Codec(payload=18, name="G729", clock=8000),
        Codec(payload=103, name="L16", clock=16000, channels=2),
        Codec(payload=102, name="iLBC", clock=8000),
        Codec(payload=0, name="PCMU", clock=16000),
        Codec(payload=10, name="L16", clock=44100, channels=2),
    )
    assert (voice.kind, voice.rtcp_mux, voice.bandwidth) == (MediaKind.AUDIO, True, 128)


def test_keys_of_the_specification_are_read() -> None:
    """XEP-0167 §7: they belong to how media are reached."""
    (voice,) = read(
        b"""<content name='voice'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>
        <payload-type id='0'/><encryption required='1'>
        <crypto crypto-suite='AES_CM_128_HMAC_SHA1_80'
          key-params='inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32'
          session-params='KDR=1 UNENCRYPTED_SRTCP' tag='1'/>
        <crypto crypto-suite='AES_CM_128_HMAC_SHA1_80' key-params='inline:a b' tag='2'/>
        <crypto key-params='inline:a' tag='x'/></encryption></description>
        <transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'>
        <candidate component='1' generation='0' id='a9j3mnbtu1' ip='10.0.1.1' port='49170'/></transport>
        </content>"""
    ).contents
    assert voice.endpoint.crypto == (
        Crypto(
            tag=1,
            suite="AES_CM_128_HMAC_SHA1_80",
            key="inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32",
            session="KDR=1 UNENCRYPTED_SRTCP",
        ),
    )
    assert (voice.endpoint.ufrag, voice.endpoint.candidates[0].port) == ("", 49170)


def test_video_of_the_specifications_is_read() -> None:
    """XEP-0293 §4, XEP-0294 §4, XEP-0339 §3."""
    (webcam,) = read(
        b"""<content name='webcam'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>
        <rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' subtype='pli'/>
        <payload-type id='96' name='H264' clockrate='90000'>
          <rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='100'/>
          <rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='ccm' subtype='tmmbr'>
            <parameter name='smaxpr' value='120'/></rtcp-fb></payload-type>
        <payload-type id='34' name='H263'/>
        <rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' uri='urn:ietf:params:rtp-hdrext:toffset' id='1'/>
        <rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' uri='urn:x' id='4907' senders='responder'/>
        <rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' uri='urn:y' id='2' senders='responder'/>
        <extmap-allow-mixed xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0'/>
        <ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'>
          <source ssrc='2301230316'/><source ssrc='386328120'/></ssrc-group>
        <source ssrc='2301230316' xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'>
          <parameter name='cname' value='T5qvrIZj42v//eYQ'/><parameter name='flag'/></source>
        <source ssrc='386328120' xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'/>
        <bandwidth type='TIAS'>1500000</bandwidth></description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'/>
        </content>"""
    ).contents
    assert webcam.feedback == (Feedback(type="nack", subtype="pli"),)
    assert webcam.codecs[0].feedback == (
        Feedback(type="ccm", subtype="tmmbr smaxpr=120"),
        Feedback(type="trr-int", subtype="100"),
    )
    assert webcam.codecs[1].clock == 90000
    assert webcam.extensions == (
        HeaderExtension(id=1, uri="urn:ietf:params:rtp-hdrext:toffset"),
        HeaderExtension(id=2, uri="urn:y", flow=Flow.RECEIVES),
    )
    assert webcam.groups == (SourceGroup(semantics="FID", ssrcs=(2301230316, 386328120)),)
    assert webcam.sources == (
        Source(ssrc=2301230316, parameters=(("cname", "T5qvrIZj42v//eYQ"), ("flag", ""))),
        Source(ssrc=386328120),
    )
    assert webcam.bandwidth == 1500


def test_value_without_a_name_is_read_from_both_ways_to_write_it() -> None:
    """COMPAT: stanza.js 12 writes a name without a value, others an empty name; both mean "111/111"."""
    red = [
        Element("parameter", NS_RTP, {"name": "111/111"}),
        Element("parameter", NS_RTP, {"name": "", "value": "111/111"}),
        Element("parameter", NS_RTP),
        Element("parameter", NS_RTP, {"name": "a b", "value": "c"}),
        Element("parameter", NS_RTP, {"name": "a", "value": "c\r\nb=d"}),
    ]
    described = parse_description(request(content(payload_type(*red, id="63", name="red"))), True)
    assert described.contents[0].codecs[0].parameters == (("", "111/111"), ("", "111/111"))


def group(semantics: str, *names: str) -> Element:
    namespace = "urn:xmpp:jingle:apps:grouping:0"
    contents = (Element("content", namespace, {"name": name}) for name in names)
    return Element("group", namespace, {"semantics": semantics}, *contents)


def test_bundles_hold_contents_that_there_are() -> None:
    """XEP-0338 §2; each is in one, and groups of other kinds mean nothing to media."""
    both = (content(payload_type(), name="voice"), content(payload_type(), name="webcam"))
    groups = (
        group("LS", "voice", "webcam"),
        group("BUNDLE", "voice", "nobody", "voice", "webcam"),
        group("BUNDLE", "webcam"),
    )
    assert parse_description(request(*both, payloads=groups), True).bundles == (("voice", "webcam"),)


def test_contents_that_cannot_be_had_are_left_out() -> None:
    """The answer is without them."""
    files = content(payload_type(), namespace="urn:xmpp:jingle:apps:file-transfer:5", name="file")
    early = content(payload_type(), name="early", disposition="early-session")
    voice = content(payload_type(), name="voice")
    found = parse_description(request(files, early, voice, content(payload_type(), name="voice")), True)
    assert [one.name for one in found.contents] == ["voice"]


@pytest.mark.spec("XEP-0166 §7.3")
def test_contents_of_one_name_are_alternatives() -> None:
    """The first that can be had is taken, and stands for all."""
    other = content(payload_type(), namespace="urn:xmpp:jingle:apps:file-transfer:5", name="voice")
    first, second = (content(payload_type(id=number), name="voice") for number in ("8", "0"))
    for contents, expected in (((other, first), 8), ((first, second), 8), ((second, other, first), 0)):
        [found] = parse_description(request(*contents), True).contents
        assert (found.name, found.codecs[0].payload) == ("voice", expected)


@pytest.mark.parametrize(
    ("element", "ending"),
    [
        (content(payload_type(), namespace="urn:xmpp:jingle:apps:file-transfer:5"), Ending.UNSUPPORTED_APPLICATIONS),
        (content(payload_type(), media="application"), Ending.UNSUPPORTED_APPLICATIONS),
        (content(), Ending.INCOMPATIBLE),
        (content(payload_type(id="99")), Ending.INCOMPATIBLE),
        (
            Element("content", NS_JINGLE, {"name": "a"}, Element("description", NS_RTP, {"media": "audio"}, payload_type())),
            Ending.UNSUPPORTED_TRANSPORTS,
        ),
    ],
)  # fmt: skip
def test_nothing_that_can_be_had_ends_the_session(element: Element, ending: Ending) -> None:
    """XEP-0166 §7.4: by the reason that says why."""
    with pytest.raises(Unacceptable) as caught:
        parse_description(request(element), True)
    assert caught.value.ending is ending


@pytest.mark.parametrize(
    "contents",
    [
        (),
        (content(payload_type(), disposition="early-session"),),
        (content(*[payload_type()] * (MAX_CODECS + 1)),),
        (content(payload_type(*[Element("rtcp-fb", NS_FEEDBACK, {"type": "nack"})] * (MAX_EACH + 1))),),
        (content(payload_type(*[Element("parameter", NS_RTP, {"name": "a"})] * (MAX_EACH + 1))),),
    ],
)
def test_description_of_nothing_or_too_much_is_malformed(contents: tuple[Element, ...]) -> None:
    """XEP-0166 §7.2.10; nobody needs more than the limits."""
    with pytest.raises(BridgeError) as caught:
        parse_description(request(*contents), True)
    assert caught.value.trouble is Trouble.BAD_REQUEST


def test_kinds_are_told_without_more() -> None:
    """XEP-0353 §3.1: each once, in their order."""
    kinds = (MediaKind.VIDEO, MediaKind.AUDIO)
    strange = Element("description", NS_RTP, {"media": "smell"})
    assert kinds_of((*build_kinds(kinds), strange, *build_kinds(kinds))) == kinds


def test_endpoint_without_ice_is_written_as_raw_addresses() -> None:
    """XEP-0177: as a peer of SIP's has them."""
    given = read(
        b"""<content name='voice'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>
        <payload-type id='0'/></description><transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'>
        <candidate component='1' generation='0' id='a' ip='10.0.1.1' port='49170'/></transport></content>"""
    )
    (written,) = build_contents(given, "responder", False)
    assert written.child("transport", "urn:xmpp:jingle:transports:raw-udp:1") is not None
    assert written.get("creator") == "responder"
    assert given.contents[0].endpoint != Endpoint()


PRINT = b":".join([b"AB"] * 32)


def test_offer_of_a_browser_is_read() -> None:
    """As stanza.js 12 writes what Chromium 156 offers: candidates come later."""
    described = read(
        b"""<content creator='initiator' name='0'>
        <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio' ssrc='2077346702'>
        <rtcp-mux/><rtcp-reduced-size/>
        <payload-type channels='2' clockrate='48000' name='opus' id='111'>
          <parameter name='minptime' value='10'/><parameter name='useinbandfec' value='1'/>
          <rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='transport-cc'/></payload-type>
        <payload-type channels='2' clockrate='48000' name='red' id='63'><parameter name='111/111'/></payload-type>
        <payload-type channels='1' clockrate='8000' name='telephone-event' id='126'/>
        <rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='4' uri='urn:ietf:params:rtp-hdrext:sdes:mid'/>
        <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='2077346702'>
          <parameter name='cname' value='v550wyumuvyTnBf6'/>
          <parameter name='msid' value='c6c6971c-599c 788745ae-3a3c'/></source>
        <stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' track='788745ae-3a3c' id='c6c6971c-599c'/></description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='nBhM' pwd='TVWYQVuStaQ+Com7tvwsN+yr'>
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>%s</fingerprint>
        </transport></content>
        <group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='0'/></group>"""
        % PRINT
    )
    (voice,) = described.contents
    assert [codec.name for codec in voice.codecs] == ["opus", "red", "telephone-event"]
    assert voice.codecs[0].parameters == (("minptime", "10"), ("useinbandfec", "1"))
    assert voice.codecs[0].feedback == (Feedback(type="transport-cc"),)
    assert voice.codecs[1].parameters == (("", "111/111"),)
    assert (voice.rtcp_mux, voice.flow, described.bundles) == (True, Flow.BOTH, (("0",),))
    assert voice.sources[0].parameters[1] == ("msid", "c6c6971c-599c 788745ae-3a3c")
    assert (voice.endpoint.ufrag, voice.endpoint.candidates, voice.endpoint.complete) == ("nBhM", (), False)


def test_offer_of_a_telephone_with_android_is_read() -> None:
    """As Conversations writes it: with its marks for trickling candidates, and a name that is a number."""
    described = read(
        b"""<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='0'/></group>
        <content name='0' creator='initiator'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>
        <payload-type channels='2' name='opus' clockrate='48000' id='111'/>
        <payload-type name='ILBC' clockrate='8000' id='102'/>
        <payload-type name='CN' clockrate='32000' id='106'/>
        <payload-type name='telephone-event' clockrate='8000' id='126'/><rtcp-mux/>
        <extmap-allow-mixed xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0'/></description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='x1Ab' pwd='0123456789abcdefABCDEF+/'>
        <trickle xmlns='http://gultsch.de/xmpp/drafts/jingle/transports/ice-udp/option'/>
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>%s</fingerprint>
        </transport></content>"""
        % PRINT
    )
    (voice,) = described.contents
    assert [(codec.name, codec.clock, codec.channels) for codec in voice.codecs] == [
        ("opus", 48000, 2),
        ("ILBC", 8000, 1),
        ("CN", 32000, 1),
        ("telephone-event", 8000, 1),
    ]
    assert voice.endpoint.fingerprint is not None and voice.endpoint.fingerprint.hash == "sha-256"


def test_offer_without_bundle_and_one_port_is_read() -> None:
    """As Dino writes it: two components, and a candidate for each."""
    (video,) = read(
        b"""<content creator='initiator' name='video' senders='both'>
        <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>
        <payload-type id='98' name='VP8' clockrate='90000'>
          <rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' subtype='pli'/></payload-type>
        </description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='iDP1' pwd='NmwqlS5rb0c/sjgVJ5qeec'>
        <candidate component='1' foundation='7' generation='0' id='a' ip='192.0.2.4' network='0' port='39404'
          priority='1679819518' protocol='udp' type='srflx' rel-addr='10.0.0.2' rel-port='39404'/>
        <candidate component='2' foundation='8' generation='0' id='b' ip='2001:db8::4' network='0' port='64257'
          priority='505414398' protocol='udp' type='relay' rel-addr='10.0.0.2' rel-port='39405'/>
        </transport></content>"""
    ).contents
    assert [(one.component, one.type, one.address) for one in video.endpoint.candidates] == [
        (1, "srflx", "192.0.2.4"),
        (2, "relay", "2001:db8::4"),
    ]
    assert (video.kind, video.rtcp_mux) == (MediaKind.VIDEO, False)
