"""The fuzzer of the streams between servers itself, for a moment."""

import pytest

from tests.fuzz import fuzz_s2s
from tests.fuzz.fuzz_s2s import run_round


@pytest.mark.parametrize("start", range(0, 600, 200))
def test_two_hundred_rounds_find_nothing(start):
    """Longer runs are made by hand: ``python -m tests.fuzz.fuzz_s2s``."""
    for seed in range(start, start + 200):
        run_round(seed)


def test_rounds_come_to_stanzas_and_proofs(monkeypatch):
    """What is tried is more than what is refused at the door."""
    seen = set()
    happened = fuzz_s2s.Owner._happened

    def note(owner, event):
        seen.add((type(owner.stream).__name__, type(event).__name__))
        happened(owner, event)

    monkeypatch.setattr(fuzz_s2s.Owner, "_happened", note)
    for seed in range(1_000):
        run_round(seed)
    ours, theirs = (
        {kind for side, kind in seen if side == name} for name in ("OutgoingStream", "IncomingStream")
    )
    assert theirs >= {"Element", "PairAdmitted", "PairOpened", "SessionOpened", "ResumeRequested", "TooLarge"}
    assert ours >= {"Element", "PairOpened", "PairRefused", "SessionLost", "SessionResumed", "Acknowledged"}
