"""The tables of small keyed state, declared once; their statements are derived."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct


class Table(Struct, frozen=True, dict=True, eq=False):
    """A table whose rows are replaced or deleted by key.

    `fresh`: a key is used once, so a row that is deleted before it was written need not be written.
    """

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    fresh: bool = False

    @cached_property
    def columns(self) -> str:
        """All columns, keys first."""
        return ", ".join(self.keys + self.values)

    @cached_property
    def head(self) -> str:
        """See `connection.Insert`."""
        return f"INSERT INTO {self.name} ({self.columns})"

    @cached_property
    def width(self) -> int:
        """See `connection.Insert`."""
        return len(self.keys) + len(self.values)

    @cached_property
    def tail(self) -> str:
        """See `connection.Insert`."""
        replaced = ", ".join(f"{name} = excluded.{name}" for name in self.values)
        return f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {replaced}"

    @cached_property
    def delete(self) -> str:
        """Statement that deletes one row by its key."""
        return f"DELETE FROM {self.name} WHERE " + " AND ".join(f"{name} = ?" for name in self.keys)

    @cached_property
    def select(self) -> str:
        """Statement that reads all rows, ordered by key."""
        return f"SELECT {self.columns} FROM {self.name} ORDER BY {', '.join(self.keys)}"


META = Table("meta", ("name",), ("value",))
SETTING = Table("setting", ("domain", "owner", "scope", "name"), ("value",))
MEMORY = Table("memory", ("domain", "owner", "name"), ("value",))
SUBSCRIPTION = Table("subscription", ("domain", "contact", "local"), ("inbound", "outbound"))
OCCUPANCY = Table("occupancy", ("domain", "owner", "room", "resource"), ("nick", "password"))
JOURNAL = Table("journal", ("domain", "owner", "ref"), ("stanza",), fresh=True)
INBOX = Table("inbox", ("domain", "ref"), ("data",), fresh=True)
