"""The client-server API of the homeserver, as the application service and in the name of its users.

`Homeserver.call` is one request with all that belongs to it: authorisation, masquerade, registration
of the ghost, patience while the homeserver is down or busy, order within a room. `Homeserver.api`
takes what a builder of matrix-nio's `nio.Api` returns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from transports.matrix.http import Http
from transports.matrix.http_connection import LinkError
from transports.matrix.order import InOrder
from transports.matrix.refusal import Refusal
from transports.matrix.state import State, read_state

PATIENCE = 25.0
"""Seconds that a request is tried again, unless it is told otherwise."""
FIRST_PAUSE = 0.5
LAST_PAUSE = 15.0
"""Seconds between attempts: about the first, doubled up to about the last."""
FAULTS = 4
"""Attempts that answer 500: the request itself may be what the homeserver stumbles over."""
ROOM_QUEUE = 1000
"""Requests of one user that may wait in one room."""
QUEUE = 20_000
"""Requests that may wait in all rooms."""
GHOSTS = 200_000
"""Ghosts that are remembered for being registered."""
NAMES = 2_000
"""Ids of rooms and users that are kept as they stand in an address."""
LATEST = 50
"""Events of a user in a room among which one is looked for that may have been sent."""
CLIENT = "/_matrix/client/v3"
GONE = frozenset((502, 503, 504))
"""HTTP status of a homeserver that is not there behind its proxy, or not yet."""
TOO_FAST = 429
"""HTTP status of a request that comes too soon (MX v1.19 client-server-api/rate-limiting)."""
LATE = 0.5
"""Seconds after its time in which a request is begun all the same: it may have no time, and tries once."""
STATE_PATIENCE = 60.0
"""Seconds that the state of a room is asked for; a large one takes a homeserver long."""
JOIN_PATIENCE = 60.0
"""Seconds that a join is tried; a homeserver takes long for the first join of a large remote room."""

Request = tuple[str, str] | tuple[str, str, str]
"""What `nio.Api` builds: method, path with query, and perhaps a JSON body."""
Query = Mapping[str, str | Sequence[str]]
Known = Callable[[], Awaitable[Any]]
"""Returns the answer to a request that was carried out, None if it was not or that cannot be told."""


def transaction_id(*parts: str) -> str:
    """Return the transaction id of what `parts` name: the same for ever, so nothing is sent twice.

    MX v1.19 client-server-api/transaction-identifiers; the parts are for instance the sender, the
    room and the id of his stanza.
    """
    return sha256("\0".join(parts).encode()).hexdigest()[:40]


@lru_cache(maxsize=NAMES)
def segment(name: str) -> str:
    """Return a name as a part of a path, or as a value in a query."""
    return quote(name, safe="")


class Homeserver:
    """See the module's docstring; `jitter` returns a random number from 0 to 1.

    A request with `user` is made in the name of that Matrix id, which is registered first if it has not
    been yet; `device` is its device. With `room` it waits for those before it of the same user and room:
    what one says stays in order, and an answer to it cannot come before it, for nobody has seen it.
    It is tried again for `patience` seconds: always when the homeserver wants a pause (429) or was not
    reached; when it may have been carried out already only if that does no harm (`repeatable`; by
    default everything but a POST). Fails with `Refusal`, or another BridgeError.
    """

    def __init__(self, url: str, token: str, http: Http, clock: Any, jitter: Callable[[], float]) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = http
        self._clock = clock
        self._jitter = jitter
        self._rooms = InOrder(ROOM_QUEUE, QUEUE)
        self._ghosts: OrderedDict[str, None] = OrderedDict()
        self._registering = InOrder(ROOM_QUEUE, QUEUE)
        self._asleep: set[Deferred[None]] = set()
        self._closed = False
        self.trouble: BridgeError | None = None
        """Why the last attempt got no answer at all; None if it got one."""
        self.lost: Callable[[], None] | None = None
        """Called when an attempt gets no answer, after one that got one."""

    # ---- requests

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        user: str | None = None,
        device: str | None = None,
        room: str | None = None,
        patience: float = PATIENCE,
        repeatable: bool | None = None,
        known: Known | None = None,
    ) -> Deferred[Any]:
        """Make a request; fires with the decoded answer. `path` is quoted already.

        What may have been carried out is `known` before it is repeated: that returns the answer if it was.
        """
        asked = [urlencode(query, doseq=True)] if query else []
        if user is not None:
            asked.append(f"user_id={segment(user)}")
        if device is not None:
            asked.append(f"device_id={segment(device)}")
        target = f"{path}?{'&'.join(asked)}" if asked else path
        data = msgspec.json.encode({} if body is None else body) if method in ("PUT", "POST") else None
        again = method != "POST" if repeatable is None else repeatable

        end = self._clock.seconds() + patience

        async def work() -> Any:
            if user is not None and not self._is_registered(user):
                await self.register(user, patience)
            return await self._attempts(method, target, data, end, again, _decoded, known=known)

        def begin() -> Deferred[Any]:
            return Deferred.fromCoroutine(work())

        return begin() if room is None else self._rooms.run(f"{room} {user}", begin)

    def api(self, request: Request, **options: Any) -> Deferred[Any]:
        """Make a request that `nio.Api` built, its access token left out; `options` are those of `call`."""
        method, target, *data = request
        path, _, query = target.partition("?")
        asked = {name: values for name, values in parse_qs(query).items() if name != "access_token"}
        body = msgspec.json.decode(data[0]) if data else None
        return self.call(method, path, query=asked, body=body, **options)

    def fetch(self, path: str, *, query: Query, patience: float = PATIENCE) -> Deferred[bytes]:
        """Return what is at a path, as it is; `path` is quoted already."""
        target = f"{path}?{urlencode(query, doseq=True)}"
        end = self._clock.seconds() + patience
        return Deferred.fromCoroutine(self._attempts("GET", target, None, end, True, bytes))

    async def upload(self, user: str, data: bytes, type: str) -> str:
        """Keep a small file for `user`; return its mxc URL (MX v1.19 client-server-api/content-repo)."""
        await self.register(user)
        target = f"/_matrix/media/v3/upload?{urlencode({'user_id': user})}"
        end = self._clock.seconds() + PATIENCE
        answer = await self._attempts("POST", target, data, end, True, _decoded, type)
        return _field(answer, "content_uri")

    async def _attempts(
        self,
        method: str,
        target: str,
        data: bytes | None,
        end: float,
        repeatable: bool,
        read: Callable[[bytes], Any],
        type: str = "application/json",
        known: Known | None = None,
    ) -> Any:
        if self.trouble is not None and self._clock.seconds() > end + LATE:
            raise self.trouble
        pause, faults, may_be_done = FIRST_PAUSE, 0, False
        while True:
            try:
                return read(await self._attempt(method, target, data, type))
            except LinkError as error:
                trouble: BridgeError = error
                wanted = None
                passes = repeatable or not error.sent
                may_be_done |= error.sent
            except Refusal as error:
                trouble, wanted = error, error.retry_after
                faults += error.status >= 500 and error.status not in GONE
                may_be_done |= error.status in GONE
                passes = error.status == TOO_FAST or (repeatable and error.status >= 500 and faults < FAULTS)
            # a pause that we were told is kept, and a little more; our own varies by half
            jitter = self._jitter()
            wait = pause * (0.5 + jitter) if wanted is None else wanted + 0.1 * jitter
            pause = min(pause * 2, LAST_PAUSE)
            if not passes or self._closed or self._clock.seconds() + wait > end:
                raise trouble
            await self._sleep(wait)
            found = await known() if known is not None and may_be_done else None
            if found is not None:
                return found

    async def _attempt(self, method: str, target: str, data: bytes | None, type: str) -> bytes:
        if self._closed:
            raise BridgeError(Trouble.SHUTTING_DOWN)
        headers = self._headers if data is None else {**self._headers, "Content-Type": type}
        try:
            answer = await self._http.request(method, self._url + target, headers, data)
        except LinkError as error:
            was_there, self.trouble = self.trouble is None, error
            if was_there and self.lost is not None:
                self.lost()
            raise
        self.trouble = None
        if answer.status >= 300:
            raise Refusal.read(answer.status, answer.body)
        return answer.body

    def _sleep(self, seconds: float) -> Deferred[None]:
        slept: Deferred[None] = deferLater(self._clock, seconds)
        self._asleep.add(slept)

        def awake(result: object) -> None:
            self._asleep.discard(slept)

        return slept.addBoth(awake)

    def close(self) -> Deferred[None]:
        """Try nothing again and begin nothing; what is on its way may still be answered."""
        self._closed = True
        for slept in list(self._asleep):
            slept.cancel()
        return self._http.close()

    async def room_state(self, room: str, user: str | None = None) -> State:
        """Return the whole state of a room that `user` is in, or our own user."""
        query = {} if user is None else {"user_id": user}
        path = f"{CLIENT}/rooms/{segment(room)}/state"
        return read_state(await self.fetch(path, query=query, patience=STATE_PATIENCE))

    # ---- ghosts

    def register(self, user: str, patience: float = PATIENCE) -> Deferred[None]:
        """See to it that this user of ours exists; asks the homeserver once for each."""
        if self._is_registered(user):
            return succeed(None)
        return self._registering.run(user, lambda: self._register(user, patience))

    def _is_registered(self, user: str) -> bool:
        if user not in self._ghosts:
            return False
        self._ghosts.move_to_end(user)
        return True

    def _register(self, user: str, patience: float) -> Deferred[None]:
        if self._is_registered(user):
            return succeed(None)
        localpart = user[1:].partition(":")[0]
        # MX v1.19 application-service-api/server-admin-style-permissions
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        asked = self.call("POST", f"{CLIENT}/register", body=body, patience=patience, repeatable=True)
        return asked.addErrback(_is_there).addCallback(self._registered, user)

    def _registered(self, answer: object, user: str) -> None:
        self._ghosts[user] = None
        if len(self._ghosts) > GHOSTS:
            self._ghosts.popitem(last=False)

    async def set_profile(self, user: str, name: str | None = None, avatar: str | None = None) -> None:
        """Set a ghost's display name and avatar (an mxc URL, "" for none); None leaves it as it is."""
        who = f"{CLIENT}/profile/{segment(user)}"
        for key, value in (("displayname", name), ("avatar_url", avatar)):
            if value is not None:
                await self.call("PUT", f"{who}/{key}", body={key: value}, user=user)

    # ---- rooms

    def join(self, user: str, room: str, via: Sequence[str] = (), name: str = "") -> Deferred[str]:
        """Take `user` into a room, by id or alias, with the help of the servers `via`; fires with its id.

        `name` is what he is called there, by homeservers that can be told on joining.
        Fails with BANNED or INVITE_ONLY where the homeserver forbids it.
        """
        path = f"{CLIENT}/join/{segment(room)}"
        # MX v1.12 joining with `via`; homeservers before it read `server_name`
        query = {"via": via, "server_name": via} if via else None
        # COMPAT Synapse: it takes the content of the membership; others take the profile's name
        body = {"displayname": name} if name else None
        options: dict[str, Any] = {"user": user, "room": room, "patience": JOIN_PATIENCE, "repeatable": True}
        joined = self.call("POST", path, query=query, body=body, **options)
        return joined.addCallbacks(_room_id, _not_let_in)

    def send(
        self, user: str, room: str, event_type: str, content: Mapping[str, Any], txn: str, patience: float
    ) -> Deferred[str]:
        """Send an event after all of the same user in the room; fires with its id.

        `txn` is a `transaction_id`: what was sent with it before by this user is not sent again. Fails
        with CANNOT_SPEAK where the homeserver forbids it.
        """
        path = f"{CLIENT}/rooms/{segment(room)}/send/{segment(event_type)}/{txn}"

        async def known() -> Mapping[str, Any] | None:
            # COMPAT Synapse: it forgets the transactions of application services when it restarts
            try:
                latest = await self.latest(user, room, 0.0)
            except BridgeError:
                return None
            return next((event for event in latest if event.get("content") == content), None)

        options: dict[str, Any] = {"user": user, "room": room, "patience": patience, "known": known}
        sent = self.call("PUT", path, body=content, **options)
        return sent.addCallbacks(_event_id, _not_allowed_to_speak)

    async def latest(self, user: str, room: str, patience: float = PATIENCE) -> list[Mapping[str, Any]]:
        """Return what a user sent latest in a room, the last first."""
        wanted = msgspec.json.encode({"senders": [user]}).decode()
        query = {"dir": "b", "limit": str(LATEST), "filter": wanted}
        path = f"{CLIENT}/rooms/{segment(room)}/messages"
        answer = await self.call("GET", path, query=query, user=user, patience=patience)
        chunk = answer.get("chunk") if isinstance(answer, dict) else None
        return [event for event in chunk if isinstance(event, dict)] if isinstance(chunk, list) else []


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise BridgeError(Trouble.REFUSED, "The homeserver's answer cannot be read.") from None


