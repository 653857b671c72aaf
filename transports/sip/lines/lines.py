"""The lines to all trunks, and to users' own accounts; both may come and go while the gateway runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from transports.sip.agent.guard import Guard
from transports.sip.agent.routing import Hop
from transports.sip.lines.line import Line
from transports.sip.lines.routes import Routes, Trunk
from transports.sip.presence.people import People
from transports.sip.wire.uri import Uri

STOP_TIMEOUT = 4.0
"""Seconds that registrations get to be taken back at the end."""


class Lines:
    """See the module's docstring. `make` makes a line that is not started."""

    log = Logger()

    def __init__(self, routes: Routes, guard: Guard, people: People, make: Callable[[Trunk], Line]) -> None:
        self._routes, self._guard, self._people, self._make = routes, guard, people, make
        self._lines: dict[str, Line] = {}

    def __getitem__(self, name: str) -> Line:
        """Return the line of a trunk, by its name."""
        return self._lines[name]

    def is_up(self, name: str) -> bool | None:
        """Tell whether one can be used; None if that is not known yet."""
        line = self._lines.get(name)
        return None if line is None else line.is_up

    def is_gruu(self, name: str, uri: Uri) -> bool:
        """Tell whether a URI is what the registrar of a trunk made for our account there (RFC 5627)."""
        line = self._lines.get(name)
        return line is not None and line.is_ours(uri)

    @property
    def down(self) -> list[str]:
        """The names of the operator's trunks that do not answer."""
        return [
            name for name, line in self._lines.items() if line.is_up is False and not line.trunk.is_personal
        ]

    @property
    def owners(self) -> list[str]:
        """Whose accounts are registered now."""
        return [
            line.trunk.config.owner for line in self._lines.values() if line.is_up and line.trunk.config.owner
        ]

    def start(self) -> None:
        """Go to the trunks."""
        for trunk in self._routes.trunks.values():
            self.add(trunk).start()

    def add(self, trunk: Trunk) -> Line:
        """Make a line, which the caller starts."""
        line = self._lines[trunk.name] = self._make(trunk)
        self._people.take_line(line)
        return line

    def drop(self, name: str) -> None:
        """End a line, and take its registration back."""
        line = self._lines.pop(name, None)
        if line is None:
            return
        self._people.drop_line(line)
        ending = Deferred.fromCoroutine(line.stop())
        ending.addErrback(lambda failure: self.log.failure("a line could not be ended", failure))
        ending.addBoth(lambda _: self._forget(name))

    def _forget(self, name: str) -> None:
        if name not in self._lines:
            self._guard.trust(name, frozenset())

    def apply(self, trunks: Mapping[str, Trunk]) -> None:
        """Put other trunks in force: what is as before goes on undisturbed."""
        before = self._routes.trunks
        self._routes.trunks = trunks
        same = {name for name, one in trunks.items() if name in before and before[name].config == one.config}
        for name in [name for name in before if name not in same]:
            self.log.info("the trunk {name} ends", name=name)
            self.drop(name)
        for name, trunk in trunks.items():
            if name not in same:
                self.add(trunk).start()

    def lost(self, hop: Hop) -> None:
        """A connection is gone, which may have been the flow of a registration."""
        for line in list(self._lines.values()):
            line.lost(hop)

    async def stop(self, reactor: Any) -> None:
        """Take all registrations back, as far as there is time."""
        leaving = [Deferred.fromCoroutine(line.stop()) for line in self._lines.values()]
        left = DeferredList(leaving, consumeErrors=True)
        await left.addTimeout(STOP_TIMEOUT, reactor, lambda result, timeout: None)
