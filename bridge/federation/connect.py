"""A connection to a server: all its addresses, IPv6 and IPv4 in turns (Happy Eyeballs, RFC 8305)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionRefusedError,
    NoRouteError,
)
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory
from twisted.python.failure import Failure

from bridge.federation.resolver import LookupFailed, NoServer, Resolver, Target

STAGGER = 0.25
"""Seconds that an address has before the next is tried besides (RFC 8305 §5)."""
SILENT = "the server does not answer"
REASONS: dict[type[BaseException] | None, str] = {
    ConnectionRefusedError: "the server refuses connections",
    NoRouteError: "there is no way to it",
}
"""What is told of a connection that could not be made, `SILENT` of all others."""


class Unreachable(ConnectError):
    """No connection could be made; str() says why in plain words, without addresses."""

    def __init__(self, reason: str) -> None:
        super().__init__(string=reason)  # type: ignore[no-untyped-call]

    def __str__(self) -> str:
        return str(self.args[0])


def connect(
    reactor: Any, resolver: Resolver, target: Target, factory: IProtocolFactory, timeout: float
) -> Deferred[IProtocol]:
    """Make a TCP connection to a server; `timeout` in seconds is for all of it, the DNS included.

    Fails with Unreachable. TLS is the caller's. Cancelling gives up.
    """
    connecting = Deferred.fromCoroutine(_connect(reactor, resolver, target, factory, timeout))
    return connecting.addTimeout(timeout, reactor, _too_late)


async def _connect(
    reactor: Any, resolver: Resolver, target: Target, factory: IProtocolFactory, timeout: float
) -> IProtocol:
    try:
        addresses = await resolver.addresses(target.host)
    except (NoServer, LookupFailed) as error:
        raise Unreachable(str(error)) from error
    return await _Race(reactor, addresses, target.port, factory, timeout).winner


def _too_late(result: IProtocol | Failure, timeout: float) -> IProtocol | Failure:
    if isinstance(result, Failure) and result.check(CancelledError):
        raise Unreachable(SILENT)
    return result


class _Race:
    """Attempts at several addresses, each begun while those before may still come; `winner` is the first."""

    def __init__(
        self, reactor: Any, addresses: Iterable[str], port: int, factory: IProtocolFactory, timeout: float
    ) -> None:
        self.winner: Deferred[IProtocol] = Deferred(self._give_up)
        self._reactor = reactor
        self._addresses = deque(addresses)
        self._port = port
        self._factory = factory
        self._timeout = timeout
        self._attempts: list[Deferred[IProtocol]] = []
        self._next: IDelayedCall | None = None
        self._begin()

    def _begin(self) -> None:
        """Try the next address."""
        address = self._addresses.popleft()
        endpoint = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        self._next = self._reactor.callLater(STAGGER, self._begin) if self._addresses else None
        attempt = endpoint(self._reactor, address, self._port, self._timeout).connect(self._factory)
        self._attempts.append(attempt)
        attempt.addCallbacks(self._win, self._fail, callbackArgs=(attempt,), errbackArgs=(attempt,))

    def _win(self, protocol: IProtocol, attempt: Deferred[IProtocol]) -> None:
        self._attempts.remove(attempt)
        self._give_up()
        self.winner.callback(protocol)

    def _fail(self, failure: Failure, attempt: Deferred[IProtocol]) -> None:
        self._attempts.remove(attempt)
        if failure.check(CancelledError, ConnectingCancelledError):
            return
        if self._next is not None:
            self._next.cancel()
            self._begin()
        elif not self._attempts:
            self.winner.errback(Unreachable(REASONS.get(failure.type, SILENT)))

    def _give_up(self, winner: Deferred[IProtocol] | None = None) -> None:
        """Stop all attempts."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        for attempt in self._attempts[:]:
            attempt.cancel()
