"""Fixtures: a reactor, and a stage at each server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.live.guests.stage import GuestStage
from tests.live.matrix.service import LoopReactor
from tests.live.stage import House

SERVERS = ("prosody", "ejabberd")


@pytest.fixture(scope="session")
def reactor(loop: asyncio.AbstractEventLoop) -> Iterator[LoopReactor]:
    """A Twisted reactor that turns when the tests' loop does."""
    made = LoopReactor(loop)
    made.begin()
    yield made
    made.end()


@pytest.fixture(params=SERVERS)
def guest_stage(
    request: pytest.FixtureRequest, house: House, reactor: LoopReactor, loop: asyncio.AbstractEventLoop
) -> Iterator[GuestStage]:
    """An unused room of Prosody, and of ejabberd."""
    made = GuestStage(house.xmpp(request.param), reactor)
    yield made
    loop.run_until_complete(made.close())


@pytest.fixture
def own_guest_stage(
    own_house: House, reactor: LoopReactor, loop: asyncio.AbstractEventLoop
) -> Iterator[GuestStage]:
    """The same, of a Prosody that is this test's alone."""
    made = GuestStage(own_house.xmpp("prosody"), reactor)
    yield made
    loop.run_until_complete(made.close())
