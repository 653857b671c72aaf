"""What the homeserver asks of us: the application service API (MX v1.19 application-service-api)."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Raw, Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from transports.matrix.http_server import Request, ServerConnection

PREFIX = ("_matrix", "app", "v1")
UNSTABLE = ("_matrix", "app", "unstable")
METHODS = {"transactions": "PUT", "rooms": "GET", "users": "GET", "thirdparty": "GET", "ping": "POST"}
"""What can be asked, and how."""
LEGACY = frozenset(("transactions", "rooms", "users"))
"""What older homeservers ask without a prefix (MX v1.19 application-service-api/legacy-routes)."""
CONNECTIONS = 200
"""Connections at a time; a homeserver has a few, one that has many workers some more."""
IDLE = 180
"""Seconds after which a silent connection is closed."""
PACE = 0.0625
"""Seconds between the answers to transactions when more than `BURST` come faster than that.

A homeserver gathers meanwhile what happens, and much at once comes in few transactions, each of which costs
us a request and a commit. Where less is going on nothing waits.
"""
BURST = 16
"""Transactions that are answered at once."""
LIST = 2
"""How deep in a transaction its lists of events are."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
WORDS = {
    400: ("M_NOT_JSON", "This is no transaction."),
    403: ("M_FORBIDDEN", "The token is wrong."),
    404: ("M_NOT_FOUND", "There is no such thing here."),
    405: ("M_UNRECOGNIZED", "This cannot be done that way."),
    413: ("M_TOO_LARGE", "This is too long."),
    500: ("M_UNKNOWN", "This cannot be done now."),
}
"""How we say no."""

Receive = Callable[[str, Sequence[bytes], Sequence[bytes]], Deferred[None]]
"""Takes a transaction: its id, its events and its ephemeral events, each as JSON.

The Deferred fires when they are durable; if it fails, the homeserver sends them again.
"""
Exists = Callable[[str], Deferred[bool]]
"""Whether a room alias or a user id of ours exists; the homeserver waits, so make it before you say so."""
Lookup = Callable[[Sequence[str], Mapping[str, str]], object]
"""Answers a third-party lookup by the rest of its path and its query; None where there is no such thing."""


class Transaction(Struct, frozen=True):
    """The body of a transaction, its parts not looked at yet."""

    events: Raw = Raw(b"[]")
    ephemeral: Raw = Raw(b"[]")


