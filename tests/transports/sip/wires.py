"""A reactor, a resolver, an uplink and sockets in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.names import dns
from twisted.names.error import DNSNameError
from twisted.python.failure import Failure

from bridge.events import MessageId
from bridge.network import Scope
from transports.sip.agent.routing import Hop
from transports.sip.settings import GatewaySettings
from transports.sip.wire.message import Request, Response, parse

HOST, PORT = "192.0.2.1", 5060
PEER = "198.51.100.7"


class UdpPort:
    """A UDP socket: what is written to it."""

    def __init__(self, port: int, protocol: Any, host: str) -> None:
        self.port, self.protocol, self.host = port, protocol, host
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.stopped = False
        protocol.makeConnection(self)

    def write(self, data: bytes, address: tuple[str, int]) -> None:
        if len(data) > 65507:
            raise OSError("too long")
        self.sent.append((data, address))

    def getHost(self) -> Any:
        return self

    def stopListening(self) -> None:
        self.stopped = True


class Stream(StringTransport):
    """A TCP connection."""

    def __init__(self, peer: Any = None) -> None:
        super().__init__(peerAddress=peer)
        self.cut = False

    def abortConnection(self) -> None:
        self.cut = self.disconnecting = True


class Reactor(MemoryReactorClock):
    """MemoryReactorClock with UDP; what is written to `wire` is read by whoever the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[UdpPort] = []

    def listenUDP(self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> UdpPort:
        self.ports.append(UdpPort(port, protocol, interface))
        return self.ports[-1]

    def arrive(self, data: bytes, host: str = PEER, port: int = 5060) -> None:
        """Deliver a datagram."""
        self.ports[0].protocol.datagramReceived(data, (host, port))

    def taken(self) -> list[Request | Response]:
        """Return what was sent by UDP since the last call."""
        sent, self.ports[0].sent = self.ports[0].sent, []
        return [parse(data) for data, _ in sent]

    def dialled(self, index: int = -1) -> tuple[Any, Stream]:
        """Accept the connection that was dialled; return its protocol and its end."""
        _, _, factory, _, _ = self.tcpClients[index]
        protocol = factory.buildProtocol(None)
        stream = Stream()
        protocol.makeConnection(stream)
        return protocol, stream


def hang_up(protocol: Any) -> None:
    """End a connection from the far side."""
    protocol.connectionLost(Failure(ConnectionDone()))


class Names:
    """A resolver: records by type and name."""

    def __init__(self, records: Mapping[tuple[str, str], list[Any]] | None = None) -> None:
        self.records = dict(records or {})
        self.broken = self.silent = False
        self.waiting: list[Deferred[Any]] = []

    def _answer(self, kind: str, name: str) -> Deferred[Any]:
        if self.silent:
            self.waiting.append(Deferred())
            return self.waiting[-1]
        if self.broken:
            return fail(TimeoutError())
        found = self.records.get((kind, name))
        if found is None:
            return fail(DNSNameError())
        headers = [dns.RRHeader(name=name, type=one.TYPE, payload=one) for one in found]
        return succeed((headers, [], []))

    def lookupNamingAuthorityPointer(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer("NAPTR", name)

    def lookupService(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer("SRV", name)

    def lookupAddress(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer("A", name)

    def lookupIPV6Address(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer("AAAA", name)


class Bridge:
    """The uplink: what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.troubles: list[str] = []
        self.kept: dict[str, dict[str, bytes]] = {}
        self._ids = count(1)
        self.wishes: dict[str, GatewaySettings] = {}

    def settings(self, user: str, scope: Scope, key: str) -> GatewaySettings:
        return self.wishes.get(user, GatewaySettings())

    def deliver(self, user: str, events: Any) -> None:
        self.told += [(user, event) for event in events]

    def message_id(self) -> MessageId:
        return MessageId(f"m{next(self._ids)}")

    def memory(self, user: str) -> Mapping[str, bytes]:
        return dict(self.kept.get(user, {}))

    def remember(self, user: str, key: str, value: bytes | None) -> None:
        self.kept.setdefault(user, {}).pop(key, None)
        if value is not None:
            self.kept[user][key] = value

    def owners(self) -> list[str]:
        return [user for user, kept in self.kept.items() if kept]

    def trouble(self, words: str) -> None:
        self.troubles.append(words)

    def taken(self) -> list[tuple[str, Any]]:
        told, self.told = self.told, []
        return told


def tokens() -> Callable[[], str]:
    """Return what makes a new word each time."""
    numbers = count(1)
    return lambda: f"t{next(numbers)}"


PEER_HOP = Hop("UDP", PEER, 5060)
