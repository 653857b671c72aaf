"""How contacts are, for users who want to know: subscriptions on SIP for those in rosters (RFC 8048 §5.2).

Where there is no presence a contact counts as available while the way to him is open: so for telephone
numbers with a +, on trunks whose operator says so, and for whoever answers that he knows no such thing.
"""

from __future__ import annotations

from msgspec.structs import replace
from twisted.logger import Logger

from bridge.errors import BridgeError
from bridge.events import ContactId, ContactPresence, PresenceRefused, UserId
from transports.sip.address import is_number
from transports.sip.alarm import Alarm
from transports.sip.common import Common
from transports.sip.lines.errands import Errands
from transports.sip.lines.way import Way
from transports.sip.presence.pidf import PIDF, State
from transports.sip.presence.subscriber import Ended, Phase, Send, Shown, Subscriber, Verdict
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Request, Response

SUBSCRIPTIONS = 100_000
"""Contacts whose state is told to users."""
PACE = 0.02
"""Seconds between two subscriptions that begin, as after a start, when all do."""


class _Watch:
    """One user and one contact."""

    def __init__(self, user: UserId, contact: ContactId) -> None:
        self.user, self.contact = user, contact
        self.subscriber: Subscriber[State] | None = None
        self.alarm: Alarm
        self.call_id = ""
        self.told: ContactPresence | None = None
        self.is_incapable = False


class Watching:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, common: Common) -> None:
        self._errands, self._uplink, self._clock = Errands(common), common.uplink, common.clock
        self._token, self._jitter = common.token, common.random.random
        self._spellings, self._way = common.spellings, common.way
        self._watches: dict[tuple[UserId, ContactId], _Watch] = {}
        self._by_call_id: dict[str, _Watch] = {}
        self._next_begin = 0.0

    # ---- what users want

    def subscribe(self, user: UserId, contact: ContactId) -> None:
        """Tell the user from now on how a contact is."""
        watch = self._watches.get((user, contact))
        if watch is None:
            watch = self._watch(user, contact)
            if len(self._watches) < SUBSCRIPTIONS:
                self._watches[user, contact] = watch
            else:
                watch.is_incapable = True
                self.log.warn("too many subscriptions: {contact} is not asked how he is", contact=contact)
        watch.told = None
        self._look(watch)

    def unsubscribe(self, user: UserId, contact: ContactId) -> None:
        """Tell him no more."""
        watch = self._watches.pop((user, contact), None)
        if watch is not None and watch.subscriber is not None:
            watch.told = None
            watch.subscriber.leave(self._clock.seconds())
            self._pump(watch)

    def look_again(self) -> None:
        """Ways may have opened or closed."""
        for watch in list(self._watches.values()):
            self._look(watch)

    def stop(self) -> None:
        """Wake nobody any more."""
        for watch in (*self._watches.values(), *self._by_call_id.values()):
            watch.alarm.set(None)

    # ---- one contact

    def _watch(self, user: UserId, contact: ContactId) -> _Watch:
        watch = _Watch(user, contact)
        watch.alarm = Alarm(self._clock, lambda: self._expire(watch))
        return watch

    def _look(self, watch: _Watch) -> None:
        """See which way leads to the contact, and whether he can be asked."""
        try:
            way = self._way(watch.user, watch.contact)
        except BridgeError:
            self._tell(watch, is_open=False)
            return
        if watch.is_incapable or watch.contact.startswith("+") or not way.has_presence:
            self._tell(watch, is_open=way.is_open)
            return
        if watch.subscriber is None:
            watch.subscriber = self._subscriber(watch, way)
        elif way.is_open:
            watch.subscriber.hurry(self._clock.seconds())
        self._pump(watch)

    def _subscriber(self, watch: _Watch, way: Way) -> Subscriber[State]:
        now = self._clock.seconds()
        begin_at, self._next_begin = max(now, self._next_begin), max(now, self._next_begin) + PACE
        target = NameAddr(uri=self._spellings.spelt(watch.contact, way.uri))
        return Subscriber(PIDF, target, NameAddr(uri=way.sender), self._token, self._jitter, begin_at)

    def _expire(self, watch: _Watch) -> None:
        if watch.subscriber is not None:
            watch.subscriber.expire(self._clock.seconds())
            self._pump(watch)

    def _pump(self, watch: _Watch) -> None:
        subscriber = watch.subscriber
        if subscriber is None:
            return
        for event in subscriber.events():
            match event:
                case Send():
                    self._remember(watch, event.request.call_id)
                    self._send(watch, event)
                case Shown(state=state):
                    self._show(watch, state)
                case Ended(is_refused=is_refused):
                    self._end(watch, is_refused)
        if subscriber.phase is Phase.OVER:
            self._by_call_id.pop(watch.call_id, None)
        watch.alarm.set(subscriber.deadline)

    def _remember(self, watch: _Watch, call_id: str) -> None:
        if call_id != watch.call_id:
            self._by_call_id.pop(watch.call_id, None)
            self._by_call_id[call_id] = watch
            watch.call_id = call_id

    def _send(self, watch: _Watch, send: Send) -> None:
        call_id, subscriber = send.request.call_id, watch.subscriber
        try:
            way = self._way(watch.user, watch.contact)
        except BridgeError:
            self._clock.callLater(0, self._responded, None, watch, subscriber, call_id)
            return
        request, find = send.request, send.next_hop or way.hops
        if send.next_hop is None:
            request = replace(request, fields=(*way.route, *request.fields))
        sent = self._errands.run(request, way.contact, find, way.client)
        sent.addCallback(self._responded, watch, subscriber, call_id)
        sent.addErrback(lambda failure: self.log.failure("a SUBSCRIBE failed", failure))

    def _responded(
        self, response: Response | None, watch: _Watch, subscriber: Subscriber[State] | None, call_id: str
    ) -> None:
        if subscriber is not None and subscriber is watch.subscriber:
            subscriber.responded(call_id, response, self._clock.seconds())
            self._pump(watch)

    def _end(self, watch: _Watch, is_refused: bool) -> None:
        if is_refused and not is_number(watch.contact):
            self._watches.pop((watch.user, watch.contact), None)
            watch.told = None
            self._uplink.deliver(watch.user, (PresenceRefused(contact=watch.contact),))
        else:
            watch.is_incapable = True
            self._look(watch)

    # ---- what is told

    def _show(self, watch: _Watch, state: State) -> None:
        self._tell(watch, is_open=state.is_open, state=state)

    def _tell(self, watch: _Watch, *, is_open: bool, state: State | None = None) -> None:
        presence = ContactPresence(
            contact=watch.contact, available=is_open, nick=self._spellings.name(watch.contact)
        )
        if state is not None:
            presence = ContactPresence(
                contact=watch.contact,
                available=is_open,
                show=state.show,
                status=state.note,
                nick=presence.nick,
            )
        if presence != watch.told:
            watch.told = presence
            self._uplink.deliver(watch.user, (presence,))

    def notified(self, notify: Request) -> Verdict:
        """Take a NOTIFY; 481 if it belongs to no subscription."""
        watch = self._by_call_id.get(notify.call_id)
        if watch is None or watch.subscriber is None:
            return Verdict(481)
        verdict = watch.subscriber.notified(notify, self._clock.seconds())
        self._pump(watch)
        return verdict
