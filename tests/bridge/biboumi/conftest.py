"""Biboumi's database, as its release 9.0 creates it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

TABLES = {
    "muclogline_": "uuid_ TEXT, owner_ TEXT, ircchanname_ TEXT, ircservername_ TEXT, date_ {integer},"
    " body_ TEXT, nick_ TEXT",
    "globaloptions_": "owner_ TEXT, maxhistorylength_ {integer}, recordhistory_ {integer}, persistent_ {integer}",
    "ircserveroptions_": "owner_ TEXT, server_ TEXT, pass_ TEXT, tlsports_ TEXT, ports_ TEXT, username_ TEXT,"
    " realname_ TEXT, verifycert_ {integer}, trustedfingerprint_ TEXT, encodingout_ TEXT, encodingin_ TEXT,"
    " maxhistorylength_ {integer}, address_ TEXT, nick_ TEXT, saslpassword_ TEXT, throttlelimit_ {integer}",
    "ircchanneloptions_": "owner_ TEXT, server_ TEXT, channel_ TEXT, encodingout_ TEXT, encodingin_ TEXT,"
    " maxhistorylength_ {integer}, persistent_ {integer}, recordhistory_ {integer}",
    "after_connection_commands_": "fk_ {integer}, afterconnectioncommand_ TEXT",
}


class Biboumi:
    """A database to be filled; `url` as Biboumi's db_name."""

    def __init__(self, url: str, connection: Any, mark: str) -> None:
        self.url = url
        self._connection = connection
        self._mark = mark
        types = (
            ("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER")
            if mark == "?"
            else ("SERIAL PRIMARY KEY", "BIGINT")
        )
        for name, columns in TABLES.items():
            self.execute(f"CREATE TABLE {name} (id_ {types[0]}, {columns.format(integer=types[1])})")
        self.execute("CREATE TABLE roster (local TEXT, remote TEXT)")

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)
        self._connection.commit()

    def add(self, table: str, **values: Any) -> None:
        marks = ", ".join([self._mark] * len(values))
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"
        self._connection.execute(sql, tuple(values.values()))
        self._connection.commit()

    def log(
        self, owner: str, time: int, body: str, nick: str = "mercutio", channel: str = "#balcony"
    ) -> None:
        self.add(
            "muclogline_",
            uuid_="u",
            owner_=owner,
            ircchanname_=channel,
            ircservername_="irc.example.net",
            date_=time,
            body_=body,
            nick_=nick,
        )


@pytest.fixture
def biboumi(tmp_path: Path) -> Iterator[Biboumi]:
    """An empty SQLite database of Biboumi's."""
    path = str(tmp_path / "biboumi.sqlite")
    connection = sqlite3.connect(path)
    yield Biboumi(path, connection, "?")
    connection.close()


@pytest.fixture
def postgresql_biboumi(postgresql_url: str) -> Iterator[Biboumi]:
    """An empty PostgreSQL schema of Biboumi's."""
    with psycopg.connect(postgresql_url) as connection:
        yield Biboumi(postgresql_url, connection, "%s")
