"""The streams to other servers, and what waits for them.

Each domain pair has a lane. Its carrier is any connection on which the peer takes the pair: one that
we dialled for it, one dialled for another pair on which it was asked for as well (XEP-0220 §2.6), or
one that the peer opened for both directions (XEP-0288).

A lane in which something waits has a carrier, or waits for a dial, a peer's decision, the clock (`retry`)
or sessions of lost streams (`Suspensions`); whichever of these ends calls `_seek`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from bridge.config import FederationLimits
from bridge.errors import BridgeError, Trouble
from bridge.federation.arrivals import Arrivals
from bridge.federation.carriers import Carriers
from bridge.federation.connection import CLOSE_TIMEOUT, Connection
from bridge.federation.dial import Dial, Means
from bridge.federation.dialler import Dialler, stream_of
from bridge.federation.lane import Bounce, Lane, is_full
from bridge.federation.patience import PATIENCE, pause
from bridge.federation.questions import Question, Questions
from bridge.federation.refusals import Refusals
from bridge.federation.resolver import Target
from bridge.federation.suspensions import LOST, Suspensions
from bridge.federation.upkeep import look_after, review
from bridge.xmpp.dialback import Pair, Verdict
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.split import split_stanzas
from bridge.xmpp.stream_events import (
    Acknowledged,
    Event,
    PairOpened,
    PairRefused,
    SessionLost,
    SessionResumed,
    StreamEnded,
    Verified,
)
from bridge.xmpp.stream_management import Session

LANES = 50_000
"""Domain pairs that may have something waiting, or a stream."""
DIALS = 500
"""Servers that may be dialled at once."""
RESERVED = 250
"""How many of these are kept for stanzas of ours: strangers, too, can have us dial to ask about a key."""
ANSWER_TIMEOUT = 30.0
"""Seconds a peer has to say whether it takes a pair."""
UNUSED = 30.0
"""Seconds after which a stream that nothing was sent on is closed."""
QUESTIONS = 5_000
"""Keys of others' that may be asked about at once."""


