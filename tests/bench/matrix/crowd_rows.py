"""Members by the thousand, written into the database of a homeserver that is not running.

To have them join one after the other takes Synapse ten minutes for twenty thousand of them. The room is of
a version whose event ids are chosen freely; later ones are digests of the events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

ROOM_VERSION = "2"
"""Of a room that can be filled like this."""
TABLES = {
    "events": "event_id",
    "event_json": "event_id",
    "event_auth": "event_id",
    "event_to_state_groups": "event_id",
    "state_events": "event_id",
    "state_groups_state": "event_id",
    "current_state_events": "event_id",
    "room_memberships": "event_id",
    "local_current_membership": "event_id",
    "users": "name",
}
"""Where Synapse 1.163 notes that somebody of its own is in a room, and the column that tells whose it is."""
ORDERINGS = frozenset(("stream_ordering", "event_stream_ordering"))
"""Columns with the place of an event; what is older than the beginning of a room counts downwards from 0."""

DIGITS = 8
"""How many of an event id give way to a number."""

Row = tuple[object, ...]


def multiply(database: Path, member: str, members: int) -> None:
    """Put `members` more people into the one room that `member`, a user id, is in; his copies are numbered."""
    with closing(sqlite3.connect(database)) as connection, connection:
        find = "SELECT event_id FROM room_memberships WHERE user_id = ?"
        [event_id] = connection.execute(find, (member,)).fetchone()
        for table, key in TABLES.items():
            wanted = event_id if key == "event_id" else member
            cursor = connection.execute(f"SELECT * FROM {table} WHERE {key} = ?", (wanted,))
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                marks = ", ".join("?" * len(row))
                copies = _copies(columns, row, event_id, member, members)
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", copies)


def _copies(columns: list[str], row: Row, event_id: str, member: str, members: int) -> Iterator[Row]:
    name = member[1:].partition(":")[0]
    for number in range(1, members + 1):
        numbered = f"${number:0{DIGITS}}{event_id[DIGITS + 1 :]}"
        yield tuple(
            -number
            if column in ORDERINGS
            else value.replace(event_id, numbered).replace(name, f"{name}.{number}")
            if isinstance(value, str)
            else value
            for column, value in zip(columns, row, strict=True)
        )
