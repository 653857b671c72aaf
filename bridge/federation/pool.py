"""The streams to other servers, and what waits for them.

Each domain pair has a lane. Its carrier is any connection on which the peer takes the pair: one that
we dialled for it, one dialled for another pair on which it was asked for as well (XEP-0220 §2.6), or
one that the peer opened for both directions (XEP-0288).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.config import FederationLimits
from bridge.errors import BridgeError, Trouble
from bridge.federation.arrivals import Arrivals
from bridge.federation.connection import CLOSE_TIMEOUT, Connection
from bridge.federation.dial import Dial, Means
from bridge.federation.lane import Bounce, Lane, is_full
from bridge.federation.questions import Question, Questions
from bridge.federation.resolver import Target
from bridge.federation.tls import peer
from bridge.xmpp.dialback import Pair, Verdict
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.split import split_stanzas
from bridge.xmpp.stream_events import (
    Acknowledged,
    Event,
    PairOpened,
    PairRefused,
    Ready,
    SessionLost,
    StreamEnded,
    StreamFailed,
    Verified,
)
from bridge.xmpp.stream_management import Session

LANES = 50_000
"""Domain pairs that may have something waiting, or a stream."""
DIALS = 500
"""Servers that may be dialled at once."""
RESERVED = 250
"""How many of these are kept for stanzas of ours: strangers, too, can have us dial to ask about a key."""
PATIENCE = 30.0
"""Seconds for which a server whose connection was lost is dialled again before its stanzas come back."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 8.0
"""Seconds between such attempts, doubled each time."""
REFUSAL = 5.0
"""Seconds for which a server that could not be reached is not dialled again."""
REFUSALS = 10_000
"""How many such servers are remembered."""
ANSWER_TIMEOUT = 60.0
"""Seconds a peer has to say whether it takes a pair."""
QUIET = 60.0
"""Seconds of silence on a stream before a sign of life is sent."""
SILENCE = 150.0
"""Seconds of silence after which a stream whose peer acknowledges counts as dead."""
UNUSED = 30.0
"""Seconds after which a stream that nothing was sent on is closed."""


