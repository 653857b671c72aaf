"""Biboumi's database, read only: SQLite file or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridge.store import StoreError

ROWS_AT_ONCE = 2000
"""How many rows of a PostgreSQL table are fetched at a time."""


class Source:
    """Biboumi's tables; those that a release did not have yet are empty."""

    def __init__(self, url: str) -> None:
        self._is_sqlite = not url.startswith(("postgresql://", "postgres://"))
        self._connection = _open_sqlite(url) if self._is_sqlite else _open_postgresql(url)

    def rows(self, table: str, *order: str) -> Iterator[dict[str, Any]]:
        """Iterate over a table's rows by column name; NULLs are left out."""
        if not self._exists(table):
            return
        sql = f"SELECT * FROM {table}" + (f" ORDER BY {', '.join(order)}" if order else "")
        cursor = self._cursor()
        cursor.execute(sql)
        names: list[str] = []
        for row in cursor:
            names = names or [column[0] for column in cursor.description]
            yield {name: value for name, value in zip(names, row, strict=True) if value is not None}
        cursor.close()

    def close(self) -> None:
        """Close."""
        self._connection.close()

    def _cursor(self) -> Any:
        if self._is_sqlite:
            return self._connection.cursor()
        cursor = self._connection.cursor(name="biboumi")
        cursor.itersize = ROWS_AT_ONCE
        return cursor

    def _exists(self, table: str) -> bool:
        if self._is_sqlite:
            found = self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
        else:
            found = self._connection.execute("SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (table,))
        return found.fetchone() is not None


def _open_sqlite(path: str) -> Any:
    if not Path(path).is_file():
        raise StoreError(f"{path}: there is no such database")
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    return connection


def _open_postgresql(url: str) -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise StoreError("a postgresql:// URL needs psycopg: pip install 'xmppbridge[postgresql]'") from error
    try:
        connection = psycopg.connect(url)
        connection.read_only = True
    except psycopg.Error as error:
        raise StoreError(f"Biboumi's database: {error}") from error
    return connection
