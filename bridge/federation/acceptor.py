"""The streams that other servers open to us: who they are, and what they may send."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from bridge.config import FederationLimits
from bridge.federation.arrivals import Arrivals
from bridge.federation.carriers import Index
from bridge.federation.connection import CLOSE_TIMEOUT, Connection
from bridge.federation.dial import Means
from bridge.federation.guard import Guard
from bridge.federation.pool import Pool
from bridge.federation.tls import peer
from bridge.federation.upkeep import look_after, review
from bridge.xmpp.dialback import VALID, Verdict
from bridge.xmpp.incoming import SESSION_SECONDS, Greeting, IncomingStream
from bridge.xmpp.server_stream import Encryption
from bridge.xmpp.stream_events import (
    Acknowledged,
    DialbackRequested,
    Event,
    Opened,
    PairAdmitted,
    PairOpened,
    ResumeRequested,
    SessionOpened,
    SessionResumed,
    StreamEnded,
    StreamFailed,
    Verified,
)
from bridge.xmpp.stream_management import Session
from bridge.xmpp.xml import Limits

SESSIONS = 20_000
"""Sessions that may wait for their streams to come back; the oldest go first."""
STRANGER = Limits(header_bytes=4_096, stanza_bytes=10_000, depth=10, elements=100, attributes=20)
"""What somebody may send who has not proven to be anybody."""
STRANGERS_BYTES = 65_536
"""What he may send in all."""


class Resumable(Struct, frozen=True):
    """A session that `remote` may go on with; `connection` is None since it was lost, at `lost`.

    One without an id is over; it is kept to tell what had been taken.
    """

    session: Session
    remote: str
    connection: Connection | None
    lost: float = 0.0


class Acceptor(Factory):
    """Implements `connection.Owner` for the connections that come in."""

    noisy = False
    log = Logger()

    def __init__(
        self,
        means: Means,
        arrivals: Arrivals,
        pool: Pool,
        guard: Guard,
        limits: FederationLimits,
        clock: IReactorTime,
        new_id: Callable[[], str],
    ) -> None:
        self._means = means
        self._arrivals = arrivals
        self._pool = pool
        self._guard = guard
        self._limits = limits
        self._clock = clock
        self._new_id = new_id
        self._connections: set[Connection] = set()
        self._strangers: dict[Connection, None] = {}
        """Those whose peers have not proven who they are, the oldest first."""
        self._known: Index[str] = Index()
        """The others, by the domain that each proved first."""
        self._sessions: OrderedDict[str, Resumable] = OrderedDict()
        """Sessions by their ids."""
        self._is_held = False
        self._on: dict[type, Callable[[Connection, Any], None]] = {
            Opened: self._greet,
            DialbackRequested: self._dialback,
            PairAdmitted: self._admitted,
            PairOpened: lambda connection, event: pool.adopt(event.pair, connection),
            Acknowledged: lambda connection, _: pool.acknowledged(connection),
            SessionResumed: lambda connection, _: pool.resumed(connection),
            SessionOpened: self._session_opened,
            ResumeRequested: self._resume,
            Verified: self._nobody_asked,
            StreamEnded: self._ended,
            StreamFailed: self._failed,
        }

    # ---- connections

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def apply(self, limits: FederationLimits) -> None:
        """Put other limits in force, for connections to come."""
        self._limits = limits

    def buildProtocol(self, addr: Any) -> Connection | None:
        """Take a connection, unless there are too many."""
        reason = self._guard.admit(addr.host)
        if reason:
            self.log.debug("{address} is turned away: {reason}", address=addr.host, reason=reason)
            return None
        if self._guard.is_crowded and self._strangers:
            self._send_away(next(iter(self._strangers)))
        stream = IncomingStream(
            self._means.keys,
            self._means.hosts,
            STRANGER,
            self._means.limits,
            self._limits.idle_seconds,
            self._new_id,
        )
        return Connection(stream, self, self._clock)

    def _send_away(self, stranger: Connection) -> None:
        """He is no stranger any more to the guard at once: the connection takes a turn to go."""
        self.log.debug("{address} has to go: too many are strangers", address=stranger.address)
        self._no_stranger(stranger)
        stranger.abort()

    def _no_stranger(self, connection: Connection) -> None:
        if connection in self._strangers:
            del self._strangers[connection]
            self._guard.authenticated()

    def _make_known(self, connection: Connection) -> None:
        """Tell a peer from strangers, and make room among its own connections: the quietest may be dead."""
        self._no_stranger(connection)
        domain = connection.stream.remote
        others = [each for each in self._known[domain] if each is not connection]
        if len(others) >= self._limits.connections_per_domain:
            quietest = min(others, key=lambda each: each.heard)
            self._known.discard(domain, quietest)
            quietest.fail("resource-constraint", "too many connections of this domain")
        self._known.add(domain, connection)

    def opened(self, connection: Connection) -> None:
        """Count a connection."""
        self._guard.opened(connection.address)
        self._connections.add(connection)
        self._strangers[connection] = None
        if self._is_held:
            connection.hold(True)

    def tls(self, connection: Connection) -> Any:
        """Show the certificate of the domain that the stream is for, unless the peer names one (SNI)."""
        return self._means.contexts.server(connection.stream.local)

    def secured(self, connection: Connection) -> None:
        """Begin anew under TLS."""
        assert isinstance(connection.stream, IncomingStream)
        connection.stream.tls_started()

    def received(self, connection: Connection, size: int, stanzas: int) -> float:
        """Count what came in; a stranger who sends too much goes."""
        if _stream(connection).is_authenticated:
            return self._arrivals.count(connection, size, stanzas)
        if connection.bytes_received > STRANGERS_BYTES:
            connection.fail("policy-violation", "too much before authentication")
        return 0.0

    def writable(self, connection: Connection) -> None:
        """Hand over what waits for a bidirectional stream."""
        self._pool.writable(connection)

    def closed(self, connection: Connection, reason: str) -> None:
        """A connection is gone; its session waits for the next."""
        self._connections.discard(connection)
        self._guard.closed(connection.address, authenticated=connection not in self._strangers)
        self._strangers.pop(connection, None)
        self._known.discard(connection.stream.remote, connection)
        session = connection.stream.session
        self._pool.release(connection, resumable=True)
        if session is not None:
            self._keep(connection, session)

    # ---- events

    def happened(self, connection: Connection, event: Event) -> None:
        """Deal with an event of a stream."""
        if not self._arrivals.take(connection, event):
            action = self._on.get(type(event))
            if action is not None:
                action(connection, event)

    def _greet(self, connection: Connection, event: Opened) -> None:
        """Look up what the policy is, and what the certificate is worth, before anything is offered."""
        policy = self._means.policies.of(event.remote)
        if event.remote and policy.refused:
            greeting = Greeting(encryption=policy.encryption, problem="", refused="policy-violation")
            return _stream(connection).greet(greeting)
        return self._begin(self._greeted(connection, event.remote, policy.encryption))

    async def _greeted(self, connection: Connection, remote: str, encryption: Encryption) -> None:
        problem = await self._problem(connection, remote)
        if not connection.is_gone and connection.stream.state == "awaiting_greeting":
            _stream(connection).greet(Greeting(encryption=encryption, problem=problem))
            connection.settle()
            connection.hold(self._is_held)

    async def _problem(self, connection: Connection, domain: str) -> str:
        """Tell what is wrong with the peer's certificate, "" if it is good for the domain."""
        if not connection.stream.is_secure:
            return "the stream is not encrypted"
        return await self._means.verifier.problem(peer(connection.transport), domain)

    def _begin(self, judging: Coroutine[Deferred[Any], Any, None]) -> None:
        """Whatever goes wrong while a peer is judged, he is not let in."""
        failed = Deferred.fromCoroutine(judging)
        failed.addErrback(lambda failure: self.log.failure("a peer could not be judged", failure))

    def _dialback(self, connection: Connection, event: DialbackRequested) -> None:
        self._begin(self._answered(connection, event))

    async def _answered(self, connection: Connection, event: DialbackRequested) -> None:
        """The stream may have begun anew meanwhile; then nobody waits for this answer."""
        verdict = await self._verdict(connection, event)
        if not connection.is_gone and connection.stream.id == event.stream_id:
            _stream(connection).answer(event.pair, verdict)
            connection.settle()

    async def _verdict(self, connection: Connection, event: DialbackRequested) -> Verdict:
        """XEP-0220 §2.2.1; a valid certificate saves dialling back (XEP-0344 §2.4)."""
        policy = self._means.policies.of(event.pair.sender)
        if policy.refused or (policy.encryption == "required" and not connection.stream.is_secure):
            return Verdict(False, "policy-violation")
        if not await self._problem(connection, event.pair.sender):
            return VALID
        if policy.authentication == "certificate":
            return Verdict(False, "not-authorized")
        verdict = await self._pool.verify(event.pair, event.stream_id, event.key)
        if verdict.condition in ("item-not-found", "host-unknown"):
            return Verdict(False, "remote-server-not-found")
        return verdict

    def _admitted(self, connection: Connection, event: PairAdmitted) -> None:
        self._make_known(connection)
        self.log.info(
            "{remote} → {local}: admitted by {how} ({address}, {tls})",
            remote=event.pair.sender, local=event.pair.target, how=event.how, address=connection.address,
            tls="TLS" if connection.stream.is_secure else "no TLS",
        )  # fmt: skip

    def _nobody_asked(self, connection: Connection, event: Verified) -> None:
        self.log.warn("{address} answered what it was not asked", address=connection.address)

    def _ended(self, connection: Connection, _: StreamEnded) -> None:
        """XEP-0198 §5: a stream that was closed properly is not resumed."""
        self._end_session(connection)

    def _end_session(self, connection: Connection) -> None:
        session = connection.stream.session
        self._pool.release(connection, resumable=False)
        if session is not None:
            self._keep(connection, session)
            session.id = ""

    def _keep(self, connection: Connection, session: Session) -> None:
        if session.id in self._sessions:
            kept = Resumable(session, connection.stream.remote, None, self._clock.seconds())
            self._sessions[session.id] = kept

    def _failed(self, connection: Connection, event: StreamFailed) -> None:
        self.log.info(
            "{address} ({remote}): the stream ended: {condition} {text}",
            address=connection.address, remote=connection.stream.remote or "unknown",
            condition=event.condition, text=event.text,
        )  # fmt: skip
        if event.condition:
            self._end_session(connection)

    # ---- sessions

    def _session_opened(self, connection: Connection, event: SessionOpened) -> None:
        self._sessions[event.session.id] = Resumable(event.session, connection.stream.remote, connection)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)

    def _resume(self, connection: Connection, event: ResumeRequested) -> None:
        """XEP-0198 §5: only whose session it is may go on with it, once its former stream is gone."""
        kept, stream = self._sessions.get(event.id), _stream(connection)
        if kept is None or kept.remote != stream.remote:
            return stream.refuse_resume(None)
        if not kept.session.id:
            return stream.refuse_resume(kept.session)
        if kept.connection is not None:
            self._pool.release(kept.connection, resumable=True)
        if stream.resume(kept.session, event.handled):
            self._sessions[event.id] = Resumable(kept.session, kept.remote, connection)
        else:
            kept.session.id = ""
            self._pool.lose_session(kept.session)
        if kept.connection is not None:
            kept.connection.fail("conflict")
        return None

    # ---- time

    def watch(self) -> None:
        """End what takes too long or is not used; called every second or so."""
        now = self._clock.seconds()
        for connection in list(self._connections):
            connection.guarded(self._watch, connection, now)
        over = now - SESSION_SECONDS
        expired = [id for id, kept in self._sessions.items() if kept.connection is None and kept.lost < over]
        for ident in expired:
            del self._sessions[ident]

    def _watch(self, connection: Connection, now: float) -> None:
        if connection.closing is not None:
            if now - connection.closing > CLOSE_TIMEOUT:
                connection.abort()
        elif not _stream(connection).is_authenticated:
            if now - connection.since > self._limits.unauthenticated_seconds:
                connection.fail("connection-timeout")
        elif now - connection.active > self._limits.idle_seconds:
            connection.close()
        else:
            look_after(connection, now)

    def hold(self, is_held: bool) -> None:
        """Read nothing more from anybody for now, or again."""
        self._is_held = is_held
        for connection in self._connections:
            connection.hold(is_held)

    def review(self) -> None:
        """End the streams that a new configuration does not allow."""
        for connection in list(self._connections):
            connection.guarded(review, connection, self._means, _stream(connection).is_authenticated)

    def stop(self) -> None:
        """Close all streams."""
        for connection in list(self._connections):
            connection.close()

    def abort(self) -> None:
        """Cut what is left."""
        for connection in list(self._connections):
            connection.abort()


def _stream(connection: Connection) -> IncomingStream:
    assert isinstance(connection.stream, IncomingStream)
    return connection.stream
