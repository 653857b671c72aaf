"""The table of the README, and what the code says that it carries."""

from __future__ import annotations

from bridge.capabilities import CARRIED, LABELS, Level
from transports.matrix.capabilities import ROOM
from transports.matrix.mapping import MAPPING, mapping_table

BY_FIELD = {row.of: row for row in MAPPING if row.of}


def test_every_capability_has_its_row():
    """Nothing that the bridge is told to carry is missing, and each is told once."""
    assert set(BY_FIELD) == set(LABELS)
    assert len(BY_FIELD) == sum(bool(row.of) for row in MAPPING)


def test_rows_towards_matrix_agree_with_the_capabilities():
    """What the table promises and what disco promises is the same."""
    assert {of for of, row in BY_FIELD.items() if row.to_matrix in CARRIED} == ROOM.carried


def test_table_has_the_words_of_the_levels():
    """Five columns; what is lost on the way is told."""
    lines = mapping_table().splitlines()
    assert len(lines) == len(MAPPING) + 2 and {line.count("|") for line in lines} == {6}
    assert any(f"| {Level.DROPPED.value} |" in line for line in lines)
