"""IRC: every user of the gateway has an own connection to each server he uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.network import Network, Probe
from transports.irc.capabilities import IRCV3, PLAIN
from transports.irc.config import IrcConfig

CONFIG = IrcConfig
CAPABILITIES = {"IRC": PLAIN, "IRC with IRCv3": IRCV3}


def build(config: IrcConfig, reactor: Any) -> Network:
    """Make the network of one gateway; nothing heavy is imported before."""
    from transports.irc.network import build_network

    return build_network(config, reactor)


def probes(config: IrcConfig, reactor: Any) -> Sequence[Probe]:
    """Try to reach the servers that `config` names (`xmppbridge check --live`)."""
    from transports.irc.probe import server_probes

    return server_probes(config, reactor)


def files(config: IrcConfig) -> Mapping[str, str]:
    """A server needs nothing of ours."""
    return {}
