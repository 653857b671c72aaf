"""The parts of the Matrix benchmark that figures rest on."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.bench.matrix.talk import Arrivals, pace

COUNT = 20


def talk(arrivals: Arrivals, lost: int = -1) -> dict[str, float]:
    """Have two speakers say `COUNT` texts to somebody who gets each twice, but for the one that is lost."""

    def say(text: str) -> None:
        if f" {lost} " not in text:
            arrivals.arrives(text)
            arrivals.arrives(text)
            arrivals.arrives(f"of before: {text}")

    asked = (1000.0, COUNT / 1000, os.getpid(), os.getpid())
    return asyncio.run(pace("to", [say, say], arrivals, *asked, patience=0.1))


def test_each_message_is_timed_once() -> None:
    """What comes twice counts once, and what nobody waits for not at all."""
    arrivals = Arrivals()
    figures = talk(arrivals)
    assert len(arrivals.latencies) == COUNT
    assert set(figures) == {"to_rate", "to_p50", "to_p99", "to_cpu", "to_homeserver"}
    assert 0 <= figures["to_p50"] <= figures["to_p99"] < 1000


def test_message_that_is_lost_is_told() -> None:
    """A gateway that is fast because it loses messages gets no figure."""
    with pytest.raises(RuntimeError, match="1 of 20"):
        talk(Arrivals(), lost=7)
