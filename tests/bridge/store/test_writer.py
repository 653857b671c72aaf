"""Batches, failures of the database, crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.store import ArchivedMessage
from bridge.store import writer as writer_module

GW = "irc.example.org"
ROOM = "#balcony%irc.example.net"
ROMEO = "romeo@montague.lit"


def message(id: int, body: str = "hello", nick: str = "mercutio") -> ArchivedMessage:
    return ArchivedMessage(room=ROOM, id=id, nick=nick, body=body)


def execute(store, sql):
    return store._writer.ask(lambda connection, _: connection.execute(sql))


def trouble_of(desk, deferred) -> Trouble:
    with pytest.raises(BridgeError) as error:
        desk.wait(deferred)
    return error.value.trouble


CRASH = """
    import queue, sys, time
    from bridge.store import ArchivedMessage, Store

    calls = queue.SimpleQueue()
    store = Store(sys.argv[1], lambda *call: calls.put(call), time.time, commit_interval=0.001)
    def wait(deferred):
        results = []
        deferred.addCallback(results.append)
        while not results:
            function, *arguments = calls.get()
            function(*arguments)
    wait(store.start())
    store.open_span("gw", "#a", "romeo@montague.lit", 1)
    id = 0
    while True:
        for _ in range(50):
            id += 1
            store.append("gw", ArchivedMessage(room="#a", id=id, nick="n", body="x" * (id % 300)))
            store.put_setting("gw", "romeo@montague.lit", "room", str(id % 100), str(id).encode())
        wait(store.flush())
        print(id, flush=True)
"""


def test_kill_in_the_middle_of_writing_loses_nothing_acknowledged(desk):
    """After kill -9 everything whose commit was confirmed is there, and the database is whole."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CRASH), desk.url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(20)][-1]
    process.send_signal(signal.SIGKILL)
    acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    store = desk.open()
    page = desk.wait(store.page("gw", "#a", ROMEO, limit=1, last_page=True))
    assert page.total >= acknowledged
    assert page.messages[0].id == page.total
    newest = max(int(store.get_setting("gw", ROMEO, "room", str(key)) or b"0") for key in range(100))
    assert newest >= acknowledged


def test_full_disk_keeps_what_is_queued_and_writes_it_later(sqlite_desk):
    """A full disk loses nothing: it is told, and when there is room again everything is written."""
    store = sqlite_desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    sqlite_desk.wait(store.flush())
    sqlite_desk.wait(execute(store, "PRAGMA max_page_count = 1"))
    for id in range(1, 201):
        assert store.append(GW, message(id, "x" * 400))
    assert trouble_of(sqlite_desk, store.flush()) is Trouble.STORE_FULL
    assert store.failing
    assert not store.is_full
    assert store.append(GW, message(201))
    with pytest.raises(BridgeError) as error:
        store.put_setting(GW, ROMEO, "gateway", "", b"{}")
    assert error.value.trouble is Trouble.STORE_FULL
    assert sqlite_desk.wait(store.page(GW, ROOM, ROMEO, limit=1)).total == 0
    sqlite_desk.wait(execute(store, "PRAGMA max_page_count = 1000000"))
    sqlite_desk.wait(store.flush())
    assert not store.failing
    assert sqlite_desk.wait(store.page(GW, ROOM, ROMEO, limit=1)).total == 201
    store.put_setting(GW, ROMEO, "gateway", "", b"{}")


def test_full_queue_refuses_messages_but_never_the_end_of_a_span(sqlite_desk, monkeypatch):
    """At the bound archiving stops visibly; nobody comes to read more than he may."""
    monkeypatch.setattr(writer_module, "QUEUE_BYTES", 20_000)
    store = sqlite_desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    store.journal(GW, ROMEO, 1, b"x")
    sqlite_desk.wait(store.flush())
    sqlite_desk.wait(execute(store, "PRAGMA max_page_count = 1"))
    accepted = 0
    while store.append(GW, message(accepted + 1, "x" * 400)):
        accepted += 1
    assert 10 < accepted < 60
    assert store.is_full
    size = store._writer._pending.size
    for _ in range(1000):
        store.close_span(GW, ROOM, ROMEO, accepted)
        assert not store.open_span(GW, ROOM, ROMEO, accepted + 1)
        store.settled(GW, ROMEO, 1)
    assert store._writer._pending.size + store._writer._taken_size < size + 20_000 + 2_000
    assert not store.put_occupancy(GW, ROOM, ROMEO, "r", "romeo")
    for refused in (
        lambda: store.remember(GW, ROMEO, "key", b""),
        lambda: store.journal(GW, ROMEO, 2, b""),
    ):
        with pytest.raises(BridgeError) as error:
            refused()
        assert error.value.trouble is Trouble.STORE_FULL
    assert trouble_of(sqlite_desk, store.flush()) is Trouble.STORE_FULL
    sqlite_desk.wait(execute(store, "PRAGMA max_page_count = 1000000"))
    sqlite_desk.wait(store.flush())
    assert not store.is_full
    assert store.append(GW, message(1000))
    assert sqlite_desk.wait(store.page(GW, ROOM, ROMEO, limit=1)).total == accepted
    assert sqlite_desk.reopen(store).journalled(GW) == []


