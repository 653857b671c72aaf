"""Reaching another server: target after target, until a stream is ready or none is left (RFC 6120 §3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.federation import dane
from bridge.federation.connect import Unreachable, connect
from bridge.federation.connection import Connection, Owner
from bridge.federation.policy import PeerPolicies, PeerPolicy
from bridge.federation.resolver import LookupFailed, NoServer, Resolver, Target, Tlsa, override
from bridge.federation.tls import TlsContexts, Verifier
from bridge.xmpp.dialback import Keys, Pair
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.stream_management import Session
from bridge.xmpp.xml import Limits

CONNECT_TIMEOUT = 10.0
"""Seconds for a TCP connection to one target, all its addresses together."""
NEGOTIATION_TIMEOUT = 20.0
"""Seconds from there until the stream is ready, TLS included."""
PATIENCE = 45.0
"""Seconds after which no further target is tried."""
TARGETS = 8
"""How many targets of one server are tried."""


Errand = Pair | Session
"""What a server is dialled for: a pair that has something to send or to ask, or a lost stream's session."""


class Means(Struct, frozen=True, kw_only=True):
    """What dialling needs."""

    reactor: Any
    resolver: Resolver
    contexts: TlsContexts
    verifier: Verifier
    policies: PeerPolicies
    keys: Keys
    hosts: Callable[[str], bool]
    limits: Limits


class Attempt(Exception):
    """A target did not lead to a stream; the argument says why."""


class Dial:
    """One effort to reach the server of `pair.target` for our domain `pair.sender`.

    `share` is asked before a target is connected to: it returns True if a stream that leads there
    already will do. `run` fires with the connection whose stream is ready, None if shared, or fails
    with BridgeError. `session` is that of a lost stream, which is to go on there.
    """

    log = Logger()

    def __init__(
        self,
        pair: Pair,
        means: Means,
        owner: Owner,
        share: Callable[[Target], bool],
        *,
        external: bool,
        session: Session | None,
    ) -> None:
        self.pair = pair
        self.session = session
        self.target: Target | None = None
        """Where the attempt under way leads."""
        self.tlsa: Sequence[Tlsa] = ()
        """What DNS says of that target's certificate (RFC 7673)."""
        self._means = means
        self._owner = owner
        self._share = share
        self._external = external
        self._outcome: Deferred[Connection] | None = None
        self._running: Deferred[Connection | None] | None = None
        self._connection: Connection | None = None
        """The one that the attempt under way has made."""

    @property
    def errand(self) -> Errand:
        """What it is for."""
        return self.session or self.pair

    def run(self) -> Deferred[Connection | None]:
        """Try one target after the other."""
        self._running = Deferred.fromCoroutine(self._run())
        return self._running

    def stop(self) -> None:
        """Give up; `run` fails with CancelledError."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> Connection | None:
        policy = self._means.policies.of(self.pair.target)
        if policy.refused or not self._means.hosts(self.pair.sender):
            raise BridgeError(Trouble.NOT_ALLOWED, "This gateway does not talk to that server.")
        deadline = self._means.reactor.seconds() + PATIENCE
        for target in (await self._targets(policy))[:TARGETS]:
            if self._share(target):
                return None
            if self._means.reactor.seconds() > deadline:
                break
            try:
                return await self._attempt(target, policy)
            except Attempt as failed:
                self.log.info(
                    "{local} → {remote}: {host}:{port}: {reason}",
                    local=self.pair.sender, remote=self.pair.target,
                    host=target.host, port=target.port, reason=failed,
                )  # fmt: skip
        raise BridgeError(Trouble.REMOTE_TIMEOUT, "No connection to that server could be made.")

    async def _targets(self, policy: PeerPolicy) -> Sequence[Target]:
        if policy.servers:
            return override(policy.servers)
        try:
            return await self._means.resolver.find(self.pair.target)
        except NoServer:
            raise BridgeError(Trouble.REMOTE_NOT_FOUND) from None
        except LookupFailed:
            raise BridgeError(Trouble.REMOTE_TIMEOUT, "That server's name could not be resolved.") from None

    async def _attempt(self, target: Target, policy: PeerPolicy) -> Connection:
        if target.direct_tls and policy.encryption == "never":
            raise Attempt("it is for TLS only")
        self.target, self._connection = target, None
        outcome = self._outcome = Deferred[Connection]()
        factory = Factory.forProtocol(lambda: self._build(policy))
        factory.noisy = False
        reactor = self._means.reactor
        try:
            self.tlsa = () if policy.encryption == "never" else await self._means.resolver.tlsa(target)
            connection = await connect(reactor, self._means.resolver, target, factory, CONNECT_TIMEOUT)
        except (Unreachable, LookupFailed) as error:
            raise Attempt(str(error)) from None
        assert isinstance(connection, Connection)
        timeout = reactor.callLater(NEGOTIATION_TIMEOUT, connection.fail, "connection-timeout")
        try:
            return await outcome
        finally:
            if timeout.active():
                timeout.cancel()

    def _build(self, policy: PeerPolicy) -> Connection:
        stream = OutgoingStream(
            self.pair.sender,
            self.pair.target,
            self._means.keys,
            self._means.hosts,
            self._means.limits,
            encryption=policy.encryption,
            certificate_required=policy.authentication == "certificate" or dane.decides(self.tlsa),
            external=self._external and self._means.contexts.has(self.pair.sender),
            bidirectional=True,
            session=self.session,
        )
        return Connection(stream, self._owner, self._means.reactor)

    # what the owner tells of the connection

    def connected(self, connection: Connection) -> None:
        """TCP is up."""
        self._connection = connection

    def ready(self, connection: Connection) -> None:
        """The stream of the attempt is negotiated."""
        outcome, self._outcome = self._outcome, None
        if outcome is not None and connection is self._connection:
            outcome.callback(connection)

    def lost(self, connection: Connection, reason: str) -> None:
        """A connection is gone; that matters to the attempt that made it, before it was ready."""
        if connection is not self._connection or self._outcome is None:
            return
        outcome, self._outcome = self._outcome, None
        outcome.errback(Attempt(reason))
