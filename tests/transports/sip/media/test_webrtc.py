"""What is kept of descriptions of web phones."""

from __future__ import annotations

import pytest

from tests.transports.sip.samples import SDP
from transports.sip.calls.translate import MAX_CANDIDATES
from transports.sip.media.webrtc import is_web, kept
from transports.sip.wire.sdp import parse_sdp

FINGERPRINT, UFRAG = b"a=fingerprint:sha-256 AB:CD\r\n", b"a=ice-ufrag:u\r\n"
HOST = b"a=candidate:1 1 udp 2113937151 192.0.2.9 50000 typ host generation 0\r\n"
ELSEWHERE = (
    b"a=candidate:1 1 tcp 1 192.0.2.9 9 typ host tcptype active\r\n",
    b"a=candidate:2 1 udp 1 5a0e.local 50000 typ host\r\n",
    b"a=candidate:3 1 udp 1\r\n",
)
EXTRAS = b"a=msid:s t\r\na=ssrc:1 cname:c\r\na=extmap:1 urn:x\r\na=mid:0\r\n"


@pytest.mark.parametrize(
    ("more", "is_one"), [(b"", False), (UFRAG, False), (FINGERPRINT, False), (UFRAG + FINGERPRINT, True)]
)
def test_web_phone_speaks_both_ice_and_dtls(more: bytes, is_one: bool) -> None:
    """Each is said of the session or of its media."""
    assert is_web(parse_sdp(SDP + more)) is is_one
    assert is_web(parse_sdp(SDP.replace(b"t=0 0\r\n", b"t=0 0\r\n" + more))) is is_one


def test_candidates_that_can_be_reached_are_kept_within_bounds() -> None:
    """And what ICE needs; nothing else that plain media have not."""
    sdp = SDP + UFRAG + FINGERPRINT + EXTRAS + b"".join(ELSEWHERE) + HOST * (MAX_CANDIDATES + 5)
    [audio] = kept(parse_sdp(sdp)).media
    names = [name for name, _ in audio.attributes]
    assert names.count("candidate") == MAX_CANDIDATES and {"ice-ufrag", "fingerprint", "mid"} <= set(names)
    assert not {"msid", "ssrc", "extmap"} & set(names)
    assert {value.split()[4] for name, value in audio.attributes if name == "candidate"} == {"192.0.2.9"}
