"""SIP: calls and short messages to and from phones, PBXes and other SIP domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.network import Network, Probe
from transports.sip.capabilities import PERSON
from transports.sip.config import SipConfig

CONFIG = SipConfig
CAPABILITIES = {"SIP": PERSON}


def build(config: SipConfig, reactor: Any) -> Network:
    """Make the network of one gateway; nothing heavy is imported before."""
    from transports.sip.network import build_network

    return build_network(config, reactor)


def probes(config: SipConfig, reactor: Any) -> Sequence[Probe]:
    """Try trunks, with their passwords and the way back, our certificate, and what carries media."""
    from transports.sip.lines.probe import certificate_probes, trunk_probes
    from transports.sip.media.probe import media_probes

    return [
        *trunk_probes(config, reactor),
        *certificate_probes(config, lambda: datetime.now(UTC)),
        *media_probes(config.media, reactor),
    ]


def files(config: SipConfig) -> Mapping[str, str]:
    """What starts an rtpengine as the configuration has it, and what a PBX has to know of us."""
    from transports.sip.lines.servers import server_files
    from transports.sip.media.probe import rtpengine_files

    return {**rtpengine_files(config.media), **server_files(config)}
