"""The homeserver's store of files, as `bridge.media.MediaStore`, and files of XMPP brought into it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct, structs
from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse

from bridge.errors import BridgeError, Trouble
from bridge.events import Attachment, UserId
from bridge.media import OCTETS, Media, ResponseBody
from bridge.network import Uplink
from transports.matrix.attachments import filename_of, name_of_uri, read_name, uri_of
from transports.matrix.client import Homeserver
from transports.matrix.content import integer, mapping
from transports.matrix.decryption import Decrypted

AUTHENTICATED = "/_matrix/client/v1/media"
REPOSITORY = "/_matrix/media"
OPEN_TIMEOUT = 30.0
"""Seconds until a file begins to come; a homeserver may have to get it from another."""
OPEN_WAIT = 15_000
"""Milliseconds that the homeserver waits for a file that is still being uploaded."""
STORE_TIMEOUT = 300.0
"""Seconds that a file may take into the homeserver."""
PATIENCE = 10.0
"""Seconds that the homeserver may be away for what a user waits for."""
CONNECTIONS = 8
"""Connections that are kept, and files that are brought to the homeserver at a time."""
WAITING = 200
"""Files that may wait for that."""
ANSWER = 65_536
"""Bytes of an answer that are read."""
KNOWN = 2_000
"""Files just stored of which it is remembered what they are."""
PAGES = frozenset(("text/html", "application/xhtml+xml"))
"""What is behind a link to be read, not a file to be sent."""
TROUBLES = {
    404: Trouble.NOT_FOUND,
    413: Trouble.TOO_LONG,
    429: Trouble.BUSY,
    504: Trouble.TIMED_OUT,
}
"""What an HTTP status means; others are BUSY from 500 on, else REFUSED."""


class Known(Struct, frozen=True):
    """What a file is; see `Media`."""

    type: str
    size: int | None
    width: int | None
    height: int | None


class MatrixMedia:
    """See the module's docstring; `ghost` names the Matrix id of a user."""

    log = Logger()

    def __init__(
        self, url: str, token: str, homeserver: Homeserver, reactor: Any, ghost: Callable[[UserId], str]
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": [f"Bearer {token}"]}
        self._homeserver = homeserver
        self._reactor = reactor
        self._ghost = ghost
        pool = HTTPConnectionPool(reactor)
        pool.maxPersistentPerHost = CONNECTIONS
        self._pool = pool
        self._agent = Agent(reactor, pool=pool)
        self._turns = DeferredSemaphore(CONNECTIONS)
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._max_size: int | None = None

    @property
    def max_size(self) -> int | None:
        """The largest file that the homeserver takes, in bytes; None as long as it has not said."""
        return self._max_size

    def start(self) -> None:
        """Ask what the homeserver takes."""
        asked = self._homeserver.call("GET", f"{AUTHENTICATED}/config", patience=STORE_TIMEOUT)
        asked.addCallbacks(self._learn, lambda failure: failure.trap(BridgeError) and None)

    def _learn(self, answer: object) -> None:
        size = integer(mapping(answer).get("m.upload.size"))
        self._max_size = size if size is not None and size > 0 else None

    def close(self) -> Deferred[None]:
        """Close the connections that are not in use."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    # ---- as a store

    def open(self, name: str) -> Deferred[Media]:
        """Return a file; NOT_FOUND."""
        return Deferred.fromCoroutine(self._open(name))

    async def _open(self, name: str) -> Media:
        place = read_name(name)
        if place is None:
            raise BridgeError(Trouble.NOT_FOUND)
        query: dict[str, str | int] = {"timeout_ms": OPEN_WAIT}
        if place.size is not None:
            query |= {"width": place.size[0], "height": place.size[1], "method": "scale"}
        what = "download" if place.size is None else "thumbnail"
        path = f"{AUTHENTICATED}/{what}/{quote(place.server, safe='')}/{place.id}?{urlencode(query)}"
        response = await self._request("GET", path, OPEN_TIMEOUT)
        read = ResponseBody(response, self._reactor)
        body: IBodyProducer = read
        kind = str(response.headers.getRawHeaders("content-type", [OCTETS])[0])
        if place.secrets is not None:
            try:
                body, kind = Decrypted(read, place.secrets), place.secrets.type
            except BridgeError:
                read.stopProducing()
                raise
        return Media(body=body, type=kind, size=read.size)

    def reserve(self, user: UserId) -> Deferred[str]:
        """Return a name for a file that `user` is going to store."""
        made = self._homeserver.call(
            "POST", f"{REPOSITORY}/v1/create", user=self._ghost(user), patience=PATIENCE, repeatable=True
        )
        return made.addCallback(_made)

    def store(self, user: UserId, name: str, media: Media) -> Deferred[None]:
        """Store a file under a reserved name."""
        stored = self._put("PUT", f"{REPOSITORY}/v3/upload/{name}", {}, self._ghost(user), media)
        return stored.addCallback(lambda _: self._remember(name, media))

    def _remember(self, name: str, media: Media) -> None:
        self._known[name] = Known(media.type, media.size, media.width, media.height)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def upload(self, ghost: str, media: Media, filename: str) -> Deferred[str]:
        """Store a file, in the name of `ghost`, and return its name."""
        uploaded = self._put("POST", f"{REPOSITORY}/v3/upload", {"filename": filename}, ghost, media)
        return uploaded.addCallback(_made)

    def _put(self, method: str, path: str, query: dict[str, str], ghost: str, media: Media) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._send(method, path, query, ghost, media))

    async def _send(self, method: str, path: str, query: dict[str, str], ghost: str, media: Media) -> Any:
        try:
            if media.size is not None and self._max_size is not None and media.size > self._max_size:
                raise BridgeError(Trouble.TOO_LONG)
            await self._homeserver.register(ghost, PATIENCE)
        except BridgeError:
            media.body.stopProducing()
            raise
        target = f"{path}?{urlencode({**query, 'user_id': ghost})}"
        response = await self._request(method, target, STORE_TIMEOUT, media)
        answer = await ResponseBody(response, self._reactor, limit=ANSWER, ahead=ANSWER).head
        try:
            return msgspec.json.decode(answer)
        except (msgspec.DecodeError, RecursionError):
            raise BridgeError(Trouble.REFUSED, "The homeserver's answer cannot be read.") from None

    async def _request(
        self, method: str, target: str, timeout: float, media: Media | None = None
    ) -> IResponse:
        kind = {} if media is None else {"Content-Type": [media.type]}
        body = None if media is None else media.body
        headers = Headers({**self._headers, **kind})
        asked = self._agent.request(method.encode(), f"{self._url}{target}".encode(), headers, body)
        response: IResponse = await asked.addTimeout(timeout, self._reactor, _late).addErrback(_explain)
        if response.code >= 300:
            ResponseBody(response, self._reactor).stopProducing()
            usual = Trouble.BUSY if response.code >= 500 else Trouble.REFUSED
            raise BridgeError(TROUBLES.get(response.code, usual))
        return response

    # ---- what XMPP users send

    def bring(self, ghost: str, attachment: Attachment, uplink: Uplink) -> Deferred[Attachment | None]:
        """Take a file of XMPP to the homeserver; `url` is an ``mxc`` URI then. None: it cannot have it."""
        if len(self._turns.waiting) >= WAITING:
            return succeed(None)
        return self._turns.run(
            lambda: Deferred.fromCoroutine(self._bring(ghost, attachment, uplink))
        ).addErrback(self._not_brought)

    def _not_brought(self, failure: Failure) -> None:
        failure.trap(BridgeError)
        self.log.info("a file is sent as a link: {reason}", reason=str(failure.value))

    async def _bring(self, ghost: str, attachment: Attachment, uplink: Uplink) -> Attachment | None:
        name = uplink.linked(attachment.url)
        if name is not None and "?" not in name:
            known = self._known.get(name)
            return _described(attachment, uri_of(name), known)
        media = await (uplink.fetch(attachment.url) if name is None else self.open(name))
        if media.type in PAGES:
            media.body.stopProducing()
            return None
        stored = await self.upload(ghost, media, filename_of(attachment))
        return _described(attachment, uri_of(stored), media)


def _described(attachment: Attachment, uri: str, media: Media | Known | None) -> Attachment:
    """Say of a file what is known of it; what its sender says of it counts less."""
    if media is None:
        return structs.replace(attachment, url=uri, name=filename_of(attachment))
    return structs.replace(
        attachment,
        url=uri,
        name=filename_of(attachment),
        type=media.type,
        size=media.size,
        width=media.width or attachment.width,
        height=media.height or attachment.height,
    )


def _made(answer: object) -> str:
    name = name_of_uri(mapping(answer).get("content_uri"))
    if not name:
        raise BridgeError(Trouble.REFUSED, "The homeserver's answer cannot be read.")
    return name


def _late(result: object, timeout: float) -> NoReturn:
    raise BridgeError(Trouble.TIMED_OUT)


def _explain(failure: Failure) -> Failure:
    return failure if failure.check(BridgeError) else Failure(BridgeError(Trouble.LOST))
