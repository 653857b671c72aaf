"""A homeserver that answers in memory: bytes for `Http`, scripted answers for what is above it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport

from transports.matrix.client import Homeserver
from transports.matrix.http_connection import Answer


class Reactor(MemoryReactorClock):
    """Resolves every name to one address, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self

    def resolveHostName(self, receiver: IResolutionReceiver, name: str, portNumber: int) -> None:
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", portNumber))
        receiver.resolutionComplete()

    def accept(self, index: int = -1) -> tuple[Any, StringTransport]:
        """Let a connection of ours succeed."""
        factory = self.tcpClients[index][2]
        protocol, transport = factory.buildProtocol(None), StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport


def watch(deferred: Deferred[Any]) -> list[Any]:
    """A list that will hold what a Deferred fires with, or the exception it fails with."""
    found: list[Any] = []
    deferred.addCallbacks(found.append, lambda failure: found.append(failure.value))
    return found


def outcome(deferred: Deferred[Any]) -> Any:
    """What a Deferred has fired with, or the exception it failed with; fails the test if neither."""
    found = watch(deferred)
    assert found, "it has not fired"
    return found[0]


class Asked:
    """A request as the homeserver gets it."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        parts = urlsplit(url)
        self.method = method
        self.server = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path
        self.query = parse_qs(parts.query)
        self.headers = dict(headers)
        self.body = None if body is None else json.loads(body)
        self.answer: Deferred[Answer] = Deferred()

    def reply(self, body: Any = None, status: int = 200) -> None:
        """Answer with JSON."""
        self.answer.callback(Answer(status, json.dumps({} if body is None else body).encode()))

    def refuse(self, status: int, errcode: str, **more: Any) -> None:
        """Answer with an error."""
        self.reply({"errcode": errcode, "error": f"No: {errcode}", **more}, status)


class ScriptedHttp:
    """Stands for `Http`: what was asked waits in `asked`, to be answered by the test."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.closed = False

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Deferred[Answer]:
        self.asked.append(Asked(method, url, headers, body))
        return self.asked[-1].answer

    def close(self) -> Deferred[None]:
        self.closed = True
        closed: Deferred[None] = Deferred()
        closed.callback(None)
        return closed

    def take(self) -> Asked:
        """The oldest request that was not looked at."""
        assert self.asked, "nothing is asked"
        return self.asked.pop(0)


class Scene:
    """A `Homeserver` whose HTTP is scripted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.http = ScriptedHttp()
        self.server = Homeserver("http://hs.test/", "secret", self.http, self.clock, lambda: 0.5)  # type: ignore[arg-type]

    def register(self, user: str) -> None:
        """Have a ghost registered already."""
        self.server.register(user)
        self.http.take().reply({"user_id": user})
