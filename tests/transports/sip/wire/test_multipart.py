"""Bodies of several parts."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transports.sip.samples import SDP, read_request, request
from tests.transports.sip.vectors import load
from transports.sip.wire import multipart
from transports.sip.wire.message import Request
from transports.sip.wire.multipart import MAX_PARTS, unpack

TYPES = ("application/sdp", "text/plain")
SOUND = ("Content-Type: application/sdp", SDP)
WORDS = ("Content-Type: text/plain", b"Hello")
ISUP = (
    "Content-Type: application/isup;version=x\r\nContent-Disposition: signal;handling=optional",
    b"\0\xff\r\n",
)
PLACE = ("Content-Type: application/pidf+xml", b"<x/>")
CODED = ("Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64", b64encode(SDP))
EARLY = ("Content-Type: application/sdp\r\nContent-Disposition: early-session", SDP)
PACKED = ("Content-Type: application/sdp\r\nContent-Encoding: gzip", SDP)


def body(*parts: tuple[str, bytes], boundary: str = "b") -> bytes:
    written = b"".join(
        b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.encode(), data) for head, data in parts
    )
    return b"preamble\r\n" + written + f"--{boundary}--\r\n".encode()


def of(*parts: tuple[str, bytes], kind: str = "mixed") -> Request:
    fields = (
        ("Content-Type", f'multipart/{kind};boundary="b"'),
        ("Subject", "x"),
        ("Content-Disposition", "y"),
    )
    return request("INVITE", fields=fields, body=body(*parts))


def nested(kind: str, *parts: tuple[str, bytes]) -> tuple[str, bytes]:
    return f"Content-Type: multipart/{kind};boundary=c", body(*parts, boundary="c")


def taken(message: Request) -> bytes | None:
    """Return the part that was taken; None if the message stays as it is."""
    found = unpack(message, TYPES)
    if found is message:
        return None
    assert found.get("Subject") == "x" and (found.get("Content-Type") or "") in TYPES
    return found.body


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((SOUND,), SDP),
        ((ISUP, SOUND), SDP),
        ((SOUND, ISUP), SDP),
        ((SOUND, WORDS), SDP),
        ((nested("alternative", WORDS, SOUND), ISUP), SDP),
        ((SOUND, PLACE), None),
        ((ISUP,), None),
        ((EARLY,), None),
        ((PACKED,), None),
        ((CODED,), SDP),
        ((), None),
        ((ISUP,) * (MAX_PARTS + 1), None),
    ],
)
@pytest.mark.spec("RFC 5621")
def test_of_a_mixture_what_is_understood_is_taken(parts: tuple, expected: bytes | None) -> None:
    """If nothing else has to be; else it is refused as a whole."""
    assert taken(of(*parts)) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((WORDS, SOUND), SDP),
        ((SOUND, WORDS), b"Hello"),
        ((SOUND, PLACE), SDP),
        ((nested("mixed", SOUND, PLACE), WORDS, PLACE), b"Hello"),
        ((nested("mixed", SOUND, ISUP), PLACE), SDP),
        ((PLACE,), None),
        ((ISUP,), None),
    ],
)
@pytest.mark.spec("RFC 5621")
def test_of_alternatives_the_last_that_is_understood_is_taken(parts: tuple, expected: bytes | None) -> None:
    """It is the best (RFC 2046 §5.1.4)."""
    assert taken(of(*parts, kind="alternative")) == expected


def test_what_is_no_multipart_stays_as_it_is() -> None:
    """Nor is what names no boundary, or is of another kind, looked into."""
    for kind in ("application/sdp", "multipart/mixed", "multipart/related;boundary=b", ";", ""):
        message = request("INVITE", fields=(("Content-Type", kind),), body=body(SOUND))
        assert unpack(message, TYPES) is message
    message = read_request(load("mpart01"))
    assert unpack(message, TYPES) is message  # its signature is neither understood nor optional


def test_what_is_too_deep_or_too_long_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is made, it costs little."""
    deep = SOUND
    for _ in range(MAX_PARTS + 1):
        deep = nested("mixed", deep)
    assert taken(of(deep)) is None
    monkeypatch.setattr(multipart, "MAX_BODY", 10)
    assert taken(of(SOUND)) is None


@settings(deadline=None)
@given(st.binary(max_size=300), st.text(max_size=20))
def test_any_bytes_are_a_body(data: bytes, boundary: str) -> None:
    """Nothing is raised."""
    for kind in ("mixed", "alternative"):
        fields = (("Content-Type", f"multipart/{kind};boundary={boundary}"),)
        for whole in (data, body(SOUND, ISUP)[:90] + data):
            unpack(request("INVITE", fields=fields, body=whole), TYPES)
