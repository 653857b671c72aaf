"""ng, the protocol by which an rtpengine is told what to do: one datagram asks, one answers.

A datagram is a cookie, a space and a dictionary, here as JSON. What is asked again under its cookie is
not done again, so a lost datagram is simply sent once more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble

WAITS = (0.25, 0.5, 1.0, 2.0)
"""Seconds until a request is sent again, and at last given up."""
MAX_WAITING = 10_000
"""Requests to one instance that may wait for their answers."""

Reply = Mapping[str, Any]


class NgRefused(Exception):
    """The instance says that it cannot do this; the argument is its reason."""


def parse_address(text: str) -> tuple[str, int]:
    """Take an address and port of the configuration apart."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Ng(DatagramProtocol):
    """One instance, at an address; `token` makes cookies."""

    log = Logger()

    def __init__(self, reactor: Any, address: str, token: Callable[[], str]) -> None:
        self.address = address
        self._reactor, self._token = reactor, token
        self._to = parse_address(address)
        self._waiting: dict[str, tuple[Deferred[Reply], Any]] = {}
        self._port: Any = None

    def start(self) -> None:
        """Open a socket. Raises CannotListenError."""
        anywhere = "::" if ip_address(self._to[0]).version == 6 else "0.0.0.0"
        self._port = self._reactor.listenUDP(0, self, interface=anywhere, maxPacketSize=65536)

    def stop(self) -> None:
        """Close it; what waits fails."""
        for cookie in list(self._waiting):
            self._take(cookie).errback(BridgeError(Trouble.SHUTTING_DOWN))
        if self._port is not None:
            self._port.stopListening()
            self._port = None

    def ask(self, command: str, values: Mapping[str, object]) -> Deferred[Reply]:
        """Ask for something; fails with NgRefused, and within four seconds by UNREACHABLE."""
        if len(self._waiting) >= MAX_WAITING:
            return fail(BridgeError(Trouble.OVERLOADED))
        if self._port is None:
            return fail(BridgeError(Trouble.SHUTTING_DOWN))
        cookie = self._token()
        data = f"{cookie} {json.dumps({'command': command, **values})}".encode()
        asked: Deferred[Reply] = Deferred()
        self._send(cookie, data, asked, 0)
        return asked

    def _send(self, cookie: str, data: bytes, asked: Deferred[Reply], count: int) -> None:
        if count == len(WAITS):
            self._take(cookie).errback(BridgeError(Trouble.UNREACHABLE))
            return
        timer = self._reactor.callLater(WAITS[count], self._send, cookie, data, asked, count + 1)
        self._waiting[cookie] = (asked, timer)
        try:
            self._port.write(data, self._to)
        except OSError as error:
            self.log.debug(
                "cannot send to rtpengine at {address}: {error}", address=self.address, error=error
            )

    def _take(self, cookie: str) -> Deferred[Reply]:
        asked, timer = self._waiting.pop(cookie)
        if timer.active():
            timer.cancel()
        return asked

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Take an answer; what is none of this instance's is dropped."""
        cookie, _, body = datagram.partition(b" ")
        name = cookie.decode("ascii", "replace")
        if addr[:2] != self._to or name not in self._waiting:
            return
        try:
            reply = msgspec.json.decode(body, type=dict[str, Any])
        except (ValueError, RecursionError):
            self.log.warn("rtpengine at {address} answers what cannot be read", address=self.address)
            return
        asked = self._take(name)
        if reply.get("result") == "error":
            asked.errback(NgRefused(str(reply.get("error-reason", ""))[:200]))
        else:
            asked.callback(reply)
