"""A network of servers in memory: each with the real pool and acceptor, TLS and TCP played."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bridge.config import FederationConfig, FederationLimits
from bridge.federation.acceptor import Acceptor
from bridge.federation.arrivals import Arrivals
from bridge.federation.connect import Unreachable
from bridge.federation.dial import Means
from bridge.federation.exchange import Exchange
from bridge.federation.guard import Guard
from bridge.federation.policy import PeerPolicies
from bridge.federation.pool import Pool
from bridge.federation.resolver import LookupFailed, NoServer, Target
from bridge.xmpp.dialback import Keys
from bridge.xmpp.element import Element
from bridge.xmpp.xml import Limits

LIMITS = FederationLimits()
HELLO = b"\x16\x03\x01\x00\x05hello"
TURNS = 400
"""Turns after which a network that is not quiet yet never will be."""


class _Tls:
    """What stands between a transport that has begun TLS and its connection."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.heard = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def dataReceived(self, data: bytes) -> None:
        if data == HELLO:
            self.heard = data
        else:
            self._inner.dataReceived(data)


class Transport:
    """One end of a connection; bytes arrive in the next turn."""

    def __init__(self, network: Network, address: str) -> None:
        self.network = network
        self.address = address
        self.other: Transport
        self.protocol: Any = None
        self.inbox: list[bytes] = []
        self.tls = False
        self.secured = False
        self.ended: Exception | None = None
        self.is_lost = False
        self.is_paused = False
        self.producer: Any = None

    # what the connections call

    def write(self, data: bytes) -> None:
        if self.ended is None:
            self.other.inbox.append(data)

    def startTLS(self, _creator: Any, normal: bool = True) -> None:
        self.tls = True
        if not self.other.tls:
            self.other.inbox.append(HELLO)
        self.protocol = _Tls(self.protocol)

    def loseConnection(self) -> None:
        self._end(ConnectionDone())

    def abortConnection(self) -> None:
        self.other.inbox.clear()
        self._end(ConnectionLost())

    def _end(self, reason: Exception) -> None:
        for side in (self, self.other):
            side.end(reason)

    def end(self, reason: Exception) -> None:
        """Let this end know that the connection is over, once it has read what has come."""
        self.ended = self.ended or reason

    def cut(self, kept: int) -> None:
        """Break what leads here; of what is under way only the first bytes still come."""
        self.inbox = [b"".join(self.inbox)[:kept]] if self.secured and kept else []

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.is_paused = True

    def resumeProducing(self) -> None:
        self.is_paused = False

    def setTcpNoDelay(self, _on: bool) -> None:
        self.no_delay = True

    def setTcpKeepAlive(self, _on: bool) -> None:
        self.keep_alive = True

    def getPeer(self) -> Any:
        return SimpleNamespace(host=self.other.address)

    def getHandle(self) -> None:
        return None

    # time goes on

    def turn(self, most: int | None = None) -> bool:
        """Let what has come arrive, under TLS in pieces if need be; True if anything happened."""
        if self.is_lost:
            return False
        if self.tls and self.other.tls and not self.secured:
            self.secured = True
            self.protocol.handshakeCompleted()
            return True
        if self.inbox and self.tls and not self.other.tls:
            self.inbox.clear()  # that is no handshake
            self._end(ConnectionLost())
            return True
        if self.inbox and not self.is_paused and self.tls == self.secured:
            data, most = b"".join(self.inbox), most if self.secured else None
            self.inbox = [data[most:]] if most is not None and data[most:] else []
            if data:
                self.protocol.dataReceived(data[:most])
            return True
        if self.ended is not None and (not self.inbox or self.is_paused):
            self.is_lost = True
            self.protocol.connectionLost(Failure(self.ended))
            return True
        return False


class Network:
    """The servers, and the connections between them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.servers: dict[str, Server] = {}
        """By each of the domains that they host."""
        self.transports: list[Transport] = []
        self.unresolvable: set[str] = set()
        self.dialled: list[tuple[str, str]] = []
        """Which server was connected to from where."""

    def server(self, *domains: str, **options: Any) -> Server:
        """Start a server that hosts `domains`."""
        made = Server(self, domains, **options)
        for domain in domains:
            self.servers[domain] = made
        return made

    def connect(
        self, reactor: Any, resolver: Any, target: Target, factory: Any, timeout: float
    ) -> Deferred[Any]:
        """Play `bridge.federation.connect.connect`."""
        server = next((each for each in self.servers.values() if each.name == target.host), None)
        if server is None or not server.is_up:
            return fail(Unreachable("the server refuses connections"))
        near, far = Transport(self, resolver.name), Transport(self, server.name)
        near.other, far.other = far, near
        far.protocol = server.acceptor.buildProtocol(SimpleNamespace(host=near.address))
        near.protocol = factory.buildProtocol(None)
        if far.protocol is None:
            return fail(Unreachable("the server refuses connections"))
        self.dialled.append((near.address, far.address))
        self.transports += [near, far]
        for end in (far, near):
            end.protocol.transport = end
            end.protocol.connectionMade()
        return succeed(near.protocol)

    def settle(self) -> None:
        """Go on until nothing happens any more, without time passing."""
        for _ in range(TURNS):
            self.clock.advance(0)
            if not [transport for transport in self.transports if transport.turn()]:
                self.clock.advance(0)
                if not any(transport.inbox and not transport.is_paused for transport in self.live()):
                    return
        raise AssertionError("the network does not come to rest")

    def live(self) -> list[Transport]:
        return [transport for transport in self.transports if not transport.is_lost]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, second by second."""
        left = seconds
        while left > 0:
            self.clock.advance(min(1.0, left))
            left -= 1.0
            for server in set(self.servers.values()):
                server.pool.watch()
                server.acceptor.watch()
            self.settle()

    def cut(self) -> None:
        """Break every connection; what was under way is lost."""
        for transport in self.live():
            transport.abortConnection()


