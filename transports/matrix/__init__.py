"""Matrix: an application service of one homeserver, where every user of the gateway is a ghost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.network import Network, Probe
from transports.matrix.capabilities import ROOM
from transports.matrix.config import MatrixConfig

CONFIG = MatrixConfig
CAPABILITIES = {"Matrix": ROOM}


def build(config: MatrixConfig, reactor: Any) -> Network:
    """Make the network of one gateway; nothing heavy is imported before."""
    from transports.matrix.network import build_network

    return build_network(config, reactor)


def probes(config: MatrixConfig, reactor: Any) -> Sequence[Probe]:
    """Ask the homeserver whether it knows us (`xmppbridge check --live`)."""
    from transports.matrix.probe import homeserver_probes

    return homeserver_probes(config, reactor)


def files(config: MatrixConfig) -> Mapping[str, str]:
    """The registration, and what else Synapse's operator puts into its configuration."""
    from transports.matrix.registration import registration, synapse

    return {"registration.yaml": registration(config), "homeserver.yaml": synapse(config)}
