"""Frames out of streams, and into them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.sip.msrp.frame import MAX_BODY, MAX_HEAD, Frame, FrameBuffer, write
from transports.sip.wire.uri import Malformed

ALICE = ("msrp://alice.example.com:7777/iau39soe2843z;tcp",)
BOB = ("msrp://bob.example.org:8888/9di4eae923wzd;tcp",)
EXAMPLE = (
    b"MSRP d93kswow SEND\r\n"
    b"To-Path: msrp://bob.example.org:8888/9di4eae923wzd;tcp\r\n"
    b"From-Path: msrp://alice.example.com:7777/iau39soe2843z;tcp\r\n"
    b"Message-ID: 12339sdqwer\r\n"
    b"Byte-Range: 1-16/16\r\n"
    b"Content-Type: text/plain\r\n"
    b"\r\n"
    b"Hi, I'm Alice!\r\n\r\n"
    b"-------d93kswow$\r\n"
)
RESPONSE = (
    b"MSRP d93kswow 200 OK\r\n"
    b"To-Path: msrp://alice.example.com:7777/iau39soe2843z;tcp\r\n"
    b"From-Path: msrp://bob.example.org:8888/9di4eae923wzd;tcp\r\n"
    b"-------d93kswow$\r\n"
)


def frames(data: bytes) -> list[Frame]:
    buffer = FrameBuffer()
    buffer.receive_data(data)
    return list(iter(buffer.next_frame, None))


@pytest.mark.spec("RFC 4975 §11.1")
def test_example_of_the_rfc_is_read_and_written() -> None:
    """Alice says who she is, and Bob has heard it."""
    sent, answered = frames(EXAMPLE + RESPONSE)
    assert (sent.method, sent.to_path, sent.from_path) == ("SEND", BOB, ALICE)
    assert (sent.body, sent.message_id, sent.range.start, sent.range.total) == (
        b"Hi, I'm Alice!\r\n",
        "12339sdqwer",
        1,
        16,
    )
    assert (answered.status, answered.comment, answered.body) == (200, "OK", None)
    assert write(sent) + write(answered) == EXAMPLE + RESPONSE


BODIES = st.one_of(
    st.none(), st.binary(max_size=300), st.sampled_from([b"", b"\r\n", b"-------t123", b"\r\n-------"])
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(BODIES, st.sampled_from("$+#")), max_size=5),
    st.lists(st.integers(0, 3000), max_size=10),
)
def test_frames_are_the_same_however_the_bytes_arrive(
    bodies: list[tuple[bytes | None, str]], cuts: list[int]
) -> None:
    """What is written is read, one byte at a time or all at once."""
    sent = [
        Frame(
            transaction=f"tr-{n}.x",
            method="SEND",
            to_path=BOB,
            from_path=ALICE,
            fields=(("Message-ID", "m123"), ("Content-Type", "text/plain"))[: 1 if body is None else 2],
            body=body,
            flag=flag,
        )
        for n, (body, flag) in enumerate(bodies)
    ]
    stream = b"".join(map(write, sent))
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    buffer, found = FrameBuffer(), []
    for start, end in pairwise(edges):
        buffer.receive_data(stream[start:end])
        found += iter(buffer.next_frame, None)
    assert found == sent and buffer.is_empty


def test_what_looks_like_an_end_belongs_to_the_body() -> None:
    """Only the whole end-line, with its flag, ends a frame."""
    fooling = EXAMPLE.replace(b"Alice!", b"Alice!\r\n-------d93kswow?\r\n-------d93ksw$")
    [frame] = frames(fooling)
    assert frame.body == b"Hi, I'm Alice!\r\n-------d93kswow?\r\n-------d93ksw$\r\n"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"MSRP x SEND\r\n",
        b"MSRP d93kswow SEND\r\nTo-Path: a\r\n-------d93kswow$\r\n",
        b"MSRP d93kswow SEND\r\n" + b"a" * (MAX_HEAD + 1),
        b"x" * (MAX_HEAD + 1),
        RESPONSE.replace(b"$", b"?"),
    ],
)
def test_what_is_no_msrp_ends_the_stream(garbage: bytes) -> None:
    """Nobody knows where the next frame would begin."""
    with pytest.raises(Malformed):
        frames(garbage)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 200))
def test_garbage_in_a_frame_finds_nothing_in_us(garbage: bytes, at: int) -> None:
    """It is read, or refused."""
    try:
        for frame in frames(EXAMPLE[:at] + garbage + EXAMPLE[at:]):
            assert frame.method or frame.status or frame.comment is not None
            _ = frame.message_id, frame.range
    except Malformed:
        return


def test_body_that_is_too_long_is_left_out_and_the_next_frame_is_read() -> None:
    """Not even a tenth of it is kept meanwhile."""
    buffer = FrameBuffer()
    buffer.receive_data(EXAMPLE[: -len(b"-------d93kswow$\r\n")])
    for _ in range(40):
        buffer.receive_data(b"x" * (MAX_BODY // 4))
        assert buffer.next_frame() is None and len(buffer._data) <= 2 * MAX_BODY
    buffer.receive_data(b"\r\n-------d93kswow$\r\n" + RESPONSE)
    long, answered = iter(buffer.next_frame, None)
    assert long.is_cut and long.body is None and answered.status == 200


def test_what_would_end_a_line_or_a_body_is_not_written() -> None:
    """Whatever we are given, it is one frame."""
    [sent] = frames(EXAMPLE)
    with pytest.raises(Malformed):
        write(
            Frame(transaction="t123", method="SEND", to_path=BOB, from_path=ALICE, fields=(("X", "a\r\nb"),))
        )
    with pytest.raises(Malformed):
        write(
            Frame(
                transaction="t123", method="SEND", to_path=BOB, from_path=ALICE, body=b"a\r\n-------t123$\r\n"
            )
        )
    for wrong in ("0-1/1", "1", "a-b/c", "-1-2/3"):
        with pytest.raises(Malformed):
            _ = Frame(transaction="t123", to_path=BOB, from_path=ALICE, fields=(("Byte-Range", wrong),)).range
    assert sent.get("nothing") is None
