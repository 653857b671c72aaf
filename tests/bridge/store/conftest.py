"""Both databases, and a reactor's thread that runs until a Deferred has fired."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bridge.store import Durability, Store


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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "bridge.sqlite")
    return request.getfixturevalue("postgresql_url")


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
def postgresql_desk(postgresql_url: str) -> Iterator[Desk]:
    """The desk for an empty PostgreSQL schema."""
    desk = Desk(postgresql_url)
    yield desk
    for store in desk.stores:
        desk.wait(store.stop())
