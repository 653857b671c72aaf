"""The connections that we dial: what their streams need until they are ready, and where they lead."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.federation.arrivals import Arrivals
from bridge.federation.carriers import Index
from bridge.federation.connection import Connection
from bridge.federation.dial import Dial, Errand, Means
from bridge.federation.resolver import Target
from bridge.federation.tls import peer
from bridge.xmpp.dialback import Pair
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.stream_events import Event, Ready, StreamFailed
from bridge.xmpp.stream_management import Session

BARE = 10_000
"""How many servers are remembered that cannot bear our certificate."""


class Client(Protocol):
    """Whoever has connections dialled."""

    def share(self, pair: Pair, target: Target) -> bool:
        """Say whether a connection that leads there already will do."""

    def reached(self, dial: Dial, connection: Connection | None) -> None:
        """The stream is ready, or one is shared."""

    def unreached(self, dial: Dial, error: BridgeError) -> None:
        """There will be none."""

    def happened(self, connection: Connection, event: Event) -> None:
        """A stream has news, other than stanzas."""

    def writable(self, connection: Connection) -> None:
        """A connection takes data again."""

    def release(self, connection: Connection, *, resumable: bool) -> None:
        """A connection carries nothing any more."""


class Dialler:
    """See the module's docstring; implements `connection.Owner`."""

    log = Logger()

    def __init__(self, means: Means, arrivals: Arrivals, client: Client) -> None:
        self.dials: dict[Errand, Dial] = {}
        """The efforts under way."""
        self.ready_for: Index[str] = Index()
        """Connections whose streams are ready, by the peer's domain."""
        self.ready_at: Index[Target] = Index()
        """The same by where they lead."""
        self._means = means
        self._arrivals = arrivals
        self._client = client
        self._dialled: dict[Connection, Dial] = {}
        self._bare: OrderedDict[str, None] = OrderedDict()
        """Servers that ended the stream when our certificate came."""
        self._is_held = False
        self._is_stopped = False

    @property
    def connections(self) -> list[Connection]:
        """All connections, ready or not."""
        return list(self._dialled)

    def dial(self, pair: Pair, session: Session | None = None) -> None:
        """Reach a server for the session of a stream for `pair`, or for the pair; once at a time for each."""
        dial = Dial(
            pair,
            self._means,
            self,
            lambda target: session is None and self._client.share(pair, target),
            external=pair.target not in self._bare,
            session=session,
        )
        self.dials[dial.errand] = dial
        dialled = dial.run().addCallbacks(self._reached, self._unreached, (dial,), {}, (dial,))
        dialled.addErrback(lambda failure: self.log.failure("dialling went wrong", failure))

    def _reached(self, connection: Connection | None, dial: Dial) -> None:
        del self.dials[dial.errand]
        self._client.reached(dial, connection)

    def _unreached(self, failure: Failure, dial: Dial) -> None:
        del self.dials[dial.errand]
        error = failure.value
        if not isinstance(error, BridgeError):
            if not failure.check(CancelledError):
                self.log.failure("dialling {remote} failed", failure, remote=dial.pair.target)
            error = BridgeError(Trouble.REMOTE_TIMEOUT)
        self._client.unreached(dial, error)

    def may_go_bare(self, stream: OutgoingStream) -> bool:
        """Tell whether a stream that was lost may have been so for our certificate; the next goes without.

        COMPAT ejabberd: some certificates make it drop the stream in mid-EXTERNAL; dialback is left.
        """
        if not stream.tried_external or stream.remote in self._bare:
            return False
        self._bare[stream.remote] = None
        if len(self._bare) > BARE:
            self._bare.popitem(last=False)
        return True

    def given_up(self, domain: str) -> None:
        """Begin anew with a server: our certificate was not what was wrong."""
        self._bare.pop(domain, None)

    # ---- the life of a connection (`connection.Owner`)

    def opened(self, connection: Connection) -> None:
        """A target was connected to."""
        stream = stream_of(connection)
        dial = self.dials.get(stream.former or stream.pair)
        if dial is None or self._is_stopped:
            return connection.abort()
        dial.connected(connection)
        self._dialled[connection] = dial
        if dial.target is not None and dial.target.direct_tls:
            return connection.start_tls()
        return stream.start()

    def tls(self, connection: Connection) -> Any:
        """Show the local domain's certificate, and name the server that is wanted."""
        target = self._dialled[connection].target
        direct = target is not None and target.direct_tls
        stream = connection.stream
        return self._means.contexts.client(stream.local, stream.remote, direct=direct)

    def secured(self, connection: Connection) -> None:
        """Judge the peer's certificate, then go on."""
        dial, remote = self._dialled[connection], connection.stream.remote
        host = dial.target.host if dial.target is not None and dial.target.secure else ""
        judged = self._means.verifier.problem(peer(connection.transport), remote, dial.tlsa, host)
        judged.addCallback(self._judged, connection)
        judged.addErrback(lambda failure: self.log.failure("a peer could not be judged", failure))

    def _judged(self, problem: str, connection: Connection) -> None:
        stream = stream_of(connection)
        if connection.is_gone:
            return
        fresh = stream.state == "idle"
        stream.tls_started(problem)
        if fresh:
            stream.start()
        connection.settle()

    def happened(self, connection: Connection, event: Event) -> None:
        """Deal with an event of a stream."""
        if self._arrivals.take(connection, event):
            return
        if isinstance(event, Ready):
            self._ready(connection)
        elif isinstance(event, StreamFailed):
            self._failed(connection, event)
        else:
            self._client.happened(connection, event)

    def _ready(self, connection: Connection) -> None:
        dial = self._dialled[connection]
        self.ready_for.add(connection.stream.remote, connection)
        if dial.target is not None:
            self.ready_at.add(dial.target, connection)
        connection.hold(self._is_held)
        dial.ready(connection)

    def _failed(self, connection: Connection, event: StreamFailed) -> None:
        stream = connection.stream
        self.log.info(
            "{local} → {remote}: the stream ended: {condition} {text}",
            local=stream.local, remote=stream.remote, condition=event.condition, text=event.text,
        )  # fmt: skip
        dial = self._dialled.get(connection)
        if dial is not None:
            dial.lost(connection, f"{event.condition} {event.text}".strip())
        self._client.release(connection, resumable=not event.condition)

    def received(self, connection: Connection, size: int, stanzas: int) -> float:
        """Count what came in."""
        return self._arrivals.count(connection, size, stanzas)

    def writable(self, connection: Connection) -> None:
        """Pass it on."""
        self._client.writable(connection)

    def closed(self, connection: Connection, reason: str) -> None:
        """A connection is gone."""
        dial = self._dialled.get(connection)
        if dial is not None:
            dial.lost(connection, reason)
        self._client.release(connection, resumable=True)
        self._dialled.pop(connection, None)

    def unlist(self, connection: Connection) -> None:
        """Offer a connection to nobody any more."""
        self.ready_for.discard(connection.stream.remote, connection)
        dial = self._dialled.get(connection)
        if dial is not None and dial.target is not None:
            self.ready_at.discard(dial.target, connection)

    # ---- all of them

    def hold(self, is_held: bool) -> None:
        """Read nothing more from anybody for now, or again."""
        self._is_held = is_held
        for connection in self.ready_for.all():
            connection.hold(is_held)

    def stop(self) -> None:
        """Close all streams, and dial no more."""
        self._is_stopped = True
        for dial in list(self.dials.values()):
            dial.stop()
        for connection in self.connections:
            if connection.stream.state == "ready":
                connection.close()
            else:
                connection.abort()

    def abort(self) -> None:
        """Cut what is left."""
        for connection in self.connections:
            connection.abort()


def stream_of(connection: Connection) -> OutgoingStream:
    """Return the stream of a connection that we dialled."""
    assert isinstance(connection.stream, OutgoingStream)
    return connection.stream
