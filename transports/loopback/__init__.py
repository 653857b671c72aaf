"""A complete fantasy network in memory: the reference adapter, and the test double of the bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.network import Network, Probe
from transports.loopback.capabilities import CARRIED
from transports.loopback.config import LoopbackConfig

CONFIG = LoopbackConfig
CAPABILITIES = {"loopback": CARRIED}


def build(config: LoopbackConfig, reactor: Any) -> Network:
    """Return the network; it needs no reactor."""
    from transports.loopback.network import LoopbackNetwork

    return LoopbackNetwork(config)


def probes(config: LoopbackConfig, reactor: Any) -> Sequence[Probe]:
    """There is nothing to reach."""
    return ()


def files(config: LoopbackConfig) -> Mapping[str, str]:
    """A server needs nothing of ours."""
    return {}