class Server:
    """One bridge's federation: its real machines, and what reached its domains."""

    def __init__(
        self,
        network: Network,
        domains: Sequence[str],
        *,
        problem: str = "",
        certificate: bool = True,
        limits: FederationLimits = LIMITS,
        **policy: Any,
    ) -> None:
        self.name = domains[0]
        self.network = network
        self.is_up = True
        self.problem = problem
        """What others find wrong with this server's certificate."""
        self.certified = domains if certificate else ()
        self.received: list[Element] = []
        self.exchange = Exchange()
        for domain in domains:
            self.exchange.attach(domain, self)
        config = FederationConfig(limits=limits, **policy)
        self.guard = Guard(limits, network.clock.seconds)
        numbers = itertools.count(1)
        means = Means(
            reactor=network.clock,
            resolver=self,  # type: ignore[arg-type]
            contexts=self,  # type: ignore[arg-type]
            verifier=SimpleNamespace(problem=self._judge),  # type: ignore[arg-type]
            policies=PeerPolicies(config),
            keys=Keys(self.name.encode()),
            hosts=self.exchange.serves,
            limits=Limits(stanza_bytes=limits.stanza_bytes),
        )
        arrivals = Arrivals(self.exchange, self.guard, network.clock)
        self.pool = Pool(means, arrivals, self.exchange.bounce, limits, network.clock)
        self.acceptor = Acceptor(
            means,
            arrivals,
            self.pool,
            self.guard,
            limits,
            network.clock,
            lambda: f"{self.name}-{next(numbers)}",
        )
        self.exchange.remote = self.pool  # type: ignore[assignment]

    # a destination of its exchange

    def receive(self, stanza: Element) -> None:
        self.received.append(stanza)

    # a resolver

    def find(self, domain: str) -> Deferred[tuple[Target, ...]]:
        if domain in self.network.unresolvable:
            return fail(LookupFailed("the DNS did not answer"))
        server = self.network.servers.get(domain)
        if server is None:
            return fail(NoServer("the host has no address"))
        return succeed((Target(host=server.name, port=5269, direct_tls=False, secure=False),))

    def tlsa(self, target: Target) -> Deferred[tuple[()]]:
        return succeed(())

    # TLS contexts, and a verifier

    def has(self, domain: str) -> bool:
        return domain in self.certified

    def client(self, local: str, remote: str, *, direct: bool = False) -> object:
        return object()

    def server(self, domain: str = "") -> object:
        return object()

    def _judge(self, transport: Transport, domain: str, *_dane: object) -> Deferred[str]:
        shown = self.network.servers[transport.other.address]
        return succeed(shown.problem if domain in shown.certified else "it is for another domain")

    # what tests do

    def send(self, sender: str, to: str, body: str = "hi", kind: str = "message") -> None:
        """Have one of its domains send a stanza."""
        local = sender.partition("/")[0].rpartition("@")[2]
        domain = to.partition("/")[0].rpartition("@")[2]
        stanza = f"<{kind} from='{sender}' to='{to}' id='{body}'><body>{body}</body></{kind}>"
        self.pool.send(local, domain, stanza.encode())
        self.network.settle()

    def bodies(self) -> list[str]:
        return [each.child_text("body") or "" for each in self.received if each.get("type") != "error"]

    def errors(self) -> list[tuple[str, str]]:
        """The ids and conditions of the errors that came back."""
        found = []
        for stanza in self.received:
            error = stanza.child("error") if stanza.get("type") == "error" else None
            if error is not None:
                found.append((stanza.get("id") or "", next(error.elements()).name))
        return found


def played(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Return an empty network on which `connect` and certificates are played."""
    network = Network()
    monkeypatch.setattr("bridge.federation.dial.connect", network.connect)
    for module in ("dialler", "acceptor"):
        monkeypatch.setattr(f"bridge.federation.{module}.peer", lambda transport: transport)
    return network
