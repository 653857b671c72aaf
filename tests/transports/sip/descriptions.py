"""Session descriptions as clients and phones write them."""

from __future__ import annotations

_KEYS = (
    b"a=ice-ufrag:Vx8w\r\na=ice-pwd:Kq8+3jH2l1q0vN4bYt7sZ5rM\r\na=ice-options:trickle\r\n"
    b"a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF\r\n"
    b"a=setup:actpass\r\n"
)
CHROMIUM = (
    b"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    b"a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 110\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    + _KEYS
    + b"a=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\n"
    b"a=msid:stream track\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n"
    b"a=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n"
    b"a=fmtp:63 111/111\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:110 telephone-event/48000\r\n"
    b"a=ssrc:2543214987 cname:tdpCZ4RXJQhEGYGd\r\na=ssrc:2543214987 msid:stream track\r\n"
    b"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
    + _KEYS
    + b"a=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\n"
    b"a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    b"a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:tdpCZ4RXJQhEGYGd\r\na=ssrc:12 cname:tdpCZ4RXJQhEGYGd\r\n"
).replace(b"0.0.0.0", b"192.0.2.2")
"""A browser's offer of sound and pictures; it writes zeros for an address that it does not know yet."""
DINO = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\nm=audio 41000 UDP/TLS/RTP/SAVPF 96 101\r\n"
    b"c=IN IP4 192.0.2.2\r\na=mid:audio\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
    b"a=candidate:1 1 UDP 2015363327 192.0.2.2 41000 typ host\r\n"
    b"a=candidate:2 1 UDP 1679819007 198.51.100.4 41000 typ srflx raddr 192.0.2.2 rport 41000\r\n"
    b"a=candidate:3 1 TCP 1015022079 192.0.2.2 41001 typ host tcptype passive\r\n"
    b"a=fingerprint:sha-256 AB:CD\r\na=setup:actpass\r\na=rtcp-mux\r\na=sendrecv\r\n"
)
"""What libnice finds."""
BARESIP = (
    b"v=0\r\no=- 3928372839 1733391 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"a=tool:baresip 1.0.0\r\nm=audio 10058 RTP/AVP 0 101\r\nb=AS:125\r\na=rtpmap:0 PCMU/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:10059\r\na=sendrecv\r\na=label:1\r\n"
    b"a=rtcp-rsize\r\na=ssrc:3372374534 cname:sip:callee@127.0.0.1:25070\r\na=ptime:20\r\n"
)
SIPP = (
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0\r\n"
)
"""It leaves the map out."""
