"""Messages that tests begin with."""

from __future__ import annotations

from transports.sip.wire.headers import CSeq, NameAddr, Via
from transports.sip.wire.message import Fields, Request, parse
from transports.sip.wire.uri import Uri, parse_uri

ANN = Uri(scheme="sip", host="ann.example", user="ann")
BOB = Uri(scheme="sip", host="bob.example", user="bob")
SDP = (
    b"v=0\r\no=ann 7 7 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)
INVITE = (
    b"INVITE sip:+15551234@gw.example:5060;user=phone SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport=5060;received=192.0.2.1\r\n"
    b"Via: SIP/2.0/UDP pc.ann.example:5060;branch=z9hG4bKnashds8\r\n"
    b"Record-Route: <sip:192.0.2.1;lr>\r\n"
    b"Max-Forwards: 69\r\n"
    b"To: <sip:+15551234@gw.example>\r\n"
    b'From: "Ann" <sip:ann@ann.example>;tag=1928301774\r\n'
    b"Call-ID: a84b4c76e66710@pc.ann.example\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:ann@192.0.2.9:5062;ob>\r\n"
    b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK\r\n"
    b"Supported: replaces, 100rel, timer, norefersub\r\n"
    b"User-Agent: Desk 1.2.3\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(SDP), SDP)
)
"""An INVITE as a proxy hands it on."""


def request(
    method: str = "OPTIONS",
    *,
    branch: str = "z9hG4bK1",
    fields: Fields = (),
    uri: str = "sip:bob@bob.example",
    transport: str = "UDP",
    from_tag: str = "a1",
    to_tag: str = "",
    number: int = 1,
    body: bytes = b"",
) -> Request:
    """Make a small request."""
    return Request(
        uri=parse_uri(uri),
        via=(Via(transport=transport, host="pc.ann.example", params={"branch": branch} if branch else {}),),
        from_=NameAddr(uri=ANN).with_tag(from_tag),
        to=NameAddr(uri=BOB).with_tag(to_tag),
        call_id="c1@pc.ann.example",
        cseq=CSeq(number=number, method=method),
        fields=fields,
        body=body,
    )


def read_request(data: bytes) -> Request:
    """Parse what has to be a request."""
    message = parse(data)
    assert isinstance(message, Request)
    return message
