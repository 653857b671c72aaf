"""What networks pushed to us and is not passed on yet."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.store.store import STANZA_BYTES

GW = "mx.example.org"


def test_inbox_holds_what_was_not_done_in_order(desk):
    """After a crash every event that was taken in and not passed on is there again, oldest first."""
    store = desk.open()
    numbers = [store.keep(GW, b"event %d" % index) for index in range(4)]
    desk.wait(store.flush())
    store.done(GW, numbers[0])
    store.done(GW, numbers[2])
    store = desk.reopen(store)
    expected = [(numbers[1], b"event 1"), (numbers[3], b"event 3")]
    assert store.kept("other.example.org") == []
    assert store.kept(GW) == expected
    assert store.kept(GW) == []
    store.done(GW, numbers[1])
    store = desk.reopen(store)
    assert store.kept(GW) == expected[1:]


def test_inbox_done_before_the_commit_is_never_written(sqlite_desk):
    """An event that is passed on at once costs no write."""
    store = sqlite_desk.open()
    store._writer._interval = 20
    store.done(GW, store.keep(GW, b"x" * 100))
    assert not len(store._writer._pending)


def test_inbox_refuses_an_over_long_event(sqlite_desk):
    """One event cannot fill the store."""
    store = sqlite_desk.open()
    with pytest.raises(BridgeError) as error:
        store.keep(GW, b"x" * (STANZA_BYTES + 1))
    assert error.value.trouble is Trouble.TOO_LONG


def test_inbox_of_an_older_database_is_empty(desk):
    """The first start of this release on an older database finds nothing, and can keep."""
    from bridge.store.connection import open_connection
    from bridge.store.schema import MIGRATIONS, migrate

    connection = open_connection(desk.url)
    migrate(connection, MIGRATIONS[:1])
    connection.close()
    store = desk.open()
    assert store.kept(GW) == []
    number = store.keep(GW, b"event")
    store = desk.reopen(store)
    assert store.kept(GW) == [(number, b"event")]
