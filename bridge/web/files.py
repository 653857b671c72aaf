"""The files of one gateway on the web: what a link leads to, and where a slot's file is put."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NoReturn
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import FileBodyProducer
from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from bridge.errors import BridgeError, Trouble
from bridge.media import Media, MediaStore
from bridge.web.kinds import SHOWN, bare, dimensions, kind_of
from bridge.web.links import Expired, Forged, Links, Slot
from bridge.web.ranges import Unsatisfiable, part
from bridge.web.server import WebRequest
from bridge.web.transfer import Transfer

STORE_TIMEOUT = 120.0
"""Seconds that the network may take for a file that is put here."""
TICK = 0.000_1
"""Seconds between two pieces of a file from the disk."""
METHODS = b"GET, HEAD, PUT, OPTIONS"
STATUS = {
    Trouble.NOT_FOUND: 404,
    Trouble.TOO_LONG: 413,
    Trouble.TIMED_OUT: 504,
    Trouble.BUSY: 503,
    Trouble.OVERLOADED: 503,
    Trouble.TOO_MANY: 503,
}
"""HTTP status by trouble; others are 502, for they are not of our making."""
WORDS = {
    400: "The file is not as announced.",
    403: "You have no leave to do that.",
    404: "There is no such file.",
    405: "That cannot be done here.",
    409: "The file is there already.",
    410: "This link has expired.",
    413: "The file is too large.",
    416: "There is no such part of the file.",
    500: "That failed.",
    502: "The file's server does not give it out.",
    503: "Too many files are being fetched; try again later.",
    504: "The file's server does not answer.",
}


class Refused(Exception):
    """The request is answered with an HTTP `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Turns:
    """How many files may be on their way at a time, of all gateways."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def __enter__(self) -> None:
        if self._left <= 0:
            raise Refused(503)
        self._left -= 1

    def __exit__(self, *exception: object) -> None:
        self._left += 1


class FilesResource(Resource):
    """See the module's docstring; it is mounted where the links of `domain` lead to."""

    isLeaf = True
    log = Logger()

    def __init__(self, domain: str, store: MediaStore, links: Links, turns: Turns, clock: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._domain = domain
        self._store = store
        self._links = links
        self._turns = turns
        self._clock = clock
        self._cooperator = Cooperator(scheduler=lambda work: clock.callLater(TICK, work))

    def render(self, request: Request) -> int:
        """Answer, now or later."""
        assert isinstance(request, WebRequest)
        for name, value in _SAFE.items():
            request.responseHeaders.setRawHeaders(name, [value])
        Deferred.fromCoroutine(self._answer(request)).addErrback(self._failed, request)
        return NOT_DONE_YET

    async def _answer(self, request: WebRequest) -> None:
        try:
            await self._do(request)
        except Refused as refused:
            _refuse(request, refused.status)
        except BridgeError as error:
            _refuse(request, STATUS.get(error.trouble, 502))

    def _failed(self, failure: Failure, request: WebRequest) -> None:
        self.log.failure("a request for a file failed", failure)
        _refuse(request, 500)

    async def _do(self, request: WebRequest) -> None:
        path = [step.decode("utf-8", "replace") for step in request.postpath or []]
        if len(path) != 2:
            raise Refused(404)
        if request.method == b"OPTIONS":
            request.setResponseCode(204)
            request.end()
        elif request.method in (b"GET", b"HEAD"):
            await self._give(request, *path)
        elif request.method == b"PUT":
            await self._take(request, path[1])
        else:
            request.setHeader(b"allow", METHODS)  # type: ignore[no-untyped-call]
            raise Refused(405)

    # ---- out

    async def _give(self, request: WebRequest, token: str, filename: str) -> None:
        try:
            name, seconds = self._links.file(self._domain, token, filename)
        except Expired:
            raise Refused(410) from None
        except ValueError:
            raise Refused(404) from None
        request.responseHeaders.setRawHeaders(
            "cache-control", [f"private, max-age={int(seconds)}, immutable"]
        )
        tag = f'"{sha256(name.encode()).hexdigest()[:24]}"'
        if request.setETag(tag.encode()) is CACHED:  # type: ignore[no-untyped-call]
            request.end()
            return
        with self._turns:
            media = await self._store.open(name)
            if request.gone:
                media.body.stopProducing()
                return
            await self._send(request, media, filename, tag)

    async def _send(self, request: WebRequest, media: Media, filename: str, tag: str) -> None:
        headers, size = request.responseHeaders, media.size
        kind = bare(media.type)
        headers.setRawHeaders("content-type", [f"{kind}; charset=utf-8" if kind == "text/plain" else kind])
        headers.setRawHeaders("content-disposition", [disposition(kind, filename)])
        headers.setRawHeaders("accept-ranges", ["none" if size is None else "bytes"])
        try:
            wanted = part(_range(request, tag), size)
        except Unsatisfiable:
            media.body.stopProducing()
            headers.setRawHeaders("content-range", [f"bytes */{size}"])
            raise Refused(416) from None
        skip, length = 0, size
        if wanted is not None:
            skip, length = wanted[0], wanted[1] - wanted[0]
            headers.setRawHeaders("content-range", [f"bytes {wanted[0]}-{wanted[1] - 1}/{size}"])
            request.setResponseCode(206)
        if length is not None:
            headers.setRawHeaders("content-length", [str(length)])
        if request.method == b"HEAD" or length == 0:
            media.body.stopProducing()
            request.write(b"")  # type: ignore[no-untyped-call]
            request.end()
        elif await Transfer(request, media.body, self._clock, skip, length).start():
            request.end()
        else:
            # the length was told: the receiver sees that something is missing
            request.loseConnection()  # type: ignore[no-untyped-call]

    # ---- in

    async def _take(self, request: WebRequest, filename: str) -> None:
        """XEP-0363 §6: the file must be the one that the slot is for."""
        slot = admitted(self._links, request.requestHeaders.getRawHeaders("authorization", [""])[0])
        if slot is None or slot.domain != self._domain or slot.filename != filename:
            raise Refused(403)
        content = request.content
        assert content is not None
        size = content.seek(0, 2)
        content.seek(0)
        declared = request.getHeader(b"content-length")
        if declared != str(slot.size).encode() or size != slot.size:
            raise Refused(413 if declared is not None and int(declared) > slot.size else 400)
        told = request.getHeader(b"content-type")
        if slot.type and told and bare(told.decode("ascii", "replace")) != bare(slot.type):
            raise Refused(400)
        head = content.read(4096)
        content.seek(0)
        with self._turns:
            body = FileBodyProducer(content, self._cooperator)
            width, height = dimensions(head) or (None, None)
            kind = kind_of(slot.type or (told or b"").decode("ascii", "replace"), head)
            media = Media(body=body, type=kind, size=size, width=width, height=height)
            stored = self._store.store(slot.user, slot.name, media)
            try:
                await stored.addTimeout(STORE_TIMEOUT, self._clock, _late)
            except BridgeError as error:
                raise Refused(
                    409 if error.trouble is Trouble.REFUSED else STATUS.get(error.trouble, 502)
                ) from None
        request.responseHeaders.setRawHeaders("content-length", ["0"])
        request.setResponseCode(201)
        request.end()


_SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'",
    "cross-origin-resource-policy": "cross-origin",
    "referrer-policy": "no-referrer",
    # XEP-0363 §7: clients in browsers are of other origins
    "access-control-allow-origin": "*",
    "access-control-allow-methods": METHODS.decode(),
    "access-control-allow-headers": "Authorization, Content-Type, Range",
    "access-control-max-age": "86400",
}
"""Headers of every answer: nothing in a file acts in the name of our site."""


def admitted(links: Links, authorization: str) -> Slot | None:
    """Return what a request with this header may store; None for nothing."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return links.read_slot(token.strip())
    except (Forged, Expired):
        return None


def disposition(kind: str, filename: str) -> str:
    """Return how a file is to be shown, and its name (RFC 6266, RFC 8187)."""
    how = "inline" if kind in SHOWN else "attachment"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'{how}; filename="{plain}"{extended}'


def _range(request: WebRequest, tag: str) -> str | None:
    """Return the range that counts: RFC 9110 §13.1.5 asks for the whole if the file is another."""
    condition = request.getHeader(b"if-range")
    asked = request.getHeader(b"range")
    if asked is None or condition not in (None, tag.encode()):
        return None
    return asked.decode("ascii", "replace")


def _late(result: object, timeout: float) -> NoReturn:
    raise Refused(504)


def _refuse(request: WebRequest, status: int) -> None:
    if request.gone or request.finished:
        return
    headers = request.responseHeaders
    request.etag = None
    for name in ("content-disposition", "content-length"):
        headers.removeHeader(name)
    headers.setRawHeaders("cache-control", ["no-store"])
    headers.setRawHeaders("content-type", ["text/plain; charset=utf-8"])
    if status == 503:
        headers.setRawHeaders("retry-after", ["10"])
    request.setResponseCode(status)
    if request.method != b"HEAD":
        request.write(f"{WORDS[status]}\n".encode())  # type: ignore[no-untyped-call]
    request.end()