def _is_there(failure: Failure) -> None:
    """A ghost of an earlier run is as good as a new one."""
    refusal = failure.value
    if not isinstance(refusal, Refusal) or refusal.errcode != "M_USER_IN_USE":
        failure.raiseException()


def _room_id(answer: Any) -> str:
    return _field(answer, "room_id")


def _event_id(answer: Any) -> str:
    return _field(answer, "event_id")


def _field(answer: Any, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise BridgeError(Trouble.REFUSED, "The homeserver's answer cannot be read.")
    return value


def _not_let_in(failure: Failure) -> Failure:
    refusal = failure.value
    if not isinstance(refusal, Refusal) or refusal.errcode not in ("M_FORBIDDEN", "M_BAD_STATE"):
        return failure
    # there is no code of its own for a ban: Synapse says M_BAD_STATE of it, others M_FORBIDDEN
    if "ban" in refusal.words.lower():
        return Failure(refusal.meaning(Trouble.BANNED))
    return Failure(refusal.meaning(Trouble.INVITE_ONLY)) if refusal.errcode == "M_FORBIDDEN" else failure


def _not_allowed_to_speak(failure: Failure) -> Failure:
    refusal = failure.value
    if isinstance(refusal, Refusal) and refusal.errcode == "M_FORBIDDEN":
        return Failure(refusal.meaning(Trouble.CANNOT_SPEAK))
    return failure
