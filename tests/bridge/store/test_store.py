"""The life of a store: ids, opening, bounds."""

from __future__ import annotations

import os
import stat

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.store import ArchivedMessage, StoreError

GW = "irc.example.org"


def test_next_id_is_the_time_and_grows_when_the_clock_steps_back(sqlite_desk):
    """Ids are microseconds, and never repeat."""
    store = sqlite_desk.open()
    first = store.next_id()
    assert first == 1_700_000_000_000_000
    assert store.next_id() == first + 1
    sqlite_desk.time -= 3600
    assert store.next_id() == first + 2
    assert store.last_id() == first + 2
    sqlite_desk.time += 7200
    assert store.next_id() == first + 3600_000_000


def test_next_id_after_a_restart_with_the_clock_behind_still_grows(desk):
    """A machine that starts with a wrong clock gives no id twice."""
    store = desk.open()
    store.put_setting(GW, "a@b", "gateway", "", b"{}")
    last = store.next_id()
    desk.time -= 86400
    store = desk.reopen(store)
    assert store.last_id() == last
    assert store.next_id() == last + 1


def test_database_file_is_its_owners_alone(sqlite_desk):
    """Settings hold passwords: nobody else may read them."""
    sqlite_desk.open()
    folder = os.path.dirname(sqlite_desk.url)
    modes = {name: stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode) for name in os.listdir(folder)}
    assert modes["bridge.sqlite"] == 0o600
    assert set(modes.values()) == {0o600}


def test_second_bridge_on_one_database_is_refused(desk):
    """Two bridges would overwrite each other's state."""
    desk.open()
    with pytest.raises(StoreError, match="another process"):
        desk.open()


def test_url_of_unknown_kind_is_refused(sqlite_desk):
    """A URL that cannot be right is told in words."""
    with pytest.raises(StoreError, match="sqlite:///path"):
        sqlite_desk.open("mysql://host/name")


def test_path_that_cannot_be_written_is_refused(sqlite_desk):
    """A folder that does not exist is told with its name."""
    with pytest.raises(StoreError, match=r"/nonexistent/x\.sqlite"):
        sqlite_desk.open("sqlite:////nonexistent/x.sqlite")


def test_postgresql_server_that_is_not_there_is_told_without_the_password(sqlite_desk):
    """Error texts reach logs; passwords do not."""
    with pytest.raises(StoreError) as error:
        sqlite_desk.open("postgresql://bridge:sesame@127.0.0.1:1/x")
    assert "sesame" not in str(error.value)


def test_ask_after_stop_is_refused(sqlite_desk):
    """Nothing waits for an answer that cannot come."""
    store = sqlite_desk.open()
    sqlite_desk.wait(store.stop())
    with pytest.raises(BridgeError) as error:
        sqlite_desk.wait(store.flush())
    assert error.value.trouble is Trouble.SHUTTING_DOWN
    assert not store.append(GW, ArchivedMessage(room="r", id=1, nick="n"))


def test_stop_before_start_ends_at_once(sqlite_desk):
    """A bridge that could not start can still stop."""
    sqlite_desk.wait(sqlite_desk.store().stop())
