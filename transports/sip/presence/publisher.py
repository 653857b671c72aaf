"""Publishes how the owner of an account is (RFC 3903)."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.logger import Logger

from transports.sip.agent.means import Means
from transports.sip.alarm import Alarm
from transports.sip.lines.errands import Errands
from transports.sip.lines.line import Line
from transports.sip.presence.pidf import State
from transports.sip.presence.publication import Publication
from transports.sip.wire.message import Response


class Publisher:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, means: Means, line: Line) -> None:
        self._errands, self._line, self._clock = Errands(means), line, means.clock
        self._publication = Publication(line.trunk.account, means.token, means.random.random)
        self._alarm = Alarm(means.clock, self._expire)
        self._is_stopped = False

    @property
    def owner(self) -> str:
        """Whose account it is."""
        return self._line.trunk.config.owner

    def show(self, state: State | None) -> None:
        """He is like this; None: he is away."""
        self._publication.show(state, self._clock.seconds())
        self._pump()

    def stop(self) -> None:
        """Try nothing again."""
        self._is_stopped = True
        self._alarm.set(None)

    def _expire(self) -> None:
        self._publication.expire(self._clock.seconds())
        self._pump()

    def _pump(self) -> None:
        for request in self._publication.events():
            line, user = self._line, self._line.trunk.config.username
            request = replace(request, fields=(*line.route, *request.fields))
            sent = self._errands.run(request, self._errands.contact_for(user), line.hops, line.client)
            sent.addCallback(self._responded)
            sent.addErrback(lambda failure: self.log.failure("a PUBLISH failed", failure))
        if not self._is_stopped:
            self._alarm.set(self._publication.deadline)

    def _responded(self, response: Response | None) -> None:
        self._publication.responded(response, self._clock.seconds())
        self._pump()
