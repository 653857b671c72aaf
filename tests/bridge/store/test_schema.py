"""Migrations."""

from __future__ import annotations

import pytest

from bridge.store import StoreError
from bridge.store.connection import open_connection
from bridge.store.schema import MIGRATIONS, migrate, schema_version


def test_migrate_brings_an_empty_database_up_to_date_once(url):
    """A second start changes nothing."""
    connection = open_connection(url)
    migrate(connection)
    migrate(connection)
    assert schema_version(connection) == len(MIGRATIONS)
    connection.close()


def test_migrate_applies_only_what_is_new(url):
    """A new release adds its step to what is there."""
    connection = open_connection(url)
    migrate(connection)
    connection.execute("INSERT INTO room (domain, name) VALUES ('d', 'n')")
    migrate(connection, (*MIGRATIONS, ("ALTER TABLE room ADD COLUMN topic TEXT",)))
    assert schema_version(connection) == len(MIGRATIONS) + 1
    assert connection.execute("SELECT name, topic FROM room") == [("n", None)]
    connection.close()


def test_migrate_that_fails_in_the_middle_leaves_the_old_schema(url):
    """A step happens as a whole or not at all."""
    connection = open_connection(url)
    migrate(connection)
    broken = ("ALTER TABLE room ADD COLUMN topic TEXT", "CREATE NONSENSE")
    with pytest.raises(Exception, match="NONSENSE"):
        migrate(connection, (*MIGRATIONS, broken))
    assert schema_version(connection) == len(MIGRATIONS)
    with pytest.raises(Exception, match="topic"):
        connection.execute("SELECT topic FROM room")
    connection.close()


def test_migrate_refuses_a_newer_schema(url):
    """An old release does not touch what it does not know."""
    connection = open_connection(url)
    migrate(connection, (*MIGRATIONS, ("ALTER TABLE room ADD COLUMN topic TEXT",)))
    with pytest.raises(StoreError, match="newer release"):
        migrate(connection)
    connection.close()
