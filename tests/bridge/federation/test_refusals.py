from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.federation import refusals
from bridge.federation.refusals import REFUSAL, Refusals
from bridge.xmpp.dialback import Pair

PAIR = Pair("capulet.example", "montague.example")
ERROR = BridgeError(Trouble.REMOTE_TIMEOUT)


def test_refusal_is_remembered_for_a_moment() -> None:
    """For its pair only."""
    refused = Refusals()
    refused.add(PAIR, ERROR, 10.0)
    assert refused.of(PAIR, 10.0) is ERROR
    assert refused.of(PAIR.inverse, 10.0) is None
    assert refused.of(PAIR, 10.0 + REFUSAL) is None


def test_success_makes_a_refusal_forgotten() -> None:
    """The server takes the pair after all."""
    refused = Refusals()
    refused.add(PAIR, ERROR, 10.0)
    refused.discard(PAIR)
    assert refused.of(PAIR, 10.0) is None


def test_oldest_refusal_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many servers are named that do not exist."""
    monkeypatch.setattr(refusals, "REFUSALS", 2)
    refused = Refusals()
    for number in (1, 2, 1, 3):
        refused.add(Pair("capulet.example", f"x{number}.example"), ERROR, 0.0)
    known = [number for number in (1, 2, 3) if refused.of(Pair("capulet.example", f"x{number}.example"), 1.0)]
    assert known == [1, 3]
