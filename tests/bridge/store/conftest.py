"""Both databases, and a reactor's thread that runs until a Deferred has fired."""

from __future__ import annotations

import itertools
import os
import pwd
import queue
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bridge.store import Durability, Store

NUMBERS = itertools.count(1)


class Desk:
    """Stands for the reactor: opens stores, waits for Deferreds, holds the clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.time = 1_700_000_000.0
        self._calls: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
        self.stores: list[Store] = []

    def call_from_thread(self, function: Callable[..., object], *arguments: Any) -> None:
        self._calls.put((function, arguments))

    def store(self, url: str = "", durability: Durability = Durability.PROCESS) -> Store:
        store = Store(
            url or self.url,
            self.call_from_thread,
            lambda: self.time,
            commit_interval=0.001,
            durability=durability,
        )
        self.stores.append(store)
        return store

    def open(self, url: str = "", durability: Durability = Durability.PROCESS) -> Store:
        store = self.store(url, durability)
        self.wait(store.start())
        return store

    def wait(self, deferred: Deferred[Any]) -> Any:
        """Run what the store's thread sends here until `deferred` has fired; return or raise its result."""
        results: list[Any] = []
        deferred.addBoth(results.append)
        while not results:
            function, arguments = self._calls.get(timeout=20)
            function(*arguments)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def reopen(self, store: Store) -> Store:
        self.wait(store.stop())
        return self.open()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A private PostgreSQL cluster on a socket in a folder of its own; fails where none is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    found = str(programs[-1]) if programs else shutil.which("pg_ctl")
    assert found is not None, "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
    binaries = Path(found).resolve().parent
    folder = tempfile.mkdtemp(prefix="xb-pg-", dir="/tmp")
    user = "nobody" if os.getuid() == 0 else None
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries / program), "-D", f"{folder}/data", *arguments],
            user=user,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    try:
        run("initdb", "-U", "bridge", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-c listen_addresses='' -c fsync=off -k {folder}"
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql:///postgres?host={folder}&user=bridge"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh_postgresql(base: str) -> str:
    """Return the URL of an empty schema."""
    import psycopg

    name = f"test_{next(NUMBERS)}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{base}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "bridge.sqlite")
    return fresh_postgresql(request.getfixturevalue("postgresql"))


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    """The desk for an empty database of each kind."""
    desk = Desk(url)
    yield desk
    for store in desk.stores:
        desk.wait(store.stop())


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[Desk]:
    """The desk for an empty SQLite file."""
    desk = Desk(str(tmp_path / "bridge.sqlite"))
    yield desk
    for store in desk.stores:
        desk.wait(store.stop())


@pytest.fixture
def postgresql_desk(postgresql: str) -> Iterator[Desk]:
    """The desk for an empty PostgreSQL schema."""
    desk = Desk(fresh_postgresql(postgresql))
    yield desk
    for store in desk.stores:
        desk.wait(store.stop())
