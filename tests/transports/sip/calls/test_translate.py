"""Descriptions of calls and of SDP, each from the other."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.calls import (
    Candidate,
    Codec,
    Content,
    Crypto,
    Endpoint,
    Feedback,
    Fingerprint,
    Flow,
    HeaderExtension,
    MediaKind,
    SessionDescription,
    Setup,
    Source,
    SourceGroup,
)
from tests.transports.sip.descriptions import BARESIP, CHROMIUM, DINO, SIPP
from tests.transports.sip.samples import SDP
from transports.sip.calls.translate import (
    MAX_CANDIDATES,
    NO_ADDRESS,
    NO_PORT,
    from_sdp,
    lines_of_contents,
    lines_of_media,
    plain,
    read_candidate,
    read_parameters,
    to_sdp,
    usable,
    write_parameters,
)
from transports.sip.wire.sdp import MAX_MEDIA, Origin, is_of_many, parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed

few = settings(max_examples=100, deadline=None)
ORIGIN = Origin("-", 1, 1, "192.0.2.1")
words = st.from_regex(r"[A-Za-z0-9.+-]{1,8}", fullmatch=True)
secrets = st.from_regex(r"[A-Za-z0-9+/]{1,24}", fullmatch=True)
numbers = st.integers(0, 2**32 - 1)
flows = st.sampled_from(Flow)
values = st.from_regex(r"[A-Za-z0-9_.,-]{1,9}", fullmatch=True)
addresses = (
    st.ip_addresses().map(str).filter(lambda ip: not (is_of_many(ip) or ip_address(ip).is_unspecified))
)
ports = st.integers(1, 65535)
feedback = st.lists(st.builds(Feedback, type=words, subtype=st.just("") | words), max_size=2).map(tuple)
parameters = st.lists(st.tuples(st.just("") | words, values), max_size=3).map(tuple)
codecs = st.builds(
    Codec,
    payload=st.integers(0, 127),
    name=words,
    clock=st.integers(1, 999_999_999),
    channels=st.integers(1, 8),
    parameters=parameters,
    feedback=feedback,
)
candidates = st.builds(
    Candidate,
    foundation=words,
    component=st.integers(1, 2),
    protocol=st.sampled_from(["udp", "tcp"]),
    priority=numbers,
    address=addresses,
    port=ports,
    type=st.sampled_from(["host", "srflx", "relay"]),
    related_address=addresses,
    related_port=ports,
    tcp_type=st.sampled_from(["", "passive"]),
    generation=st.integers(0, 9),
)
fingerprints = st.none() | st.builds(
    Fingerprint, hash=st.just("sha-256"), value=st.just("AB:CD"), setup=st.sampled_from(Setup)
)
endpoints = st.builds(
    Endpoint,
    ufrag=secrets,
    password=secrets,
    candidates=st.lists(candidates, max_size=3).map(tuple),
    fingerprint=fingerprints,
    crypto=st.lists(
        st.builds(
            Crypto,
            tag=st.integers(1, 9),
            suite=st.just("AES_CM_128_HMAC_SHA1_80"),
            key=values.map("inline:{}".format),
            session=st.sampled_from(["", "KDR=1 UNENCRYPTED_SRTCP"]),
        ),
        max_size=2,
    ).map(tuple),
    complete=st.booleans(),
)
sources = st.builds(
    Source,
    ssrc=numbers,
    parameters=st.lists(st.tuples(values, values), min_size=1, max_size=2).map(tuple),
)
contents = st.builds(
    Content,
    name=words,
    kind=st.sampled_from(MediaKind),
    flow=flows,
    codecs=st.lists(codecs, min_size=1, max_size=4, unique_by=lambda codec: codec.payload).map(tuple),
    endpoint=endpoints,
    rtcp_mux=st.booleans(),
    feedback=feedback,
    extensions=st.lists(
        st.builds(HeaderExtension, id=st.integers(1, 255), uri=values.map("urn:{}".format), flow=flows),
        max_size=2,
    ).map(tuple),
    sources=st.lists(sources, max_size=2, unique_by=lambda source: source.ssrc).map(tuple),
    groups=st.lists(
        st.builds(
            SourceGroup,
            semantics=st.just("FID"),
            ssrcs=st.lists(numbers, min_size=1, max_size=3).map(tuple),
        ),
        max_size=1,
    ).map(tuple),
    bandwidth=st.none() | st.integers(0, 99999),
)
sessions = st.lists(contents, min_size=1, max_size=3, unique_by=lambda content: content.name).flatmap(
    lambda found: st.builds(
        SessionDescription,
        contents=st.just(tuple(found)),
        bundles=st.sampled_from([(), (tuple(content.name for content in found),)]),
    )
)


def content(name: str = "voice", **more) -> Content:
    """Make a content that ICE finds."""
    made = {
        "kind": MediaKind.AUDIO,
        "codecs": (Codec(payload=0, name="PCMU", clock=8000),),
        "endpoint": Endpoint(ufrag="u1", password="p1"),
    }
    return Content(name=name, **{**made, **more})


def session(*contents: Content, bundles=()) -> SessionDescription:
    return SessionDescription(contents=contents, bundles=bundles)


def read(data: bytes) -> SessionDescription:
    sdp = parse_sdp(data)
    return from_sdp(sdp, lines_of_media(sdp), is_answer=False)


def sdp_of(description: SessionDescription) -> str:
    return write_sdp(to_sdp(description, lines_of_contents(description), ORIGIN)).decode()


# ---- there and back


@few
@given(sessions, st.booleans())
def test_what_was_written_is_read_the_same(description, is_answer):
    """By way of the bytes; an answer of actpass has to be taken for something else."""
    lines = lines_of_contents(description)
    sdp = parse_sdp(write_sdp(to_sdp(description, lines, ORIGIN)))
    offered = from_sdp(sdp, lines_of_media(sdp), is_answer=False)
    assert offered == description
    if is_answer:
        answer = from_sdp(sdp, lines, is_answer=True)
        assert all(
            one.endpoint.fingerprint is None or one.endpoint.fingerprint.setup is not Setup.ACTPASS
            for one in answer.contents
        )


@few
@given(st.binary(max_size=60), st.integers(0, len(CHROMIUM)), st.booleans())
def test_any_description_is_translated_or_malformed(noise, cut, is_answer):
    """Whatever a peer writes, nothing else is raised, and what comes of it can be written again."""
    try:
        sdp = parse_sdp(CHROMIUM[:cut] + noise + CHROMIUM[cut:])
        lines = lines_of_media(sdp)
        description = from_sdp(sdp, lines, is_answer=is_answer)
        write_sdp(to_sdp(description, lines, ORIGIN))
        write_sdp(plain(sdp))
    except Malformed as malformed:
        assert str(malformed)


@few
@given(parameters)
def test_parameters_are_written_and_read_the_same(pairs):
    """With names and without."""
    assert read_parameters(write_parameters(pairs)) == pairs


# ---- what peers write


def test_a_browsers_offer_is_understood_in_full():
    """ICE, DTLS, one bundle, feedback, sources and extensions."""
    description = read(CHROMIUM)
    audio, video = description.contents
    assert description.bundles == (("0", "1"),)
    assert (audio.name, audio.kind, audio.flow, audio.rtcp_mux) == ("0", MediaKind.AUDIO, Flow.BOTH, True)
    opus = audio.codecs[0]
    assert (opus.payload, opus.name, opus.clock, opus.channels) == (111, "opus", 48000, 2)
    assert opus.parameters == (("minptime", "10"), ("useinbandfec", "1"))
    assert opus.feedback == (Feedback(type="transport-cc"),)
    assert audio.codecs[1].parameters == (("", "111/111"),)
    assert audio.extensions[0] == HeaderExtension(id=1, uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level")
    assert audio.sources[0].ssrc == 2543214987 and audio.sources[0].parameters[0][0] == "cname"
    assert (audio.endpoint.ufrag, audio.endpoint.complete) == ("Vx8w", False)
    assert audio.endpoint.fingerprint is not None and audio.endpoint.fingerprint.setup is Setup.ACTPASS
    assert video.groups == (SourceGroup(semantics="FID", ssrcs=(11, 12)),)
    assert video.codecs[0].feedback[-1] == Feedback(type="nack", subtype="pli")


def test_dinos_candidates_are_understood():
    """Of libnice, with a related address and a TCP type."""
    [audio] = read(DINO).contents
    host, reflexive, tcp = audio.endpoint.candidates
    assert (host.address, host.port, host.type, audio.endpoint.complete) == ("192.0.2.2", 41000, "host", True)
    assert (reflexive.related_address, reflexive.related_port) == ("192.0.2.2", 41000)
    assert (tcp.protocol, tcp.tcp_type) == ("TCP", "passive")


@pytest.mark.parametrize(
    ("data", "names", "port", "rtcp"),
    [
        (BARESIP, ["PCMU", "telephone-event"], 10058, 10059),
        (SIPP, ["PCMU"], 6000, 6001),
        (SDP, None, 49170, 49171),
    ],
)
def test_plain_phones_are_reached_by_their_address(data, names, port, rtcp):
    """Payload types that are in the table need no map; RTCP is one port up."""
    [audio] = read(data).contents
    assert names is None or [codec.name for codec in audio.codecs] == names
    assert [(one.component, one.port) for one in audio.endpoint.candidates] == [(1, port), (2, rtcp)]
    assert audio.name == "0" and not audio.endpoint.ufrag and not audio.endpoint.complete


def test_what_is_said_for_the_session_holds_for_its_media():
    """Keys, credentials and direction (RFC 8839 §5.4, RFC 8122 §5)."""
    head = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\na=sendonly\r\na=ice-ufrag:u\r\n"
    keys = b"a=ice-pwd:p\r\na=fingerprint:SHA-256 AB:CD\r\na=setup:holdconn\r\n"
    [audio] = read(
        head + keys + b"m=audio 4000 UDP/TLS/RTP/SAVP 0\r\na=rtcp:4004 IN IP4 192.0.2.8\r\n"
    ).contents
    assert audio.flow is Flow.SENDS and (audio.endpoint.ufrag, audio.endpoint.complete) == ("u", True)
    assert audio.endpoint.fingerprint == Fingerprint(hash="SHA-256", value="AB:CD", setup=Setup.ACTPASS)


def test_other_kinds_of_media_are_left_out_and_refused():
    """Only what can be heard or seen is for XMPP; fax is not, nor are streams that are no RTP."""
    sdp = parse_sdp(
        SDP.replace(b"m=audio", b"m=image 7 udptl t38\r\nm=audio 8 MSRP x\r\nm=audio")
        + b"m=video 0 RTP/AVP 31\r\n"
    )
    lines = lines_of_media(sdp)
    [audio] = from_sdp(sdp, lines, is_answer=False).contents
    assert audio.name == "2"
    answer = to_sdp(session(content("2")), lines, ORIGIN)
    assert [(media.kind, media.port > 0, media.protocol) for media in answer.media] == [
        ("image", False, "udptl"),
        ("audio", False, "MSRP"),
        ("audio", True, "RTP/AVP"),
        ("video", False, "RTP/AVP"),
    ]


def test_bundled_media_without_a_port_are_alive():
    """RFC 9143 §7.2.1: a=bundle-only."""
    data = CHROMIUM.replace(b"m=video 9", b"m=video 0").replace(b"a=mid:1", b"a=mid:1\r\na=bundle-only")
    assert [one.name for one in read(data).contents] == ["0", "1"]
    assert [one.name for one in read(data.replace(b"BUNDLE 0 1", b"BUNDLE 0")).contents] == ["0"]


# ---- what is written


def test_content_without_candidates_is_no_hold():
    """An address of zeros would be one (RFC 3264 §8.4)."""
    [media] = to_sdp(session(content()), lines_of_contents(session(content())), ORIGIN).media
    assert (media.address, media.port) == (NO_ADDRESS, NO_PORT)


def test_contents_of_a_bundle_share_what_one_of_them_says():
    """XEP-0338: only the first has a transport of its own."""
    second = content("face", kind=MediaKind.VIDEO, endpoint=Endpoint())
    text = sdp_of(session(content(), second, bundles=(("voice", "face"),)))
    assert "a=group:BUNDLE voice face\r\n" in text and text.count("a=ice-ufrag:u1\r\n") == 2


@pytest.mark.parametrize(
    ("more", "protocol"),
    [
        ({}, "RTP/AVP"),
        ({"feedback": (Feedback(type="nack"),)}, "RTP/AVPF"),
        ({"endpoint": Endpoint(crypto=(Crypto(tag=1, suite="A", key="inline:x"),))}, "RTP/SAVP"),
        (
            {"endpoint": Endpoint(fingerprint=Fingerprint(hash="sha-256", value="AB", setup=Setup.ACTIVE))},
            "UDP/TLS/RTP/SAVPF",
        ),
    ],
)
def test_profile_follows_from_what_protects_the_media(more, protocol):
    """RFC 4585, RFC 3711, RFC 5764."""
    assert f"m=audio {NO_PORT} {protocol} 0\r\n" in sdp_of(session(content(**more)))


def test_answer_repeats_the_offers_profile():
    """RFC 3264 §6, whatever its author would have written himself."""
    sdp = parse_sdp(SDP.replace(b"RTP/AVP", b"RTP/SAVPF"))
    lines = lines_of_media(sdp)
    assert to_sdp(session(content("0")), lines, ORIGIN).media[0].protocol == "RTP/SAVPF"


@pytest.mark.parametrize(
    "more",
    [
        {"name": "a b"},
        {"codecs": ()},
        {"codecs": (Codec(payload=128, name="x", clock=1),)},
        {"codecs": (Codec(payload=1, name="x/1\r\na=y", clock=1),)},
        {"endpoint": Endpoint(ufrag="a b", password="x")},
        {"endpoint": Endpoint(ufrag="a", password="x\r\n")},
        {"endpoint": Endpoint(fingerprint=Fingerprint(hash="x", value="\r\n", setup=Setup.ACTIVE))},
    ],
)
def test_what_sdp_cannot_say_is_malformed(more):
    """Nothing is written that reads as something else."""
    with pytest.raises(Malformed):
        sdp_of(session(content(**more)))


def test_optional_parts_that_sdp_cannot_say_are_left_out():
    """A candidate of a host name, a parameter with a semicolon, and lines within lines."""
    odd = Candidate(
        foundation="1", component=1, protocol="udp", priority=1, address="a.local", port=9, type="host"
    )
    text = sdp_of(
        session(
            content(
                codecs=(Codec(payload=0, name="PCMU", clock=8000, parameters=(("a", "b;c"), ("d", "1"))),),
                endpoint=Endpoint(ufrag="u", password="p", candidates=(odd,)),
                sources=(Source(ssrc=1, parameters=(("cname", "x\r\na=y"),)),),
                feedback=(Feedback(type="x y"),),
                extensions=(HeaderExtension(id=1, uri="a b\r\n"),),
                groups=(SourceGroup(semantics="a b", ssrcs=()),),
            )
        )
    )
    assert "a=fmtp:0 d=1\r\n" in text
    assert not any(word in text for word in ("candidate", "ssrc", "rtcp-fb", "extmap", "a=y"))


def test_candidates_are_bounded_and_of_addresses():
    """Who sends thousands is not read to the end."""
    one = read_candidate("1 1 udp 5 192.0.2.1 9 typ host generation 0 network-id 1")
    assert one is not None and one.port == 9
    assert len(usable([one] * 1000)) == MAX_CANDIDATES
    for text in ("x", "1 1 udp 5 192.0.2.1 9 typ", "1 1 udp 99999999999 192.0.2.1 9 typ host"):
        assert read_candidate(text) is None
    bad = read_candidate("1 1 udp 5 239.0.0.1 9 typ host")
    assert bad is not None and usable([bad]) == ()


# ---- later offers


def test_media_keep_their_places_over_offers():
    """An ended one stays, and gives its place to the next of its kind (RFC 3264 §8)."""
    voice, face = content(), content("face", kind=MediaKind.VIDEO)
    first = lines_of_contents(session(voice, face))
    second = lines_of_contents(session(face), first)
    assert [(line.name, line.is_open) for line in second] == [("voice", False), ("face", True)]
    assert [media.port > 0 for media in to_sdp(session(face), second, ORIGIN).media] == [False, True]
    third = lines_of_contents(session(face, content("again")), second)
    assert [(line.name, line.is_open) for line in third] == [("again", True), ("face", True)]
    more = lines_of_contents(session(content("again"), face, content("x", kind=MediaKind.VIDEO)), third)
    assert [line.name for line in more] == ["again", "face", "x"]


def test_media_keep_their_names_over_a_phones_offers():
    """Whatever it calls them; new ones get names that nobody has."""
    sdp = parse_sdp(SDP)
    before = lines_of_contents(session(content("1"), content("b")))
    lines = lines_of_media(
        parse_sdp(SDP + b"m=audio 6 RTP/AVP 0\r\nm=audio 7 RTP/AVP 0\r\na=mid:1\r\n"), before
    )
    assert [line.name for line in lines] == ["1", "b", "1-"]
    assert [line.name for line in lines_of_media(sdp)] == ["0"]


def test_answers_that_do_not_fit_are_malformed():
    """Too few media, contents that nobody offered, two of one name, too many, and nothing in common."""
    lines = lines_of_contents(session(content("a"), content("b")))
    with pytest.raises(Malformed, match="as many"):
        from_sdp(parse_sdp(SDP), lines, is_answer=True)
    with pytest.raises(Malformed, match="not offered"):
        to_sdp(session(content("c")), lines, ORIGIN)
    with pytest.raises(Malformed, match="one name"):
        lines_of_contents(session(content("a"), content("a")))
    with pytest.raises(Malformed, match="too many"):
        lines_of_contents(session(*(content(f"c{n}") for n in range(MAX_MEDIA + 1))))
    refused = parse_sdp(SDP.replace(b"49170", b"0"))
    with pytest.raises(Malformed, match="no medium"):
        from_sdp(refused, lines_of_contents(session(content("a"))), is_answer=True)
    with pytest.raises(Malformed, match="no codec"):
        read(SDP.replace(b"0 8 101", b"77"))


# ---- for peers without ICE


def test_plain_description_has_nothing_that_a_phone_does_not_know():
    """No ICE, names, sources or extensions; feedback of pictures only."""
    text = write_sdp(plain(parse_sdp(CHROMIUM))).decode()
    assert "a=rtpmap:111 opus/48000/2\r\n" in text and "a=rtcp-fb:96 nack pli\r\n" in text
    assert not any(word in text for word in ("ice-", "mid", "ssrc", "extmap", "group", "rtcp-fb:111"))


def test_media_go_to_no_group_of_machines():
    """An address of many, or a name, is no place to send a stranger's media to."""
    for host in (b"239.1.2.3", b"pbx.example"):
        with pytest.raises(Malformed):
            plain(parse_sdp(SDP.replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 " + host)))


@pytest.mark.parametrize("fingerprint", ["sha-256", "sha-256 XY", "sha-256 AB CD"])
def test_fingerprint_that_cannot_be_read_is_refused(fingerprint):
    """Without it nothing would be protected."""
    sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 UDP/TLS/RTP/SAVP 0\r\n"
    with pytest.raises(Malformed):
        read(f"{sdp}a=fingerprint:{fingerprint}\r\n".encode())
