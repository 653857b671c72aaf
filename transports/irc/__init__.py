"""IRC: every user of the gateway has an own connection to each server he uses."""

from __future__ import annotations

from typing import Any

from bridge.network import Network
from transports.irc.config import IrcConfig

CONFIG = IrcConfig


def build(config: IrcConfig, reactor: Any) -> Network:
    """Make the network of one gateway; nothing heavy is imported before."""
    from transports.irc.network import build_network

    return build_network(config, reactor)
