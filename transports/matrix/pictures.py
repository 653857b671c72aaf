"""Avatars of people and rooms, fetched from the homeserver as thumbnails; and what of them is known."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.network import Photo
from bridge.pictures import MAX_PHOTO, photo_of

from .client import Homeserver
from .ids import is_server

SIZES = ((256, "scale"), (96, "crop"))
"""Pixels of a thumbnail, about, and how it is made; the next is for what has too many bytes."""
PICTURES = 200
"""Pictures that are kept."""
HASHES = 50_000
"""Pictures whose hashes are kept."""
WAITING = 2_000
"""Pictures that may wait to be looked at; beyond it nobody looks."""
AT_ONCE = 2
"""Pictures that are looked at at a time: those in a room come one after the other."""
PATIENCE = 15.0
"""Seconds that a picture is tried."""
_FINAL = frozenset(
    {Trouble.NO_SUCH_ROOM, Trouble.NOT_FOUND, Trouble.REFUSED, Trouble.TOO_LONG, Trouble.NOT_ACCEPTABLE}
)
"""Troubles that the same picture will have again."""
_MXC = re.compile(r"mxc://([^/?#\s]+)/([A-Za-z0-9_-]{1,255})")

Looked = Callable[[], None]


class Pictures:
    """See the module's docstring; `known` has the SHA-1 by mxc URL, "" for what is no picture."""

    log = Logger()

    def __init__(self, homeserver: Homeserver) -> None:
        self.known: dict[str, str] = {}
        self._homeserver = homeserver
        self._kept: OrderedDict[str, Photo] = OrderedDict()
        self._waiting: deque[str] = deque()
        self._looked: dict[str, list[Looked]] = {}
        self._looking = 0

    async def photo(self, mxc: str) -> Photo:
        """Return a picture by its URL; NOT_FOUND if it is none, or another BridgeError."""
        kept = self._kept.get(mxc)
        if kept is not None:
            self._kept.move_to_end(mxc)
            return kept
        try:
            photo = await self._fetch(mxc)
        except BridgeError as error:
            if error.trouble in _FINAL:
                self._know(mxc, "")
            raise
        self._know(mxc, photo.id)
        self._kept[mxc] = photo
        if len(self._kept) > PICTURES:
            self._kept.popitem(last=False)
        return photo

    def _know(self, mxc: str, id: str) -> None:
        if len(self.known) >= HASHES and mxc not in self.known:
            del self.known[next(iter(self.known))]
        self.known[mxc] = id

    async def _fetch(self, mxc: str) -> Photo:
        match = _MXC.fullmatch(mxc)
        if match is None or not is_server(match[1]):
            raise BridgeError(Trouble.NOT_FOUND)
        # MX v1.11 client-server-api/content-repo: with the access token
        path = f"/_matrix/client/v1/media/thumbnail/{quote(match[1], safe='')}/{match[2]}"
        for size, method in SIZES:
            query = {"width": str(size), "height": str(size), "method": method, "animated": "false"}
            data = await self._homeserver.fetch(path, query=query, patience=PATIENCE)
            if len(data) <= MAX_PHOTO:
                photo = photo_of(data)
                if photo is not None:
                    return photo
        raise BridgeError(Trouble.NOT_FOUND)

    # ---- in the background

    def look(self, mxc: str, looked: Looked) -> None:
        """Get to know a picture when there is time; `looked` is called when it is known."""
        if mxc in self.known:
            looked()
            return
        waiting = self._looked.get(mxc)
        if waiting is not None:
            if len(waiting) < WAITING:
                waiting.append(looked)
        elif len(self._looked) < WAITING:
            self._looked[mxc] = [looked]
            self._waiting.append(mxc)
            self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._looking < AT_ONCE:
            mxc = self._waiting.popleft()
            self._looking += 1
            Deferred.fromCoroutine(self.photo(mxc)).addBoth(self._seen, mxc)

    def _seen(self, result: object, mxc: str) -> None:
        self._looking -= 1
        looked = self._looked.pop(mxc)
        if isinstance(result, Failure) and result.check(BridgeError) is None:
            self.log.failure("a picture could not be looked at", result)
        if mxc in self.known:
            for tell in looked:
                tell()
        self._go_on()
