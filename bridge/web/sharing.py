"""What the bridge does with files: links to those of a network, slots for new ones, what links lead to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred

from bridge.config import WebConfig
from bridge.errors import BridgeError, Trouble
from bridge.events import UserId
from bridge.media import OCTETS, Media, MediaStore
from bridge.web.fetch import Fetcher, Limits
from bridge.web.files import FilesResource, Turns, admitted
from bridge.web.guard import Guard
from bridge.web.kinds import bare, is_taken
from bridge.web.links import PLACE, Links, Slot, clean_name
from bridge.web.quota import Quota
from bridge.web.server import WebServer

KEY_BYTES = 32
SLOT_TIME = 600.0
"""Seconds in which a file has to be put where it may."""
DAY = 86_400


class Upload(Struct, frozen=True):
    """Where a file may be put, with which `Authorization` header, and where it can be had then."""

    put: str
    authorization: str
    get: str


class TooLarge(BridgeError):
    """The file is larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            Trouble.NOT_ACCEPTABLE, f"The file is too large. The maximum file size is {limit} bytes."
        )
        self.limit = limit


class Web:
    """The web server with all that goes by its configuration; `key` signs its links."""

    def __init__(self, config: WebConfig, reactor: Any, key: bytes, wall: Callable[[], float]) -> None:
        self.config = config
        self.links = Links(config.url, key, config.link_days * DAY, wall)
        self.quota = Quota(config.daily_quota, wall)
        self.server = WebServer(reactor, config.listen.host, config.listen.port)
        self.server.admits = self._admits
        guard = Guard(config.fetch_ports, config.fetch_allowed)
        self.fetcher = Fetcher(reactor, guard, Limits(config.max_file, config.types))
        self._reactor = reactor
        self._turns = Turns(config.transfers)

    def _admits(self, authorization: str) -> int:
        slot = admitted(self.links, authorization)
        return 0 if slot is None else slot.size

    def share(self, domain: str, store: MediaStore) -> Sharing:
        """Give out the files of a gateway."""
        resource = FilesResource(domain, store, self.links, self._turns, self._reactor)
        self.server.mount(resource, PLACE, domain)
        return Sharing(domain, store, self)


class Sharing:
    """See the module's docstring; of one gateway, `store` is its network's."""

    def __init__(self, domain: str, store: MediaStore, web: Web) -> None:
        self._domain = str(domain)
        self._store = store
        self._web = web

    @property
    def max_size(self) -> int:
        """The largest file that is taken, in bytes."""
        ours, theirs = self._web.config.max_file, self._store.max_size
        return ours if theirs is None else min(ours, theirs)

    @property
    def renewed(self) -> float:
        """When users have their whole quota again, in seconds since the epoch."""
        return self._web.quota.renewed

    def link(self, name: str, filename: str) -> str:
        """Return a link to what the network calls `name`."""
        return self._web.links.link(self._domain, name, filename)

    def linked(self, url: str) -> str | None:
        """Return the network's name for the file that a link of ours leads to; None for other links."""
        return self._web.links.linked(self._domain, url)

    def fetch(self, url: str) -> Deferred[Media]:
        """Return what a link leads to; see `Fetcher.fetch`."""
        return self._web.fetcher.fetch(url)

    async def slot(self, user: UserId, filename: str, size: int, kind: str) -> Upload:
        """Give `user` leave to store a file, `kind` "" being of any type.

        BridgeError: `TooLarge`, NOT_ACCEPTABLE for its type, TOO_MANY when the day's quota is used up.
        """
        if size > self.max_size:
            raise TooLarge(self.max_size)
        if not is_taken(bare(kind) if kind else OCTETS, self._web.config.types):
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "Files of this type are not taken.")
        self._web.quota.take(user, size)
        try:
            name = await self._store.reserve(user)
        except BridgeError:
            self._web.quota.give_back(user, size)
            raise
        slot = Slot(self._domain, user, name, clean_name(filename), kind, size)
        put, token = self._web.links.slot(slot, SLOT_TIME)
        return Upload(put, f"Bearer {token}", self.link(name, filename))
