"""Session descriptions in and out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transports.sip.samples import SDP
from transports.sip.wire.sdp import (
    MAX_FORMATS,
    MAX_LINES,
    MAX_MEDIA,
    MAX_SDP,
    Codec,
    Description,
    Direction,
    Media,
    Origin,
    parse_sdp,
    write_sdp,
)
from transports.sip.wire.uri import Malformed

few = settings(max_examples=100, deadline=None)
words = st.from_regex(r"[A-Za-z0-9.+-]{1,8}", fullmatch=True)
values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), max_size=12)
attributes = st.lists(st.tuples(words, values), max_size=4).map(tuple)
addresses = st.ip_addresses().map(str) | st.just("")
bandwidths = st.lists(
    st.tuples(st.sampled_from(["AS", "X-own"]), st.integers(0, 10**9).map(str)), max_size=2
).map(tuple)
media = st.builds(
    Media,
    kind=words,
    port=st.integers(0, 65535),
    ports=st.integers(1, 9),
    protocol=words,
    formats=st.lists(words, min_size=1, max_size=4).map(tuple),
    address=addresses,
    attributes=attributes,
    bandwidth=bandwidths,
)
descriptions = st.builds(
    Description,
    origin=st.builds(
        Origin,
        username=words,
        session=st.integers(0, 2**63),
        version=st.integers(0, 2**63),
        address=st.ip_addresses().map(str),
    ),
    media=st.lists(media, max_size=3).map(tuple),
    name=words,
    address=addresses,
    attributes=attributes,
    bandwidth=bandwidths,
)

HEAD = b"v=0\r\no=ann 1 2 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n"


def one(lines: bytes) -> Media:
    return parse_sdp(HEAD + lines).media[0]


@few
@given(descriptions)
def test_what_was_written_is_read_the_same(description):
    """Whatever the attributes are."""
    assert parse_sdp(write_sdp(description)) == description


@few
@given(st.binary(max_size=80), st.integers(0, len(SDP)))
def test_any_bytes_are_a_description_or_malformed(noise, cut):
    """Nothing else is raised."""
    for data in (noise, SDP[:cut] + noise + SDP[cut:], SDP[:cut] + noise):
        try:
            write_sdp(parse_sdp(data))
        except Malformed as malformed:
            assert str(malformed)


def test_a_phones_description_is_taken_apart():
    """As RFC 8866 §5 writes it."""
    description = parse_sdp(SDP)
    [audio] = description.media
    assert description.origin == Origin("ann", 7, 7, "192.0.2.9")
    assert (audio.kind, audio.port, audio.protocol, audio.formats) == (
        "audio",
        49170,
        "RTP/AVP",
        ("0", "8", "101"),
    )
    assert (description.address_of(audio), audio.get("ptime"), audio.get("mid")) == ("192.0.2.9", "20", None)
    assert description.direction(audio) is Direction.SENDRECV
    assert audio.codecs == [
        Codec("0", "PCMU", 8000),
        Codec("8", "PCMA", 8000),
        Codec("101", "telephone-event", 8000, 1, "0-16"),
    ]
    assert write_sdp(description) == SDP


def test_line_ends_order_and_unknown_lines_do_not_matter():
    """Old phones have their ways."""
    odd = b"o=- 1 2 IN IP6 ::1\nv=0\ni=x\nnonsense\nz=0 0\nq=?\n\nm=audio 5 RTP/AVP 0\nk=clear:x\nc=IN IP6 ff15::1/3\n"
    description = parse_sdp(odd)
    assert (description.name, description.address_of(description.media[0])) == ("-", "ff15::1")


@pytest.mark.parametrize(
    ("session", "medium", "direction"),
    [
        (b"", b"", Direction.SENDRECV),
        (b"a=recvonly\r\n", b"", Direction.RECVONLY),
        (b"a=recvonly\r\n", b"a=sendonly\r\n", Direction.SENDONLY),
        (b"", b"a=inactive\r\n", Direction.INACTIVE),
        (b"c=IN IP4 0.0.0.0\r\n", b"", Direction.SENDONLY),
        (b"c=IN IP4 0.0.0.0\r\n", b"a=recvonly\r\n", Direction.INACTIVE),
        (b"c=IN IP4 0.0.0.0\r\n", b"c=IN IP4 192.0.2.1\r\n", Direction.SENDRECV),
    ],
)
@pytest.mark.spec("RFC 8866 §6.7")
def test_directions_are_the_mediums_or_the_sessions(session, medium, direction):
    """And an address of zeros is a hold."""
    description = parse_sdp(HEAD + session + b"m=audio 5 RTP/AVP 0\r\n" + medium)
    assert description.direction(description.media[0]) is direction
    again = description.media[0].with_direction(Direction.RECVONLY)
    assert [name for name, _ in again.attributes] == ["recvonly"]


@pytest.mark.parametrize("direction", Direction)
def test_directions_are_mirrored(direction):
    """What one sends the other receives."""
    mirrored = direction.reversed()
    assert (mirrored.sends, mirrored.receives) == (direction.receives, direction.sends)
    assert mirrored.reversed() is direction
    assert Direction.of(direction.sends, direction.receives) is direction


def test_codecs_are_those_that_are_explained():
    """By a map of their own, or by the table; the first map holds."""
    audio = one(
        b"m=audio 5 RTP/AVP 111 9 0 96 x\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
        b"a=rtpmap:111 other/1\r\na=rtpmap:0 PCMU/16000\r\na=rtpmap:broken\r\n"
    )
    assert audio.codecs == [
        Codec("111", "opus", 48000, 2, "minptime=10;useinbandfec=1"),
        Codec("9", "G722", 8000),
        Codec("0", "PCMU", 16000),
    ]


def test_a_refused_medium_has_no_port():
    """But is still there (RFC 3264 §6)."""
    audio = one(b"m=audio 5/2 RTP/SAVP 0 8\r\nb=AS:64\r\na=x\r\n")
    assert (audio.ports, audio.bandwidth) == (2, (("AS", "64"),))
    assert audio.refused() == Media(kind="audio", port=0, protocol="RTP/SAVP", formats=("0",))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"v=1\r\no=- 1 1 IN IP4 1.2.3.4\r\n",
        b"v=0\r\ns=-\r\n",
        b"v=0\r\no=- x 1 IN IP4 1.2.3.4\r\n",
        b"v=0\r\no=- " + b"1" * 21 + b" 1 IN IP4 1.2.3.4\r\n",
        HEAD + b"c=IN IP4\r\n",
        HEAD + b"a=x\0y\r\n",
        HEAD + b"m=audio\r\n",
        HEAD + b"m=audio 65536 RTP/AVP 0\r\n",
        HEAD + b"m=audio -1 RTP/AVP 0\r\n",
        HEAD + b"m=audio 5 RTP/AVP\r\n",
        HEAD + b"m=audio 5 RTP/AVP" + b" 0" * (MAX_FORMATS + 1),
        HEAD + b"m=audio 5 RTP/AVP 0\r\n" * (MAX_MEDIA + 1),
        HEAD + b"a=x\r\n" * MAX_LINES,
        HEAD + b"a=" + b"x" * MAX_SDP,
    ],
)
def test_what_is_no_description_is_malformed(data):
    """Sizes and counts have their limits too."""
    with pytest.raises(Malformed):
        parse_sdp(data)


def test_a_value_cannot_end_its_line():
    """Nobody adds a line by the side door."""
    with pytest.raises(Malformed):
        write_sdp(Description(origin=Origin("-", 1, 1, "::1"), attributes=(("x", "y\r\nm=audio 1 x 1"),)))
