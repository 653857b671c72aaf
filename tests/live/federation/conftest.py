"""Fixtures: the federation of a session, the bridge in it, and a stage for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.live.federation.stage import Federation, FederationStage
from tests.live.peers.gateway import FederatedBridge
from tests.live.stage import House


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave Biboumi, which does not federate, alone."""
    return True if config.getoption("--gateway") == "biboumi" else None


@pytest.fixture(scope="session")
def federation(house: House, loop: asyncio.AbstractEventLoop) -> Federation:
    """Prosody, ejabberd and DNS."""
    return Federation(house)


@pytest.fixture(scope="session")
def shared_bridge(federation: Federation) -> FederatedBridge:
    """The bridge of tests that neither configure nor disturb it."""
    return federation.start_bridge()


@pytest.fixture
def federated(
    federation: Federation, shared_bridge: FederatedBridge, loop: asyncio.AbstractEventLoop
) -> Iterator[FederationStage]:
    """A stage around the shared bridge."""
    made = FederationStage(federation, shared_bridge)
    yield made
    loop.run_until_complete(made.close())


BuildStage = Callable[..., FederationStage]


@pytest.fixture
def build(federation: Federation, loop: asyncio.AbstractEventLoop) -> Iterator[BuildStage]:
    """Make stages around bridges of the test's own; takes what `Federation.start_bridge` takes."""
    built: list[FederationStage] = []

    def start(*args: object, **options: object) -> FederationStage:
        built.append(FederationStage(federation, federation.start_bridge(*args, **options)))  # type: ignore[arg-type]
        return built[-1]

    yield start
    for stage in built:
        loop.run_until_complete(stage.close())
        stage.bridge.daemon.close()