class Pool:
    """See the module's docstring; implements `dialler.Client`."""

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
        self._carriers = Carriers()
        self._dialler = Dialler(means, arrivals, self)
        self._questions = Questions(clock)
        self._suspensions = Suspensions(self._lane_of, self._dial_again, self._session_over, clock)
        self._refusals = Refusals()
        self._is_stopped = False
        self._on: dict[type, Callable[[Connection, Any], None]] = {
            PairOpened: lambda connection, event: self.adopt(event.pair, connection),
            PairRefused: self._pair_refused,
            Verified: self._questions.answered,
            Acknowledged: lambda connection, _: self.acknowledged(connection),
            SessionResumed: lambda connection, _: self.resumed(connection),
            SessionLost: lambda _, event: self.lose_session(event.session),
            StreamEnded: lambda connection, _: self.release(connection, resumable=False),
        }

    # ---- stanzas

    @property
    def connections(self) -> list[Connection]:
        """The connections that we dialled and whose streams are ready."""
        return self._dialler.ready_for.all()

    @property
    def count(self) -> int:
        """How many connections there are, ready or not."""
        return len(self._dialler.connections)

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
        refused = self._refusals.of(pair, self._clock.seconds())
        if refused is not None:
            return refused
        if len(self._lanes) >= LANES:
            return BridgeError(Trouble.OVERLOADED)
        return self._lane_of(pair)

    def _lane_of(self, pair: Pair) -> Lane:
        lane = self._lanes.get(pair)
        if lane is None:
            lane = self._lanes[pair] = Lane(pair, self._limits.queue_bytes, self._bounce)
        return lane

    def _sent(self, carrier: Connection) -> None:
        carrier.active = self._clock.seconds()
        carrier.stream.request_acknowledgement()
        carrier.flush()

    def acknowledged(self, connection: Connection) -> None:
        """The peer has taken more: go on, and begin counting its failures anew if it has taken all."""
        connection.answered = self._clock.seconds()
        session = connection.stream.session
        if session is not None and not len(session.outbox):
            for lane in self._lanes_of(connection):
                lane.trouble = None
        self.writable(connection)

    def writable(self, connection: Connection) -> None:
        """Hand a connection what waits for it; that an acknowledgement came is no use of it."""
        lanes = [lane for lane in self._lanes_of(connection) if lane]
        for lane in lanes:
            lane.drain(self._limits.backlog_bytes)
        if lanes:
            connection.active = self._clock.seconds()
        connection.stream.request_acknowledgement()
        connection.flush()

    def _lanes_of(self, connection: Connection) -> list[Lane]:
        lanes = map(self._lanes.get, self._carriers.pairs(connection))
        return [lane for lane in lanes if lane is not None and lane.carrier is connection]

    # ---- finding a carrier

    def _seek(self, lane: Lane) -> None:
        """Find a connection for a lane that has none, or make one; without need, forget the lane."""
        pair, carrier = lane.pair, self._carriers.of(lane.pair)
        if lane.awaited:
            return None
        if carrier is not None:
            return None if lane.carrier is carrier else self._carry(lane, carrier)
        if not lane:
            return self._forget(lane)
        if lane.retry is not None or pair in self._dialler.dials or self._is_sought(pair):
            return None
        if self._is_stopped:
            return self._give_up(lane, LOST)
        if any(self._request(pair, connection) for connection in self._dialler.ready_for[pair.target]):
            return None
        return self._dial(pair)

    def _is_sought(self, pair: Pair) -> bool:
        """Tell whether a connection may carry a pair soon."""
        return self._carriers.is_asked(pair) or self._suspensions.are_dialled_for(pair)

    def _request(self, pair: Pair, connection: Connection) -> bool:
        """Ask for the pair on a connection that is there, if it may be asked for."""
        stream = stream_of(connection)
        if stream.state != "ready":
            return False
        if stream.pair == pair:
            stream.authenticate()
        elif not self._may_share(pair, stream) or not stream.request_pair(pair):
            return False
        self._carriers.ask(pair, connection, self._clock.seconds())
        connection.settle()
        return True

    def _may_share(self, pair: Pair, stream: OutgoingStream) -> bool:
        lane = self._lanes.get(pair)
        is_refused = lane is not None and lane.is_refused
        return stream.has_dialback and stream.may_send(stream.pair) and not is_refused

    def adopt(self, pair: Pair, connection: Connection) -> None:
        """Use a connection for a pair that its peer takes, if none is used yet."""
        self._carriers.take(pair, connection)
        self._refusals.discard(pair)
        lane = self._lanes.get(pair)
        if lane is not None:
            self._seek(lane)

    def _carry(self, lane: Lane, carrier: Connection) -> None:
        lane.stop_retrying()
        lane.carrier = carrier
        lane.since = self._clock.seconds()
        lane.is_refused = False
        lane.drain(self._limits.backlog_bytes)
        self._sent(carrier)

    def _pair_refused(self, connection: Connection, event: PairRefused) -> None:
        if not self._carriers.refuse(event.pair, connection):
            return
        stream = stream_of(connection)
        if event.pair != stream.pair:
            return self._go_alone(event.pair)
        trouble = Trouble.REMOTE_NOT_FOUND if event.condition == "item-not-found" else Trouble.REMOTE_TIMEOUT
        error = BridgeError(trouble, f"That server refuses the link ({event.condition}).")
        if stream.former is None:
            return self._refuse(event.pair, error)
        self._suspensions.retry(stream.former, error)
        return connection.close()

    def _go_alone(self, pair: Pair) -> None:
        """A pair was not taken on another's connection; it gets one of its own."""
        lane = self._lanes.get(pair)
        if lane is not None:
            lane.is_refused = True
            self._seek(lane)

    # ---- dialling

    def _dial(self, pair: Pair) -> None:
        if len(self._dialler.dials) >= DIALS:
            return self._refuse(pair, BridgeError(Trouble.OVERLOADED))
        return self._dialler.dial(pair)

    def _dial_again(self, pair: Pair, session: Session) -> bool:
        """Dial to go on with a session, if there is room for that."""
        has_room = len(self._dialler.dials) < DIALS
        if has_room:
            self._dialler.dial(pair, session)
        return has_room

    def share(self, pair: Pair, target: Target) -> bool:
        """XEP-0220 §2.6.2: use one stream for several domains of a server, if it says that it can."""
        policy, lane = self._means.policies.of(pair.target), self._lanes.get(pair)
        if policy.authentication == "certificate" or self._questions.wait_for(pair):
            return False
        if lane is None or self._is_sought(pair):
            return False
        for connection in self._dialler.ready_at[target]:
            stream = stream_of(connection)
            if policy.encryption == "required" and not stream.is_secure:
                continue
            if stream.has_dialback_errors:
                return self._request(pair, connection)
        return False

    def reached(self, dial: Dial, connection: Connection | None) -> None:
        """The dialled stream is ready: ask what waits to be asked, and for the pair if it is wanted."""
        pair = dial.pair
        if connection is None:
            return self._questions.refuse(pair, "remote-server-timeout")
        self._questions.ask_waiting(pair, connection)
        connection.flush()
        is_wanted = dial.session is not None or self._wants(pair)
        if is_wanted and not self._request(pair, connection):
            self._failed(dial, LOST)
        return None

    def _wants(self, pair: Pair) -> bool:
        lane = self._lanes.get(pair)
        is_served = lane is None or lane.awaited or lane.carrier is not None or self._is_sought(pair)
        return bool(lane) and not is_served

    def unreached(self, dial: Dial, error: BridgeError) -> None:
        """There is no stream: neither for what waits to be asked nor for the pair."""
        if dial.session is None:
            not_found = error.trouble is Trouble.REMOTE_NOT_FOUND
            condition = "remote-server-not-found" if not_found else "remote-connection-failed"
            self._questions.refuse(dial.pair, condition)
        self._failed(dial, error)

    def _failed(self, dial: Dial, error: BridgeError) -> None:
        if dial.session is None:
            self._refuse(dial.pair, error)
        else:
            self._suspensions.retry(dial.session, error)

    def _refuse(self, pair: Pair, error: BridgeError) -> None:
        """A pair has no stream: try again while a lost one may come back, else answer what waits."""
        lane = self._lanes.get(pair)
        if lane is None or lane.awaited or self._carriers.of(pair) is not None:
            return
        may_pass = not self._is_stopped and error.trouble is not Trouble.NOT_ALLOWED
        trouble = PATIENCE if lane.trouble is None else self._clock.seconds() - lane.trouble
        if not may_pass or trouble >= PATIENCE:
            self._give_up(lane, error)
        elif lane.retry is None:
            lane.retry = self._clock.callLater(pause(trouble), self._try_again, lane)

    def _try_again(self, lane: Lane) -> None:
        lane.retry = None
        self._seek(lane)

    def _give_up(self, lane: Lane, error: BridgeError) -> None:
        """Answer what waits: no connection carries it, and none is sought any more."""
        self.log.info(
            "{local} → {remote}: given up: {error}",
            local=lane.pair.sender, remote=lane.pair.target, error=error.text,
        )  # fmt: skip
        lane.trouble = None
        self._refusals.add(lane.pair, error, self._clock.seconds())
        self._dialler.given_up(lane.pair.target)
        self._forget(lane)
        lane.give_up(error)

    def _forget(self, lane: Lane) -> None:
        lane.stop_retrying()
        if self._lanes.get(lane.pair) is lane:
            del self._lanes[lane.pair]

    # ---- questions about others' keys

    def verify(self, pair: Pair, stream_id: str, key: str) -> Deferred[Verdict]:
        """Ask the authority of `pair.sender` about a key; `pair.target` is ours (XEP-0220 §2.1.2)."""
        if len(self._questions) >= QUESTIONS or self._is_stopped:
            return succeed(Verdict(False, "resource-constraint"))
        question = Question(pair, stream_id, key)
        answer = self._questions.add(question)
        for connection in self._dialler.ready_for[pair.sender]:
            if self._questions.ask(connection, question):
                connection.flush()
                return answer
        self._questions.wait(question)
        if pair.inverse not in self._dialler.dials and len(self._dialler.dials) < DIALS - RESERVED:
            self._dial(pair.inverse)
        if pair.inverse not in self._dialler.dials:
            self._questions.refuse(pair.inverse, "resource-constraint")
        return answer

    def happened(self, connection: Connection, event: Event) -> None:
        """Deal with an event of a stream that we dialled."""
        action = self._on.get(type(event))
        if action is not None:
            action(connection, event)

    # ---- lost connections, and their sessions

    def release(self, connection: Connection, *, resumable: bool) -> None:
        """Use a connection no more; what it did not deliver waits for its session, or goes another way."""
        self._dialler.unlist(connection)
        self._questions.lost(connection)
        carried, asked = self._carriers.lose(connection)
        lanes = {lane for pair in carried if (lane := self._lanes.get(pair)) is not None}
        session, connection.stream.session = connection.stream.session, None
        if session is not None:
            goes_on = resumable and session.id and not self._is_stopped
            lanes |= self._suspend(session, connection) if goes_on else self._suspensions.put_back(session)
        for lane in lanes:
            self._go_on(lane, connection)
        for pair in asked:
            self._undecided(pair, connection)

    def _suspend(self, session: Session, connection: Connection) -> set[Lane]:
        """Wait for a session if one of the two may have something in it; returns the lanes concerned."""
        stream = connection.stream
        if not len(session.outbox) and not stream.is_bidirectional:
            return set()
        pair = stream.pair if isinstance(stream, OutgoingStream) else None
        return self._suspensions.begin(session, pair, connection.since)

    def resumed(self, connection: Connection) -> None:
        """The session of a lost stream goes on, on this connection."""
        session = connection.stream.session
        if session is not None:
            for lane in self._suspensions.end(session):
                if lane.carrier is None:
                    self._carriers.prefer(lane.pair, connection)
                self._seek(lane)

    def lose_session(self, session: Session) -> None:
        """Nobody will go on with it; its lanes do."""
        for lane in self._suspensions.put_back(session):
            self._seek(lane)

    def _session_over(self, session: Session, pair: Pair | None, error: BridgeError) -> None:
        """It was waited for in vain, by dialling for a pair if there is one: its server cannot be reached."""
        for lane in self._suspensions.put_back(session):
            if lane and lane.pair == pair:
                self._refuse(pair, error)
            self._seek(lane)

    def _go_on(self, lane: Lane, lost: Connection) -> None:
        """A lane's carrier was lost: look for another at once, unless that is where we have just been."""
        now = self._clock.seconds()
        if lane.carrier is lost:
            lane.carrier = None
        if lane.trouble is None or now - lane.since > PATIENCE:
            lane.trouble = now
        else:
            self._refuse(lane.pair, LOST)
        self._seek(lane)

    def _undecided(self, pair: Pair, connection: Connection) -> None:
        """The connection on which a pair was asked for is lost."""
        stream = stream_of(connection)
        if pair != stream.pair:
            return self._seek_for(pair)
        goes_bare = self._dialler.may_go_bare(stream)
        if stream.former is not None:
            return self._suspensions.retry(stream.former, LOST)
        return self._seek_for(pair) if goes_bare else self._refuse(pair, LOST)

    def _seek_for(self, pair: Pair) -> None:
        lane = self._lanes.get(pair)
        if lane is not None:
            self._seek(lane)

    # ---- time

    def watch(self) -> None:
        """End what takes too long or is not used; called every second or so."""
        now = self._clock.seconds()
        for connection in self._dialler.connections:
            connection.guarded(self._watch, connection, now)

    def _watch(self, connection: Connection, now: float) -> None:
        if connection.closing is not None:
            if now - connection.closing > CLOSE_TIMEOUT:
                connection.abort()
            return
        self._questions.expire(connection)
        for pair in self._carriers.late(connection, now - ANSWER_TIMEOUT):
            if pair == stream_of(connection).pair:
                return connection.fail("connection-timeout")
            self._carriers.refuse(pair, connection)
            self._go_alone(pair)
        limit = self._limits.idle_seconds if self._carriers.carries(connection) else UNUSED
        if now - connection.active <= limit:
            look_after(connection, now)
        elif not self._questions.asked(connection) and not self._carriers.late(connection, now):
            connection.close()

    def review(self) -> None:
        """End the streams that a new configuration does not allow."""
        for connection in self._dialler.connections:
            connection.guarded(review, connection, self._means, connection.stream.state == "ready")

    def hold(self, is_held: bool) -> None:
        """Read nothing more from anybody for now, or again."""
        self._dialler.hold(is_held)

    def stop(self) -> None:
        """Close all streams, and dial no more; what waits is answered."""
        self._is_stopped = True
        self._dialler.stop()
        for session in self._suspensions.sessions():
            self.lose_session(session)
        for lane in list(self._lanes.values()):
            if lane.carrier is None:
                self._give_up(lane, LOST)

    def abort(self) -> None:
        """Cut what is left."""
        for connection in self._dialler.connections:
            connection.abort()
