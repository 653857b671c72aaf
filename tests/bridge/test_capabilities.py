"""What networks say that they carry."""

from __future__ import annotations

from bridge.capabilities import LABELS, Capabilities, Level, capability_table


def test_carried_is_what_gets_there_at_least_in_part():
    """A fallback is said in other words, which is not the thing itself."""
    found = Capabilities(replies=Level.PARTIAL, typing=Level.NATIVE, reactions=Level.FALLBACK)
    assert found.carried == {"rooms", "archive", "replies", "typing", "direct_messages"}


def test_every_level_has_its_words():
    """Limits in seconds are no levels."""
    levels = {name for name, kind in Capabilities.__annotations__.items() if kind == "Level"}
    assert set(LABELS) == levels


def test_table_has_a_column_for_each_network():
    """In the words of the levels."""
    lines = capability_table({"A": Capabilities(), "B": Capabilities(replies=Level.NATIVE)}).splitlines()
    assert lines[:2] == ["| | A | B |", "|---|---|---|"]
    assert "| replies | fallback | native |" in lines
    assert len(lines) == 2 + len(LABELS)