class ApplicationService(Factory):
    """Our web server.

    `token` is the homeserver's; `longest` the longest body in bytes; `has_alias`, `has_user` and `lookup`
    answer its questions. `lost` is called when it closes a connection: it may have gone.
    """

    noisy = False
    log = Logger()

    def __init__(
        self,
        token: str,
        longest: int,
        receive: Receive,
        has_alias: Exists,
        has_user: Exists,
        lookup: Lookup = lambda path, query: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._longest = longest
        self._token = token.encode()
        self._receive = receive
        self._exists = {"rooms": has_alias, "users": has_user}
        self._lookup = lookup
        self._lost = lost
        self._clock: Any = None
        self._idle_at = 0.0
        self._held: dict[Deferred[None], IDelayedCall] = {}
        self._port: IListeningPort | None = None
        self._connections: dict[ServerConnection, bool] = {}

    def listen(self, reactor: Any, host: str, port: int) -> None:
        """Answer at this address; raises twisted.internet.error.CannotListenError."""
        self._clock = reactor
        self._port = reactor.listenTCP(port, self, interface=host)

    def stop(self) -> Deferred[None]:
        """Close the connections, and take no more; what is not answered the homeserver sends again."""
        port, self._port = self._port, None
        for held in list(self._held):
            # it is taken; a homeserver that does not hear that would not come again for a while
            self._release(held)
        for connection in list(self._connections):
            connection.close()
        if port is None:
            return succeed(None)
        return succeed(port.stopListening()).addCallback(lambda stopping: stopping)

    # ---- what connections ask

    def buildProtocol(self, addr: IAddress | None) -> ServerConnection | None:
        """Take one more, if that is not too many."""
        if len(self._connections) >= CONNECTIONS:
            return None
        connection = ServerConnection(self, self._clock.callLater, IDLE)
        self._connections[connection] = False
        return connection

    def lose(self, connection: ServerConnection) -> None:
        """A connection is closed."""
        if self._connections.pop(connection, False):
            self._lost()

    def limit(self, request: Request) -> int:
        """Return how long the body may be; of what a stranger sends nothing is kept."""
        return self._longest if self._is_ours(request) else 0

    def _is_ours(self, request: Request) -> bool:
        """Tell whether the request comes from our homeserver.

        Older ones name the token in the query, some in both places; then both must be right.
        """
        given = [
            value.partition(b" ")[2].strip() if value[:7].lower() == b"bearer " else b""
            for value in request.values(b"authorization")
        ]
        given += [value.encode() for value in request.query.get("access_token", ())]
        matches = [compare_digest(token, self._token) for token in given]
        return bool(matches) and all(matches)

    def answer(self, request: Request, connection: ServerConnection) -> None:
        """Answer, now or later."""

        def reply(found: tuple[int, object]) -> None:
            status, said = found
            connection.reply(request, status, msgspec.json.encode(said))

        answering = Deferred.fromCoroutine(self._answer(request, connection))
        answering.addErrback(self._failed).addCallback(reply)

    def _failed(self, failure: Failure) -> tuple[int, object]:
        if isinstance(failure.value, BridgeError):
            self.log.warn("the homeserver has to come again: {reason}", reason=failure.value.text)
        else:
            self.log.failure("the homeserver could not be answered", failure)
        return _refusal(500)

    async def _answer(self, request: Request, connection: ServerConnection) -> tuple[int, object]:
        """Return the HTTP status, and what is said with it."""
        if not self._is_ours(request):
            return _refusal(403)
        self._connections[connection] = True
        kind, rest = _route(request.path)
        if kind not in METHODS:
            return _refusal(404, "M_UNRECOGNIZED")
        if request.method != METHODS[kind]:
            return _refusal(405)
        if request.room < 0:
            self.log.error("a transaction of more than {limit} bytes is refused", limit=self._longest)
            return _refusal(413)
        if kind == "transactions":
            return await self._take(rest, request.body)
        if kind == "thirdparty":
            query = {name: values[0] for name, values in request.query.items()}
            found = self._lookup(rest.split("/"), query)
            return _refusal(404) if found is None else (200, found)
        if kind == "ping" or await self._exists[kind](rest):
            return 200, {}
        return _refusal(404)

    async def _take(self, id: str, body: bytes) -> tuple[int, object]:
        try:
            events, ephemeral = read_transaction(body)
        except ValueError:
            self.log.error("the transaction {id} cannot be read", id=id)
            return _refusal(400)
        await self._receive(id, events, ephemeral)
        await self._turn()
        return 200, {}

    async def _turn(self) -> None:
        """Wait until another transaction may be answered."""
        now = self._clock.seconds()
        self._idle_at = max(self._idle_at, now) + PACE
        early = self._idle_at - BURST * PACE - now
        if early > 0:
            held: Deferred[None] = Deferred()
            self._held[held] = self._clock.callLater(early, self._release, held)
            await held

    def _release(self, held: Deferred[None]) -> None:
        call = self._held.pop(held)
        if call.active():
            call.cancel()
        held.callback(None)


def _refusal(status: int, errcode: str = "") -> tuple[int, object]:
    usual, words = WORDS[status]
    return status, {"errcode": errcode or usual, "error": words}


def read_transaction(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the events and ephemeral events, each as JSON; ValueError if it is none.

    What msgspec refuses (a lone surrogate, a number that is none) is read by json once more, and what is
    too deep for both is cut by its brackets, so that one event that is written badly does not keep the
    others, and all after them, from us.
    """
    try:
        found = msgspec.json.decode(body, type=Transaction)
        return _items(found.events), _items(found.ephemeral)
    except (msgspec.DecodeError, UnicodeDecodeError):
        with contextlib.suppress(RecursionError):
            return _again(json.loads(body.decode("utf-8", "replace")))
    except RecursionError:
        pass
    if not body.lstrip().startswith(b"{"):
        raise ValueError
    return _cut(body, b"events"), _cut(body, b"ephemeral")


def _items(raw: Raw) -> list[bytes]:
    try:
        return [bytes(item) for item in msgspec.json.decode(raw, type=list[Raw])]
    except msgspec.ValidationError:
        return []


def _again(found: object) -> tuple[list[bytes], list[bytes]]:
    if not isinstance(found, dict):
        raise ValueError
    lists = (found.get("events"), found.get("ephemeral"))
    events, ephemeral = ([json.dumps(item).encode() for item in _list(items)] for items in lists)
    return events, ephemeral


def _list(items: object) -> list[object]:
    return items if isinstance(items, list) else []


def _cut(body: bytes, key: bytes) -> list[bytes]:
    """Return the objects of the list under a key, told by brackets alone; what is in them may be anything."""
    found: list[bytes] = []
    depth, name, is_inside, start = 0, b"", False, 0
    for token in _TOKEN.finditer(body):
        if token[0] in (b"{", b"["):
            depth += 1
            is_inside = (name == key) if depth == LIST else is_inside
            start = token.start() if depth == LIST + 1 else start
        elif token[0] in (b"}", b"]"):
            if depth == LIST + 1 and is_inside:
                found.append(body[start : token.end()])
            depth -= 1
        elif depth == 1:
            name = token[0][1:-1]
    return found


def _route(path: bytes) -> tuple[str, str]:
    """Return what is asked, "" if nothing known, and what stands behind it."""
    parts = [unquote_to_bytes(part).decode("utf-8", "replace") for part in path.split(b"/")[1:]]
    if tuple(parts[:3]) == PREFIX:
        kind, *rest = parts[3:] or [""]
    elif tuple(parts[:4]) == (*UNSTABLE, "thirdparty"):
        kind, *rest = parts[3:]
    elif parts[0] in LEGACY:
        kind, *rest = parts
    else:
        return "", ""
    is_whole = kind == "thirdparty" or len(rest) == (kind != "ping")
    return (kind, "/".join(rest)) if is_whole else ("", "")
