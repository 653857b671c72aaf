"""Our application service alone, without the bridge around it: on a reactor over the tests' event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred, succeed

from bridge.services.uplink import BridgeUplink
from bridge.store import Store
from transports.matrix.appservice import ApplicationService
from transports.matrix.client import Homeserver
from transports.matrix.config import MatrixConfig
from transports.matrix.http import Http
from transports.matrix.inbox import Event, Inbox
from transports.matrix.ping import Pings, Way

TIMEOUT = 20.0


class LoopReactor(AsyncioSelectorReactor):
    """A reactor that is started and ended with its loop, and runs while that does."""

    def begin(self) -> None:
        """Start the threads that resolve names."""
        self.startRunning(installSignalHandlers=False)

    def crash(self) -> None:
        """The loop goes on without us."""

    def end(self) -> None:
        """End them."""
        self.fireSystemEvent("shutdown")


class Service:
    """The parts of the Matrix network that speak with the homeserver, and a store on disk."""

    def __init__(self, config: MatrixConfig, reactor: Any, database: Path) -> None:
        self.config = config
        self.seen: list[Event] = []
        self.passed: list[Event] = []
        self.aliases: set[str] = set()
        self.asked: list[str] = []
        self._reactor = reactor
        self._arrived = asyncio.Event()
        self._http = Http(reactor, config.timeout)
        self.blocked: dict[str, Deferred[None]] = {}
        self._running = False
        self.homeserver = Homeserver(
            config.homeserver, config.as_token.reveal(), self._http, reactor, lambda: 0.5
        )
        self.ways: list[Way] = []
        self.pings = Pings(self.homeserver, config.id, reactor, lambda: 0.5, self.ways.append)
        self.homeserver.lost = self.pings.doubt
        self.store = Store(str(database), reactor.callFromThread, reactor.seconds)
        uplink = BridgeUplink(
            domain="mx.test",
            muc=None,
            calls=None,
            guests=None,
            photos=None,
            settings=None,
            store=self.store,
            troubled=lambda words: None,  # type: ignore[arg-type]
        )
        self.inbox = Inbox(uplink, self._handle, self._pass, config.max_waiting, reactor.seconds)
        self.web = ApplicationService(
            config.hs_token.reveal(),
            config.max_transaction,
            self.inbox.receive,
            self._has_alias,
            lambda user: succeed(False),
        )

    def _handle(self, event: Event) -> Deferred[None] | None:
        self.seen.append(event)
        self._arrived.set()
        return self.blocked.get(event.get("room_id", ""))

    def _pass(self, event: Event) -> None:
        self.passed.append(event)
        self._arrived.set()

    def _has_alias(self, alias: str) -> Deferred[bool]:
        self.asked.append(alias)
        return succeed(alias in self.aliases)

    async def wait(self, deferred: Deferred[Any]) -> Any:
        """Wait for a Deferred."""
        return await asyncio.wait_for(deferred.asFuture(asyncio.get_running_loop()), TIMEOUT)

    async def start(self) -> None:
        """Open the store, listen, and ping."""
        self._running = True
        await self.wait(self.store.start())
        self.inbox.start()
        self.web.listen(self._reactor, self.config.listen_host, self.config.listen_port)
        self.pings.start()

    async def stop(self) -> None:
        """End it all; what is in the store stays there."""
        if not self._running:
            return
        self._running = False
        self.pings.stop()
        await self.wait(self.web.stop())
        await self.wait(self.homeserver.close())
        await self.wait(self.store.stop())

    def bodies(self) -> list[str]:
        """The texts of the messages that came, in order."""
        return [event["content"].get("body", "") for event in self.seen if event["type"] == "m.room.message"]

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until `holds()` is true; it is looked at whenever something comes."""
        try:
            async with asyncio.timeout(TIMEOUT):
                while not holds():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"waits in vain for {what}; seen: {self.seen}") from None
