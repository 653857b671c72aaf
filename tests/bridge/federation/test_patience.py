from __future__ import annotations

from bridge.federation.patience import LONGEST_PAUSE, PATIENCE, pause


def test_pauses_between_attempts_double_up_to_a_limit() -> None:
    """A dead server costs less and less."""
    now, pauses = 0.0, []
    while now < PATIENCE:
        pauses.append(pause(now))
        now += pauses[-1]
    assert pauses == [0.5, 0.5, 1.0, 2.0, 4.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
