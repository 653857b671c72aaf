"""People of SIP who want to know how users of ours are, and whether they may (RFC 8048 §5.3).

The user is asked once for each subscription that begins, and his XMPP server remembers what he said. What he
shows is what his clients show to contacts whom he lets know.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from twisted.internet.defer import succeed
from twisted.logger import Logger

from bridge.events import ContactId, Presence, PresenceRequest, UserId
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import Answer
from transports.sip.alarm import Alarm
from transports.sip.common import Common
from transports.sip.dialogs.dialog import id_of_request
from transports.sip.lines.errands import Errands
from transports.sip.presence.notifier import LEAST, MOST, Consent, Notifier, begun, expires_of, refusal
from transports.sip.presence.pidf import CLOSED, PACKAGE, TYPE, PidfWriter, State
from transports.sip.wire.message import Fields, Request, Response, respond
from transports.sip.wire.uri import Malformed

WATCHERS, WATCHERS_OF_ONE = 20_000, 100
"""Subscriptions of people of SIP in all, and to one user."""
REFUSALS = 10_000
"""Refusals of users that are remembered."""
REFUSED_FOR = 3600.0
"""Seconds for which who was refused is refused again without asking the user."""
RETRY_AFTER = 600
"""Seconds after which to come again where there are too many."""

Pair = tuple[UserId, ContactId]


class _Watcher:
    """`source` is where a stranger's SUBSCRIBE came from over UDP, which `is_proven` once he has answered us
    there; None for others.
    """

    def __init__(self, pair: Pair, notifier: Notifier[State], source: Hop | None) -> None:
        self.pair = pair
        self.notifier = notifier
        self.source = source
        self.is_proven = source is None
        self.alarm: Alarm


class Watchers:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, common: Common) -> None:
        self._errands, self._uplink, self._clock = Errands(common), common.uplink, common.clock
        self._token, self._name = common.token, common.spellings.name
        self._watchers: dict[object, _Watcher] = {}
        self._by_user: dict[UserId, set[object]] = {}
        self._states: dict[UserId, State] = {}
        self._granted: set[Pair] = set()
        self._refused: OrderedDict[Pair, float] = OrderedDict()

    # ---- what people of SIP want

    def subscribe(
        self, request: Request, hop: Hop, user: UserId, contact: ContactId, answer: Answer, is_stranger: bool
    ) -> None:
        """Take a SUBSCRIBE that begins; its sender is who he says.

        Over UDP a stranger is notified where he wrote from: his Contact may name somebody who never asked.
        That address may not be his own either: until he has answered, nothing is sent to it twice.
        Who came by a WebSocket is reached by nothing else (RFC 7118 §B.1).
        """
        refused = self._refusal(request, (user, contact))
        try:
            expires = expires_of(request)
            writer = PidfWriter(str(request.to.uri))
            tag, lasts = self._token(), min(expires, MOST)
            notifier = Notifier(writer, begun(request, tag), lasts, self._clock.seconds())
        except Malformed:
            refused = refused or respond(request, 400, self._token())
        if refused is not None:
            answer(refused)
            return
        is_held = hop.is_websocket or (is_stranger and hop.transport == "UDP")
        source = hop if is_held else None
        watcher = _Watcher((user, contact), notifier, source)
        watcher.alarm = Alarm(self._clock, lambda: self._expire(watcher))
        self._watchers[notifier.id] = watcher
        self._by_user.setdefault(user, set()).add(notifier.id)
        answer(respond(request, 200, tag, self._accepted(user, hop, min(expires, MOST))))
        self._begin(watcher)

    def _refusal(self, request: Request, pair: Pair) -> Response | None:
        status, fields = self._status(request, pair)
        return respond(request, status, self._token(), fields) if status else None

    def _status(self, request: Request, pair: Pair) -> tuple[int, Fields]:
        """Return why it is refused; 0 if it is not."""
        status, fields = refusal(request, PACKAGE, TYPE)
        if status:
            return status, fields
        if self._refused.get(pair, 0.0) > self._clock.seconds():
            return 403, ()
        if len(self._watchers) >= WATCHERS or len(self._by_user.get(pair[0], ())) >= WATCHERS_OF_ONE:
            return 503, (("Retry-After", str(RETRY_AFTER)),)
        return 0, ()

    def _accepted(self, user: UserId, hop: Hop, expires: int) -> Fields:
        return (("Contact", f"<{self._errands.contact_for(user)(hop)}>"), ("Expires", str(expires)))

    def _begin(self, watcher: _Watcher) -> None:
        """Ask the user, who may have consented long ago, and tell how it stands."""
        user, contact = watcher.pair
        if watcher.pair not in self._granted:
            self._uplink.deliver(user, (PresenceRequest(contact=contact, nick=self._name(contact)),))
        consent = Consent.GRANTED if watcher.pair in self._granted else Consent.PENDING
        watcher.notifier.begin(self._states.get(user), consent, self._clock.seconds())
        self._pump(watcher)

    def refresh(self, request: Request, hop: Hop, answer: Answer) -> None:
        """Take a SUBSCRIBE of a subscription that stands."""
        watcher = self._watchers.get(id_of_request(request))
        if watcher is None:
            answer(respond(request, 481))
            return
        try:
            expires = expires_of(request)
            if 0 < expires < LEAST:
                answer(respond(request, 423, fields=(("Min-Expires", str(LEAST)),)))
                return
            status = watcher.notifier.refresh(request, min(expires, MOST), self._clock.seconds())
        except Malformed:
            answer(respond(request, 400))
            return
        if watcher.source is not None and watcher.source != hop:
            watcher.source, watcher.is_proven = hop, False
        fields = self._accepted(watcher.pair[0], hop, min(expires, MOST)) if status == 200 else ()
        answer(respond(request, status, fields=fields))
        self._pump(watcher)

    # ---- what users want

    def consent(self, user: UserId, contact: ContactId, *, granted: bool) -> None:
        """The user lets a contact know how he is, or does not."""
        pair, now = (user, contact), self._clock.seconds()
        if not granted:
            self._granted.discard(pair)
            if self._of(pair):
                self._refused[pair] = now + REFUSED_FOR
                self._refused.move_to_end(pair)
                if len(self._refused) > REFUSALS:
                    self._refused.popitem(last=False)
        else:
            self._refused.pop(pair, None)
            self._granted.add(pair)
        for watcher in self._of(pair):
            if granted:
                watcher.notifier.consent(Consent.GRANTED, now)
            else:
                watcher.notifier.end("rejected")
            self._pump(watcher)
        self._trim(pair)

    def show(self, user: UserId, presence: Presence) -> None:
        """The user is like this now."""
        state = CLOSED
        if presence.available:
            state = State(is_open=True, show=presence.show, note=presence.status)
            self._states[user] = state
        else:
            self._states.pop(user, None)
        for id in list(self._by_user.get(user, ())):
            self._watchers[id].notifier.show(state, self._clock.seconds())
            self._pump(self._watchers[id])

    def stop(self) -> None:
        """Wake nobody any more; who renews finds nothing, and begins again."""
        for watcher in self._watchers.values():
            watcher.alarm.set(None)

    # ---- one watcher

    def _of(self, pair: Pair) -> list[_Watcher]:
        ids = self._by_user.get(pair[0], ())
        return [watcher for id in ids if (watcher := self._watchers[id]).pair == pair]

    def _expire(self, watcher: _Watcher) -> None:
        watcher.notifier.expire(self._clock.seconds())
        self._pump(watcher)

    def _pump(self, watcher: _Watcher) -> None:
        user = watcher.pair[0]
        for ask in watcher.notifier.events():
            source = watcher.source
            find = ask.next_hop if source is None else partial(succeed, [source])
            contact = self._errands.contact_for(user)
            sent = self._errands.run(ask.request, contact, find, is_once=not watcher.is_proven)
            sent.addCallback(self._responded, watcher)
            sent.addErrback(lambda failure: self.log.failure("a NOTIFY failed", failure))
        if watcher.notifier.is_over:
            self._forget(watcher)
        else:
            watcher.alarm.set(watcher.notifier.deadline)

    def _responded(self, response: Response | None, watcher: _Watcher) -> None:
        watcher.is_proven = watcher.is_proven or response is not None
        watcher.notifier.responded(response, self._clock.seconds())
        self._pump(watcher)

    def _forget(self, watcher: _Watcher) -> None:
        watcher.alarm.set(None)
        user = watcher.pair[0]
        if self._watchers.pop(watcher.notifier.id, None) is not None:
            self._by_user[user].discard(watcher.notifier.id)
            if not self._by_user[user]:
                del self._by_user[user]
        self._trim(watcher.pair)

    def _trim(self, pair: Pair) -> None:
        """Consents are remembered for those who watch; others' are asked for again."""
        if not self._of(pair):
            self._granted.discard(pair)
