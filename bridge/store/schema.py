"""The tables, and how an older database becomes a newer one.

`MIGRATIONS` is history: a row that was released is never changed, only followed. Words in braces
are `connection.DIALECTS`'.
"""

from __future__ import annotations

from bridge.store.connection import Connection
from bridge.store.values import StoreError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # a room's number keeps the archive's rows and index small
        "CREATE TABLE room (number {number}, domain TEXT NOT NULL, name TEXT NOT NULL,"
        " UNIQUE (domain, name))",
        "CREATE TABLE message (id {id} PRIMARY KEY, room {id} NOT NULL, nick TEXT NOT NULL,"
        " identity TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, origin TEXT NOT NULL,"
        " data {bytes} NOT NULL)",
        # with the nick, so that counting with a filter reads the index alone
        "CREATE INDEX message_by_room ON message (room, id, nick)",
        "CREATE TABLE span (room {id} NOT NULL, owner TEXT NOT NULL, first {id} NOT NULL, last {id},"
        " PRIMARY KEY (room, owner, first)){keyed}",
        "CREATE TABLE setting (domain TEXT NOT NULL, owner TEXT NOT NULL, scope TEXT NOT NULL,"
        " name TEXT NOT NULL, value {bytes} NOT NULL, PRIMARY KEY (domain, owner, scope, name)){keyed}",
        "CREATE TABLE memory (domain TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,"
        " value {bytes} NOT NULL, PRIMARY KEY (domain, owner, name)){keyed}",
        "CREATE TABLE subscription (domain TEXT NOT NULL, contact TEXT NOT NULL, local TEXT NOT NULL,"
        " inbound INTEGER NOT NULL, outbound INTEGER NOT NULL, PRIMARY KEY (domain, contact, local)){keyed}",
        "CREATE TABLE occupancy (domain TEXT NOT NULL, owner TEXT NOT NULL, room TEXT NOT NULL,"
        " resource TEXT NOT NULL, nick TEXT NOT NULL, password TEXT NOT NULL,"
        " PRIMARY KEY (domain, owner, room, resource)){keyed}",
        "CREATE TABLE journal (domain TEXT NOT NULL, owner TEXT NOT NULL, ref {id} NOT NULL,"
        " stanza {bytes} NOT NULL, PRIMARY KEY (domain, owner, ref)){keyed}",
    ),
    (
        "CREATE TABLE inbox (domain TEXT NOT NULL, ref {id} NOT NULL, data {bytes} NOT NULL,"
        " PRIMARY KEY (domain, ref)){keyed}",
    ),
)

VERSION_TABLE = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value {id} NOT NULL)"


def schema_version(connection: Connection) -> int:
    """Return how many migrations the database has had."""
    rows = connection.execute("SELECT value FROM meta WHERE name = 'version'")
    return int(rows[0][0]) if rows else 0


def migrate(connection: Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Bring the database up to date, each step in a transaction; StoreError if it is newer than we are."""
    with connection.transaction():
        connection.execute(VERSION_TABLE.format_map(connection.dialect))
    version = schema_version(connection)
    if version > len(migrations):
        raise StoreError(
            f"the database has schema {version}, this release knows {len(migrations)}: it was written by a"
            " newer release; use that, or restore a backup"
        )
    for number, statements in enumerate(migrations[version:], version + 1):
        with connection.transaction():
            for sql in statements:
                connection.execute(sql.format_map(connection.dialect))
            connection.execute("DELETE FROM meta WHERE name = 'version'")
            connection.execute("INSERT INTO meta (name, value) VALUES ('version', ?)", (number,))
