"""One user's subscription to the state of a conference, with its timers and requests (RFC 4575 §3)."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace
from twisted.logger import Logger

from transports.sip.agent.means import Means
from transports.sip.alarm import Alarm
from transports.sip.conferences.info import CONFERENCE, Info
from transports.sip.lines.errands import Errands
from transports.sip.lines.way import Way
from transports.sip.presence.subscriber import Ended, Phase, Send, Shown, Subscriber, Verdict
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Request, Response
from transports.sip.wire.uri import Uri


class Owner(Protocol):
    """Who wants to know."""

    def informed(self, info: Info) -> None:
        """Take what the focus tells."""

    def uninformed(self) -> None:
        """The focus tells nothing, now or ever."""


class Subscriptions:
    """Finds the subscription that a NOTIFY is of, by its Call-ID."""

    def __init__(self, errands: Errands, means: Means) -> None:
        self.errands, self.clock = errands, means.clock
        self.token, self.jitter = means.token, means.random.random
        self.by_call_id: dict[str, Subscription] = {}

    def notified(self, notify: Request) -> Verdict:
        """Take a NOTIFY; 481 if it belongs to no subscription."""
        found = self.by_call_id.get(notify.call_id)
        return Verdict(481) if found is None else found.notified(notify)

    def stop(self) -> None:
        """Wake nobody any more."""
        for one in self.by_call_id.values():
            one.alarm.set(None)


class Subscription:
    """See the module's docstring. `way` leads to the conference, whose URI is `uri`."""

    log = Logger()

    def __init__(self, all_: Subscriptions, owner: Owner, way: Way, uri: Uri) -> None:
        self._all, self._owner, self._way = all_, owner, way
        self.alarm = Alarm(all_.clock, self._expire)
        self._call_id = ""
        self._subscriber = Subscriber(
            CONFERENCE, NameAddr(uri=uri), NameAddr(uri=way.sender), all_.token, all_.jitter, self._now
        )
        self._expire()

    @property
    def _now(self) -> float:
        return float(self._all.clock.seconds())

    def renew(self) -> None:
        """Ask for all of the state: something was missed."""
        self._subscriber.renew(self._now)
        self._pump()

    def leave(self) -> None:
        """Give it up."""
        self._subscriber.leave(self._now)
        self._pump()

    def notified(self, notify: Request) -> Verdict:
        """Take a NOTIFY."""
        verdict = self._subscriber.notified(notify, self._now)
        self._pump()
        return verdict

    def _expire(self) -> None:
        self._subscriber.expire(self._now)
        self._pump()

    def _pump(self) -> None:
        for event in self._subscriber.events():
            match event:
                case Send():
                    self._send(event)
                case Shown(state=info):
                    self._owner.informed(info)
                case Ended():
                    self._owner.uninformed()
        if self._subscriber.phase is Phase.OVER:
            self._all.by_call_id.pop(self._call_id, None)
        self.alarm.set(self._subscriber.deadline)

    def _send(self, send: Send) -> None:
        request, call_id = send.request, send.request.call_id
        if call_id != self._call_id:
            self._all.by_call_id.pop(self._call_id, None)
            self._all.by_call_id[call_id], self._call_id = self, call_id
        find = self._way.hops if send.next_hop is None else send.next_hop
        if send.next_hop is None:
            request = replace(request, fields=(*self._way.route, *request.fields))
        sent = self._all.errands.run(request, self._way.contact, find, self._way.client)
        sent.addCallback(self._responded, call_id)
        sent.addErrback(lambda failure: self.log.failure("a SUBSCRIBE failed", failure))

    def _responded(self, response: Response | None, call_id: str) -> None:
        self._subscriber.responded(call_id, response, self._now)
        if self._subscriber.phase is Phase.WAITING:
            self._owner.uninformed()
        self._pump()
