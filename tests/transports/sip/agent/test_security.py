"""TLS with real certificates, in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.live.peers.certificates import Authority
from transports.sip.agent.security import Certificates
from transports.sip.config import SipConfig


class End(Protocol):
    """One end, and what it heard."""

    def __init__(self) -> None:
        self.heard = b""

    def dataReceived(self, data: bytes) -> None:
        self.heard += data


def handshake(config: SipConfig, name: str) -> tuple[bool, bytes]:
    """Connect a client of ours to a server of ours, and say hello; return whether it stays, and what is heard."""
    certificates, ends, wires, clock = Certificates(config), [], [], Clock()
    for is_client, context in ((True, certificates.client(name)), (False, certificates.server)):
        end, wire = End(), StringTransport()
        protocol = TLSMemoryBIOFactory(
            context, is_client, Factory.forProtocol(lambda end=end: end), clock
        ).buildProtocol(None)
        protocol.makeConnection(wire)
        ends.append((end, protocol))
        wires.append(wire)
    ends[0][0].transport.write(b"hello")
    for _ in range(6):
        clock.advance(1)
        for this, other in ((0, 1), (1, 0)):
            data = wires[this].value()
            wires[this].clear()
            if data:
                ends[other][1].dataReceived(data)
    return not wires[0].disconnecting, ends[1][0].heard


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> SipConfig:
    folder = tmp_path_factory.mktemp("ca")
    authority = Authority(folder)
    issued = authority.issue("sip", "pbx.example")
    return SipConfig(
        domain="gw.example",
        certificate=str(issued.certificate),
        key=str(issued.key),
        ca_file=str(authority.root),
    )


def test_certificate_of_the_domain_is_accepted(config: SipConfig) -> None:
    """What is written afterwards arrives."""
    assert handshake(config, "pbx.example") == (True, b"hello")


def test_certificate_of_another_domain_is_not(config: SipConfig) -> None:
    """Nothing is said to who cannot prove who he is."""
    assert handshake(config, "other.example") == (False, b"")


def test_missing_certificate_is_named(config: SipConfig, tmp_path: Path) -> None:
    """The one who configured it is told, when it is first needed."""
    with pytest.raises(ValueError, match="certificate"):
        _ = Certificates(SipConfig(domain="gw.example")).server
    with pytest.raises(OSError):
        Certificates(SipConfig(domain="gw.example", ca_file=str(tmp_path / "none"))).client("a.example")
