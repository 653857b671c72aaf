"""The tables of the README, and what the code says that it carries."""

from __future__ import annotations

from bridge.calls import Ending
from bridge.capabilities import CARRIED, LABELS
from transports.sip.calls.ending import ending_of
from transports.sip.capabilities import PERSON
from transports.sip.mapping import MAPPING, endings_table, mapping_table

BY_FIELD = {row.of: row for row in MAPPING if row.of}


def test_rows_agree_with_the_capabilities():
    """What the table promises and what disco promises is the same, and each is told once."""
    assert set(BY_FIELD) <= set(LABELS) and len(BY_FIELD) == sum(bool(row.of) for row in MAPPING)
    assert {of for of, row in BY_FIELD.items() if row.to_sip in CARRIED} == PERSON.carried


def test_table_has_a_line_for_each_row():
    """Five columns."""
    lines = mapping_table().splitlines()
    assert len(lines) == len(MAPPING) + 2 and {line.count("|") for line in lines} == {6}


def test_each_reason_has_a_line_with_its_statuses():
    """A status is told as the reason in whose line it stands."""
    lines = [line.split("|")[1:4] for line in endings_table().splitlines()[2:]]
    assert [name.strip() for name, _, _ in lines] == [ending.value for ending in Ending]
    for name, statuses, _ in lines:
        for status in filter(str.isdecimal, (one.strip() for one in statuses.split(","))):
            assert ending_of(int(status)).value == name.strip()
