from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.xmpp import stream_management as sm
from bridge.xmpp.element import Element
from bridge.xmpp.stream_management import MODULUS, NS_SM, Outbox, Session


@given(st.lists(st.integers(0, 5), max_size=30))
def test_outbox_keeps_exactly_what_is_not_acknowledged(steps: list[int]) -> None:
    """Nothing acknowledged is sent again, nothing else is forgotten."""
    outbox, sent, acknowledged = Outbox(), 0, 0
    for step in steps:
        for _ in range(step):
            outbox.add(sent, b"x" * (sent % 7))
            sent += 1
        acknowledged += (sent - acknowledged) // 2
        assert outbox.acknowledge(acknowledged)
        assert [note for note, _ in outbox.pending()] == list(range(acknowledged, sent))
        assert outbox.bytes == sum(number % 7 for number in range(acknowledged, sent))


def test_acknowledging_more_than_was_sent_is_noticed() -> None:
    """Such a peer cannot count, and nothing is forgotten."""
    outbox = Outbox()
    outbox.add(None, b"a")
    assert not outbox.acknowledge(2)
    assert not outbox.acknowledge(MODULUS - 1)
    assert len(outbox) == 1


@pytest.mark.spec("XEP-0198 §4")
def test_counters_wrap_to_zero() -> None:
    """After 2**32 - 1 comes 0."""
    outbox, session = Outbox(), Session()
    outbox.acknowledged = MODULUS - 1
    outbox.add(None, b"a")
    outbox.add(None, b"b")
    assert outbox.acknowledge(0)
    assert [stanza for _, stanza in outbox.pending()] == [b"b"]
    session.handled = MODULUS - 1
    session.take()
    assert session.handled == 0


def test_taking_leaves_nothing_to_send_again() -> None:
    """What goes by another stream is not sent twice."""
    outbox = Outbox()
    outbox.add("lane", b"a")
    assert outbox.take() == (("lane", b"a"),)
    assert len(outbox) == outbox.bytes == 0


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0", 0),
        ("17", 17),
        (str(MODULUS), 0),
        ("", None),
        ("-1", None),
        ("1e3", None),
        ("٣", None),
        ("9" * 11, None),
    ],
)
def test_count_is_a_number_or_nothing(written: str, read: int | None) -> None:
    """A peer's garbage is no count."""
    assert sm.read_handled(Element("a", NS_SM, {"h": written})) == read


def test_refusal_tells_what_had_arrived() -> None:
    """The peer need not send that again (XEP-0198 §5)."""
    assert b" h='3'>" in sm.failed("item-not-found", 3)
    assert b"h=" not in sm.failed("item-not-found")


@pytest.mark.parametrize(("written", "truth"), [("true", True), ("1", True), ("0", False), (None, False)])
def test_truth_is_written_in_two_ways(written: str | None, truth: bool) -> None:
    """xs:boolean."""
    assert sm.is_true(written) is truth
