"""The parts of the federation benchmark that figures rest on."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.federation.figures import FIGURES
from tests.bench.federation.hostile import ATTACKS
from tests.bench.federation.links import Link, Refused
from tests.bench.federation.load import Messages, Tally, flood, pace, quantile
from tests.bench.figures import table

COUNT = 50
MESSAGES = Messages("one.test", "two.test", COUNT)


def pair() -> tuple[Link, Link]:
    """Two links with nothing between them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = Link.connect(listener.getsockname()[1])
        return source.unblock(), Link(listener.accept()[0]).unblock()


@given(cuts=st.lists(st.integers(0, len(MESSAGES.bytes)), max_size=30))
def test_messages_cut_anywhere_are_counted_once(cuts: list[int]) -> None:
    """How the bytes arrive does not change the figures."""
    edges = [0, *sorted(cuts), len(MESSAGES.bytes)]
    tally = Tally()
    tally.feed([bytes(MESSAGES.bytes[start:end]) for start, end in pairwise(edges)])
    assert tally.count == COUNT
    tally.check(MESSAGES)


@pytest.mark.parametrize("order", [[0, 1], [0, 2, 1, *range(3, COUNT)], [0, 0, *range(1, COUNT)]])
def test_messages_lost_swapped_or_doubled_are_refused(order: list[int]) -> None:
    """A server that is fast because it loses stanzas gets no figure."""
    tally = Tally()
    size = MESSAGES.size
    tally.feed([bytes(MESSAGES.bytes[number * size : (number + 1) * size]) for number in order])
    with pytest.raises(Refused):
        tally.check(MESSAGES)


def test_flood_and_pace_count_what_arrives() -> None:
    """Everything that is sent is received, however few may be under way."""
    source, sink = pair()
    assert flood(source, sink, MESSAGES, window=3) > 0
    taken = pace(source, sink, MESSAGES, rate=5_000)
    assert len(taken) == COUNT
    assert 0 < quantile(taken, 0.5) <= quantile(taken, 0.99) <= max(taken)
    source.close()
    sink.close()


def test_server_that_answers_with_errors_is_refused() -> None:
    """An error that the source gets is no delivery."""
    source, sink = pair()
    sink.write(memoryview(b"<message type='error'/>"))
    with pytest.raises(Refused):
        flood(source, sink, MESSAGES, window=1)
    source.close()
    sink.close()


def test_figures_are_shown_beside_their_targets() -> None:
    """The median counts; what was not measured is a dash."""
    shown = table(
        FIGURES, {"xmppbridge": {"c2c_rate": [1.0, 70_000.0, 80_000.0]}, "Prosody": {}}, "xmppbridge"
    )
    assert shown.splitlines()[0] == "|  | xmppbridge | Prosody | target | met |"
    assert shown.splitlines()[-1] == f"| {FIGURES['c2c_rate'].label} | 70,000 | – | ≥ 60,000 | yes |"
    missed = table(FIGURES, {"xmppbridge": {"c2c_rate": [1.0]}}, "xmppbridge")
    assert missed.endswith("| **no** |")


def test_attacks_are_what_their_names_say() -> None:
    """The newlines are just few enough to be taken; the tag is too large."""
    sizes = {label: len(b"".join(attack())) for label, _, attack in ATTACKS}
    assert 500_000 < sizes["512 KiB of newlines"] < 524_288
    assert sizes["512 KiB tag in 1 KiB pieces"] >= 524_288
    assert sizes["nested entities"] < 10_000