class Pool:
    """See the module's docstring; implements `connection.Owner` for the connections that we dial."""

    log = Logger()

    def __init__(
        self,
        means: Means,
        arrivals: Arrivals,
        bounce: Bounce,
        limits: FederationLimits,
        clock: IReactorTime,
    ) -> None:
        self._means = means
        self._arrivals = arrivals
        self._bounce = bounce
        self._limits = limits
        self._clock = clock
        self._lanes: dict[Pair, Lane] = {}
        self._carriers: dict[Pair, Connection] = {}
        """On which connection a pair may be sent."""
        self._pairs: dict[Connection, set[Pair]] = {}
        """The pairs that are, or are asked to be, carried by a connection."""
        self._connections: dict[str, list[Connection]] = {}
        """The dialled connections whose streams are ready, by the peer's domain."""
        self._dials: dict[Pair, Dial] = {}
        self._dialled: dict[Connection, Dial] = {}
        self._questions = Questions(clock)
        self._sessions: dict[Pair, Session] = {}
        """Sessions of lost connections, to be gone on with."""
        self._refused: OrderedDict[Pair, tuple[float, BridgeError]] = OrderedDict()
        self._unsuitable: set[Pair] = set()
        """Pairs that were refused on a shared connection, and get one of their own."""
        self._without_certificate: OrderedDict[str, None] = OrderedDict()
        """Servers that ended the stream when our certificate came."""
        self._is_held = False
        self._on: dict[type, Callable[[Connection, Any], None]] = {
            Ready: self._ready,
            PairOpened: lambda connection, event: self.adopt(event.pair, connection),
            PairRefused: self._pair_refused,
            Verified: self._questions.answered,
            Acknowledged: lambda connection, _: self.writable(connection),
            SessionLost: lambda _, event: self._put_back(event.session),
            StreamEnded: self._ended,
            StreamFailed: self._stream_failed,
        }

    # ---- stanzas

    @property
    def connections(self) -> list[Connection]:
        """The connections that we dialled and whose streams are ready."""
        return [each for same in self._connections.values() for each in same]

    @property
    def count(self) -> int:
        """How many connections there are, ready or not."""
        return len(self._dialled)

    def apply(self, limits: FederationLimits) -> None:
        """Put other limits in force."""
        self._limits = limits

    def send(self, local: str, domain: str, stanzas: bytes) -> None:
        """Send whole stanzas of our domain `local` to `domain`; what cannot be delivered is answered."""
        lane = self._lane(Pair(local, domain))
        if isinstance(lane, BridgeError):
            for stanza in split_stanzas(stanzas):
                self._bounce(stanza, lane)
            return
        carrier = lane.carrier
        for stanza in split_stanzas(stanzas):
            if carrier is None or lane or is_full(carrier, self._limits.backlog_bytes):
                lane.add(stanza)
            else:
                lane.send(carrier, stanza)
        if carrier is None:
            self._seek(lane)
        else:
            self._sent(carrier)

    def _lane(self, pair: Pair) -> Lane | BridgeError:
        lane = self._lanes.get(pair)
        if lane is not None:
            return lane
        refused = self._refused.get(pair)
        if refused is not None and refused[0] > self._clock.seconds():
            return refused[1]
        if len(self._lanes) >= LANES:
            return BridgeError(Trouble.OVERLOADED)
        lane = self._lanes[pair] = Lane(pair, self._limits.queue_bytes, self._bounce)
        return lane

    def _sent(self, carrier: Connection) -> None:
        carrier.active = self._clock.seconds()
        carrier.stream.request_acknowledgement()
        carrier.flush()

    def writable(self, connection: Connection) -> None:
        """Hand a connection what waits for it."""
        for pair in tuple(self._pairs.get(connection, ())):
            lane = self._lanes.get(pair)
            if lane is not None and lane.carrier is connection:
                lane.drain(self._limits.backlog_bytes)
        self._sent(connection)

    # ---- finding a carrier

    def _seek(self, lane: Lane) -> None:
        """Find a connection for a lane that has none, or make one."""
        pair = lane.pair
        carrier = self._carriers.get(pair)
        if carrier is not None:
            return self._carry(lane, carrier)
        if pair in self._dials or self._is_requested(pair):
            return None
        for connection in self._connections.get(pair.target, ()):
            if self._request(pair, connection):
                return None
        return self._dial(pair)

    def _is_requested(self, pair: Pair) -> bool:
        return any(
            pair in self._pairs.get(connection, ()) for connection in self._connections.get(pair.target, ())
        )

    def _request(self, pair: Pair, connection: Connection) -> bool:
        """Ask for the pair on a connection that is there, if it may be asked for."""
        stream = connection.stream
        assert isinstance(stream, OutgoingStream)
        if stream.state != "ready" or pair in self._unsuitable:
            return False
        if stream.pair == pair:
            self._pairs[connection].add(pair)
            stream.authenticate()
        elif stream.has_dialback and stream.may_send(stream.pair) and stream.request_pair(pair):
            self._pairs[connection].add(pair)
        else:
            return False
        connection.since = self._clock.seconds()
        connection.flush()
        return True

    def adopt(self, pair: Pair, connection: Connection) -> None:
        """Use a connection for a pair that its peer takes."""
        self._carriers[pair] = connection
        self._pairs.setdefault(connection, set()).add(pair)
        self._refused.pop(pair, None)
        self._unsuitable.discard(pair)
        session = self._sessions.pop(pair, None)
        if session is not None and connection.stream.session is not session:
            self._put_back(session)
        lane = self._lanes.get(pair)
        if lane is not None:
            self._carry(lane, connection)

    def _carry(self, lane: Lane, carrier: Connection) -> None:
        lane.carrier = carrier
        lane.patience = 0.0
        lane.drain(self._limits.backlog_bytes)
        self._sent(carrier)

    def _pair_refused(self, connection: Connection, event: PairRefused) -> None:
        pair, stream = event.pair, connection.stream
        self._pairs.get(connection, set()).discard(pair)
        if isinstance(stream, OutgoingStream) and stream.pair != pair:
            self._unsuitable.add(pair)
            lane = self._lanes.get(pair)
            return None if lane is None else self._seek(lane)
        trouble = Trouble.REMOTE_NOT_FOUND if event.condition == "item-not-found" else Trouble.REMOTE_TIMEOUT
        return self._refuse(pair, BridgeError(trouble, f"That server refuses the link ({event.condition})."))

    # ---- dialling

    def _dial(self, pair: Pair) -> None:
        if len(self._dials) >= DIALS:
            return self._refuse(pair, BridgeError(Trouble.OVERLOADED))
        dial = self._dials[pair] = Dial(
            pair,
            self._means,
            self,
            lambda target: self._share(pair, target),
            external=pair.target not in self._without_certificate,
            session=self._sessions.get(pair),
        )
        dial.run().addCallbacks(self._reached, self._unreached, (pair,), {}, (pair,))
        return None

    def _share(self, pair: Pair, target: Target) -> bool:
        """XEP-0220 §2.6.2: one stream for several domains of a server, if it says that it can."""
        policy = self._means.policies.of(pair.target)
        if policy.authentication == "certificate" or self._questions.wait_for(pair):
            return False
        for connection, dial in self._dialled.items():
            stream = connection.stream
            if policy.encryption == "required" and not stream.is_secure:
                continue
            if dial.target == target and isinstance(stream, OutgoingStream) and stream.has_dialback_errors:
                return self._request(pair, connection)
        return False

    def _reached(self, connection: Connection | None, pair: Pair) -> None:
        """The dialled stream is ready: ask what waits to be asked, and for the pair if it is wanted."""
        self._dials.pop(pair, None)
        if connection is None:
            return self._questions.refuse(pair, "remote-server-timeout")
        self._questions.ask_waiting(pair, connection)
        lane = self._lanes.get(pair)
        if (lane or pair in self._sessions) and not self._request(pair, connection):
            self._refuse(pair, BridgeError(Trouble.REMOTE_TIMEOUT))
        connection.settle()
        return None

    def _unreached(self, failure: Failure, pair: Pair) -> None:
        self._dials.pop(pair, None)
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("dialling {remote} failed", failure, remote=pair.target)
            error = BridgeError(Trouble.REMOTE_TIMEOUT)
        not_found = error.trouble is Trouble.REMOTE_NOT_FOUND
        self._questions.refuse(pair, "remote-server-not-found" if not_found else "remote-connection-failed")
        self._refuse(pair, error)

    def _refuse(self, pair: Pair, error: BridgeError) -> None:
        """A pair has no stream: try again while a lost one may come back, else answer what waits."""
        lane = self._lanes.get(pair)
        if lane is None:
            return
        now = self._clock.seconds()
        if now < lane.patience:
            lane.delay = min(LONGEST_DELAY, lane.delay * 2)
            self._clock.callLater(lane.delay, self._try_again, pair)
            return
        session = self._sessions.pop(pair, None)
        if session is not None:
            self._put_back(session)
        self._lanes.pop(pair, None)
        self._unsuitable.discard(pair)
        self._refused[pair] = (now + REFUSAL, error)
        if len(self._refused) > REFUSALS:
            self._refused.popitem(last=False)
        self.log.info(
            "{local} → {remote}: given up: {error}", local=pair.sender, remote=pair.target, error=error.text
        )
        lane.give_up(error)

    def _try_again(self, pair: Pair) -> None:
        lane = self._lanes.get(pair)
        if lane is not None and lane.carrier is None:
            self._seek(lane)

    # ---- questions about others' keys

    def verify(self, pair: Pair, stream_id: str, key: str) -> Deferred[Verdict]:
        """Ask the authority of `pair.sender` about a key; `pair.target` is ours (XEP-0220 §2.1.2)."""
        question = Question(pair, stream_id, key)
        answer = self._questions.add(question)
        for connection in self._connections.get(pair.sender, ()):
            if self._questions.ask(connection, question):
                connection.flush()
                return answer
        self._questions.wait(question)
        if pair.inverse not in self._dials and len(self._dials) < DIALS - RESERVED:
            self._dial(pair.inverse)
        if pair.inverse not in self._dials:
            self._questions.refuse(pair.inverse, "resource-constraint")
        return answer

    # ---- the life of a connection (`connection.Owner`)

    def opened(self, connection: Connection) -> None:
        """A target was connected to."""
        stream = connection.stream
        assert isinstance(stream, OutgoingStream)
        dial = self._dials[stream.pair]
        dial.connected(connection)
        self._dialled[connection] = dial
        self._pairs[connection] = set()
        if dial.target is not None and dial.target.direct_tls:
            connection.start_tls()
        else:
            stream.start()

    def tls(self, connection: Connection) -> Any:
        """Show the local domain's certificate, and name the server that is wanted."""
        target = self._dialled[connection].target
        direct = target is not None and target.direct_tls
        stream = connection.stream
        return self._means.contexts.client(stream.local, stream.remote, direct=direct)

    def secured(self, connection: Connection) -> None:
        """Judge the peer's certificate, then go on."""
        dial, remote = self._dialled[connection], connection.stream.remote
        host = "" if dial.target is None else dial.target.host
        judged = self._means.verifier.problem(peer(connection.transport), remote, dial.tlsa, host)
        judged.addCallback(self._judged, connection)

    def _judged(self, problem: str, connection: Connection) -> None:
        stream = connection.stream
        assert isinstance(stream, OutgoingStream)
        if connection.is_gone:
            return
        fresh = stream.state == "idle"
        stream.tls_started(problem)
        if fresh:
            stream.start()
        connection.settle()

    def happened(self, connection: Connection, event: Event) -> None:
        """Deal with an event of a stream."""
        if not self._arrivals.take(connection, event):
            action = self._on.get(type(event))
            if action is not None:
                action(connection, event)

    def _ready(self, connection: Connection, _: Ready) -> None:
        self._connections.setdefault(connection.stream.remote, []).append(connection)
        connection.hold(self._is_held)
        self._dialled[connection].ready(connection)

    def received(self, connection: Connection, size: int, stanzas: int) -> float:
        """Count what came in."""
        return self._arrivals.count(connection, size, stanzas)

    def _ended(self, connection: Connection, _: StreamEnded) -> None:
        """XEP-0198 §5: a stream that was closed properly is not resumed."""
        session = connection.stream.session
        if session is not None:
            session.id = ""
        self._release(connection)

    def _stream_failed(self, connection: Connection, event: StreamFailed) -> None:
        stream = connection.stream
        self.log.info(
            "{local} → {remote}: the stream ended: {condition} {text}",
            local=stream.local, remote=stream.remote, condition=event.condition, text=event.text,
        )  # fmt: skip
        dial = self._dialled.get(connection)
        if dial is not None:
            dial.lost(connection, f"{event.condition} {event.text}".strip())
        self._release(connection)

    def closed(self, connection: Connection, reason: str) -> None:
        """A connection is gone."""
        dial = self._dialled.pop(connection, None)
        if dial is not None:
            dial.lost(connection, reason)
        self._release(connection)

    def release(self, connection: Connection) -> None:
        """Use a connection no more; what it did not deliver looks for another way."""
        self._release(connection)

    def _release(self, connection: Connection) -> None:
        stream = connection.stream
        same = self._connections.get(stream.remote, [])
        if connection in same:
            same.remove(connection)
            if not same:
                del self._connections[stream.remote]
        self._questions.lost(connection)
        pairs = self._pairs.pop(connection, set())
        carried = {pair for pair in pairs if self._carriers.get(pair) is connection}
        for pair in carried:
            del self._carriers[pair]
        self._keep_session(connection)
        for pair in pairs:
            self._abandoned(pair, connection, pair in carried)

    def _keep_session(self, connection: Connection) -> None:
        stream, session = connection.stream, connection.stream.session
        if session is None:
            return
        stream.session = None
        if not isinstance(stream, OutgoingStream) or not session.id:
            return self._put_back(session)
        if len(session.outbox) or stream.is_bidirectional:
            self._lane(stream.pair)
            self._sessions[stream.pair] = session
        return None

    def _put_back(self, session: Session) -> None:
        """Let what the peer did not acknowledge go by another stream, before anything else."""
        for lane, stanza in reversed(session.outbox.take()):
            if isinstance(lane, Lane):
                current = self._lanes.setdefault(lane.pair, lane)
                current.put_back(stanza)

    def _abandoned(self, pair: Pair, connection: Connection, was_carried: bool) -> None:
        """A pair has lost its connection, or the one that it was asked for on."""
        lane = self._lanes.get(pair)
        if lane is None:
            return
        lane.carrier = None
        if not lane and pair not in self._sessions:
            del self._lanes[pair]
            return
        stream = connection.stream
        if was_carried:
            lane.patience = self._clock.seconds() + PATIENCE
            lane.delay = FIRST_DELAY
            self._seek(lane)
        elif self._may_do_without_certificate(stream):
            self._without_certificate[pair.target] = None
            if len(self._without_certificate) > REFUSALS:
                self._without_certificate.popitem(last=False)
            self._seek(lane)
        else:
            self._refuse(pair, BridgeError(Trouble.REMOTE_TIMEOUT))

    def _may_do_without_certificate(self, stream: Any) -> bool:
        """COMPAT ejabberd: some certificates make it drop the stream in mid-EXTERNAL; dialback is left."""
        return (
            isinstance(stream, OutgoingStream)
            and stream.tried_external
            and stream.remote not in self._without_certificate
        )

    # ---- time

    def watch(self) -> None:
        """End what takes too long or is not used; called every second or so."""
        now = self._clock.seconds()
        for connection in list(self._dialled):
            self._watch(connection, now)

    def _watch(self, connection: Connection, now: float) -> None:
        stream = connection.stream
        if connection.closing is not None:
            if now - connection.closing > CLOSE_TIMEOUT:
                connection.abort()
        elif stream.state == "ready":
            self._questions.expire(connection)
            pairs = self._pairs.get(connection, set())
            carries = any(self._carriers.get(pair) is connection for pair in pairs)
            if not carries and pairs and now - connection.since > ANSWER_TIMEOUT:
                connection.fail("connection-timeout")
            elif now - connection.active > (self._limits.idle_seconds if carries else UNUSED):
                if not self._questions.asked(connection):
                    self._retire(connection)
            else:
                look_after(connection, now)

    def _retire(self, connection: Connection) -> None:
        self._release(connection)
        connection.close()

    def hold(self, is_held: bool) -> None:
        """Read nothing more from anybody for now, or again."""
        self._is_held = is_held
        for connection in self.connections:
            connection.hold(is_held)

    def stop(self) -> None:
        """Close all streams."""
        for connection in list(self._dialled):
            connection.close()


def look_after(connection: Connection, now: float) -> None:
    """Keep a connection alive, and find a dead one (RFC 6120 §4.6)."""
    silence = now - connection.heard
    if connection.stream.awaits_acknowledgement and silence > SILENCE:
        connection.abort()
    elif silence > QUIET and now - connection.poked > QUIET:
        connection.poked = now
        connection.stream.probe()
        connection.flush()
