"""A PostgreSQL server for the tests that need one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from tests.live.peers.postgresql import USER, cluster

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a private PostgreSQL cluster; fails where none is installed."""
    with cluster() as folder:
        yield f"postgresql:///postgres?host={folder}&user={USER}"


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """The URL of an empty schema in it."""
    name = f"test_{next(NUMBERS)}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{postgresql}&options=-csearch_path%3D{name}"
