"""What is waiting to be written, and how it is written in one transaction."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.store.archive import Archive, SpanChange
from bridge.store.connection import Connection, Row
from bridge.store.tables import META, Table
from bridge.store.values import ArchivedMessage

ROW_BYTES = 400
"""What a waiting row costs beside its texts, about."""

Changes = dict[Row, Row | None]
"""Rows of one table by key; None for one to be deleted."""


class Batch:
    """Messages and spans in order, keyed state by its last value only; `size` in bytes, about."""

    __slots__ = ("changes", "messages", "size", "spans")

    def __init__(self) -> None:
        self.messages: list[tuple[str, ArchivedMessage]] = []
        self.spans: list[SpanChange] = []
        self.changes: dict[Table, Changes] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self.messages) + len(self.spans) + sum(map(len, self.changes.values()))

    def add_message(self, domain: str, message: ArchivedMessage) -> None:
        """Append a message."""
        self.messages.append((domain, message))
        self.size += ROW_BYTES + len(message.body) + len(message.data)

    def add_span(self, change: SpanChange) -> None:
        """Append the beginning or end of a span."""
        self.spans.append(change)
        self.size += ROW_BYTES

    def change(self, table: Table, key: Row, values: Row | None) -> None:
        """Replace or delete a row."""
        changes = self.changes.setdefault(table, {})
        if key in changes:
            old = changes.pop(key)
            self.size -= _size(old)
            if table.fresh and values is None and old is not None:
                return
        changes[key] = values
        self.size += _size(values)

    def merge(self, newer: Batch) -> None:
        """Take in what came after this."""
        self.messages += newer.messages
        self.spans += newer.spans
        self.size += newer.size
        for table, changes in newer.changes.items():
            ours = self.changes.setdefault(table, {})
            for key, values in changes.items():
                if key in ours:
                    self.size -= _size(ours[key])
                ours[key] = values

    def singles(self) -> Iterator[Batch]:
        """Cut into batches of one row each."""
        for domain, message in self.messages:
            single = Batch()
            single.add_message(domain, message)
            yield single
        for span in self.spans:
            single = Batch()
            single.add_span(span)
            yield single
        for table, changes in self.changes.items():
            for key, values in changes.items():
                single = Batch()
                single.change(table, key, values)
                yield single

    def write(self, connection: Connection, archive: Archive, last_id: int) -> None:
        """Write it all in one transaction, and which id was the last that was given out."""
        try:
            with connection.transaction():
                archive.insert(self.messages)
                archive.change_spans(self.spans)
                for table, changes in self.changes.items():
                    _write_changes(connection, table, changes)
                connection.insert(META, [("last_id", last_id)])
        except BaseException:
            archive.forget_rooms()
            raise


def _write_changes(connection: Connection, table: Table, changes: Changes) -> None:
    connection.insert(table, [key + values for key, values in changes.items() if values is not None])
    for key, values in changes.items():
        if values is None:
            connection.execute(table.delete, key)


def _size(values: Row | None) -> int:
    if values is None:
        return ROW_BYTES
    return ROW_BYTES + sum(len(value) for value in values if isinstance(value, (str, bytes)))