def test_failing_database_recovers_by_itself(sqlite_desk, monkeypatch):
    """Nobody needs to restart the bridge after making room on the disk."""
    monkeypatch.setattr(writer_module, "FIRST_PAUSE", 0.001)
    store = sqlite_desk.open()
    sqlite_desk.wait(execute(store, "PRAGMA max_page_count = 1"))
    recovered = []
    monkeypatch.setattr(store._writer, "_note_recovered", lambda: recovered.append(True))
    for id in range(1, 201):
        store.append(GW, message(id, "x" * 400))
    assert trouble_of(sqlite_desk, store.flush()) is Trouble.STORE_FULL
    sqlite_desk.wait(execute(store, "PRAGMA max_page_count = 1000000"))
    while not recovered:
        function, arguments = sqlite_desk._calls.get(timeout=20)
        function(*arguments)
    assert sqlite_desk.wait(execute(store, "SELECT COUNT(*) FROM message")) == [(200,)]


def test_stop_with_a_full_disk_ends(sqlite_desk):
    """A bridge that cannot write still stops."""
    store = sqlite_desk.open()
    sqlite_desk.wait(execute(store, "PRAGMA max_page_count = 1"))
    for id in range(1, 201):
        store.append(GW, message(id, "x" * 400))
    sqlite_desk.wait(store.stop())
    assert sqlite_desk.wait(execute(sqlite_desk.open(), "SELECT COUNT(*) FROM message")) == [(0,)]


def test_lost_postgresql_connection_is_replaced(postgresql_desk):
    """The database server may restart: what was queued is written on a new connection."""
    import psycopg

    store = postgresql_desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    pid = postgresql_desk.wait(execute(store, "SELECT pg_backend_pid()"))[0][0]
    with psycopg.connect(postgresql_desk.url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    store.append(GW, message(1))
    assert trouble_of(postgresql_desk, store.flush()) is Trouble.STORE_FULL
    assert store.failing
    postgresql_desk.wait(store.flush())
    assert not store.failing
    assert postgresql_desk.wait(store.page(GW, ROOM, ROMEO, limit=1)).total == 1


def test_row_that_can_never_be_written_does_not_block_the_others(desk):
    """One unusable text costs its own row alone."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    desk.wait(store.flush())
    store.append(GW, message(1))
    store.append(GW, message(2, nick="\ud800"))
    store.append(GW, message(3))
    store.put_setting(GW, ROMEO, "gateway", "", b"{}")
    desk.wait(store.flush())
    assert not store.failing
    page = desk.wait(store.page(GW, ROOM, ROMEO, limit=10))
    assert [one.id for one in page.messages] == [1, 3]
    assert desk.reopen(store).get_setting(GW, ROMEO, "gateway", "") == b"{}"


def test_rolled_back_room_gets_its_number_anew(sqlite_desk):
    """A room that was new in a failed batch is there after the next."""
    store = sqlite_desk.open()
    sqlite_desk.wait(
        execute(store, "CREATE TRIGGER t BEFORE INSERT ON span BEGIN SELECT RAISE(ABORT, 'no'); END")
    )
    store.append(GW, message(1))
    store.open_span(GW, ROOM, ROMEO, 1)
    sqlite_desk.wait(store.flush())
    sqlite_desk.wait(execute(store, "DROP TRIGGER t"))
    store.open_span(GW, ROOM, ROMEO, 1)
    assert sqlite_desk.wait(store.page(GW, ROOM, ROMEO, limit=1)).total == 1


def test_programming_error_in_a_read_is_told_as_it_is(sqlite_desk):
    """A bug of ours is no failure of the database."""
    store = sqlite_desk.open()
    with pytest.raises(ZeroDivisionError):
        sqlite_desk.wait(store._writer.ask(lambda connection, archive: 1 // 0))
    assert not store.failing


def test_reads_see_what_was_written_before_them(desk):
    """A user who asks right after speaking finds his words."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    for id in range(1, 20):
        store.append(GW, message(id))
        assert [one.id for one in desk.wait(store.history(GW, ROOM, ROMEO, 1))] == [id]


def test_too_many_waiting_reads_are_refused(sqlite_desk, monkeypatch):
    """A flood of archive queries cannot fill the memory."""
    monkeypatch.setattr(writer_module, "QUESTIONS", 0)
    store = sqlite_desk.open()
    assert trouble_of(sqlite_desk, store.history(GW, ROOM, ROMEO, 1)) is Trouble.OVERLOADED
