"""An internet in memory: servers by host and port, plain or with TLS, moved on by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import FakeTransport, IOPump
from zope.interface import implementer


class Wire(FakeTransport):
    """A transport with a socket that takes everything at once."""

    def getHandle(self) -> Wire:
        return self

    def send(self, data: bytes) -> int:
        self.write(data)
        return len(data)

    def loseWriteConnection(self) -> None:
        """The other end, which reads the end, closes at once."""
        self.loseConnection()


class Internet:
    """What `connect`s to a host and port that something serves."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.servers: dict[tuple[str, int], tuple[Callable[[], Protocol], Any]] = {}
        self.silent: set[tuple[str, int]] = set()
        self.pumps: list[IOPump] = []
        self.dialled: list[tuple[str, int, str]] = []

    def serve(self, host: str, port: int, make: Callable[[], Protocol], tls: Any = None) -> None:
        """Have the protocols that `make` makes answer there; `tls` is a server's context factory."""
        self.servers[host, port] = make, tls

    def endpoint(self, host: str, port: int, bind: str) -> IStreamClientEndpoint:
        """Return the way to a host (a `dialer.EndpointMaker`)."""
        return _Endpoint(self, host, port, bind)

    def connect(self, host: str, port: int, bind: str, factory: Any) -> Deferred[Any]:
        """Connect, as an endpoint does."""
        self.dialled.append((host, port, bind))
        if (host, port) in self.silent:
            return Deferred()
        if not any(host == known for known, _ in self.servers):
            return fail(DNSLookupError("no such host"))
        if (host, port) not in self.servers:
            return fail(ConnectionRefusedError())
        make, tls = self.servers[host, port]
        server: Any = make()
        if tls is not None:
            inner = Factory.forProtocol(lambda: server)
            server = TLSMemoryBIOFactory(tls, False, inner, self.clock).buildProtocol(None)
        client = factory.buildProtocol(None)
        server_io = FakeTransport(server, isServer=True)
        client_io = Wire(client, isServer=False)
        server.makeConnection(server_io)
        client.makeConnection(client_io)
        self.pumps.append(IOPump(client, server, client_io, server_io, False, clock=self.clock))
        return succeed(client)

    def flush(self) -> None:
        """Move bytes until none are under way."""
        moved = True
        while moved:
            moved = False
            self.clock.advance(0)
            for pump in list(self.pumps):
                moved = bool(pump.pump()) or moved


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, internet: Internet, host: str, port: int, bind: str) -> None:
        self._where = internet, host, port, bind

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """Connect."""
        internet, host, port, bind = self._where
        return internet.connect(host, port, bind, protocolFactory)
