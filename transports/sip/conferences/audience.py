"""People of SIP in one room who want to be told who is in (RFC 4575, RFC 7702 §6.2)."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import succeed
from twisted.logger import Logger

from bridge.events import ContactId
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import Answer
from transports.sip.alarm import Alarm
from transports.sip.conferences.info import PACKAGE, TYPE, Conference, ConferenceWriter
from transports.sip.dialogs.dialog import Dialog
from transports.sip.lines.errands import Errands
from transports.sip.presence.notifier import MOST, Consent, Notifier, begun, expires_of, refusal
from transports.sip.wire.message import Fields, Request, Response, respond
from transports.sip.wire.uri import Malformed, Uri

SUBSCRIPTIONS_OF_ONE = 4
"""Subscriptions of one of them at a time: he has so many devices."""
RETRY_AFTER = 600
"""Seconds after which to come again with another."""


class _Listener:
    """`source` is where he has to be told, `is_proven` whether he has answered, as in `presence.watchers`."""

    def __init__(self, guest: ContactId, notifier: Notifier[Conference], source: Hop | None) -> None:
        self.guest, self.notifier, self.source = guest, notifier, source
        self.is_proven = source is None
        self.alarm: Alarm


class Audience:
    """See the module's docstring. `uri` is the room's; only those are told who are in it."""

    log = Logger()

    def __init__(self, errands: Errands, means: Means, uri: Uri) -> None:
        self._errands, self._means, self._uri = errands, means, uri
        self._contact = errands.contact_for(uri.user)
        self._listeners: dict[object, _Listener] = {}

    def __contains__(self, id: object) -> bool:
        return id in self._listeners

    @property
    def _now(self) -> float:
        return float(self._means.clock.seconds())

    # ---- what they want

    def subscribe(
        self,
        request: Request,
        hop: Hop,
        guest: ContactId,
        state: Conference,
        answer: Answer,
        *,
        is_stranger: bool,
        dialog: Dialog | None = None,
    ) -> None:
        """Take a SUBSCRIBE that begins; in a dialog that there is already, if it is given (RFC 7702 §6.1)."""
        token = self._means.token()
        tag = token if dialog is None else ""
        status, fields = refusal(request, PACKAGE, TYPE)
        if not status and len(self._of(guest)) >= SUBSCRIPTIONS_OF_ONE:
            status, fields = 503, (("Retry-After", str(RETRY_AFTER)),)
        try:
            made = None if status else (dialog or begun(request, token))
        except Malformed:
            made, status = None, 400
        if made is None:
            answer(respond(request, status, tag, fields))
            return
        lasts = min(expires_of(request), MOST)
        notifier = Notifier(ConferenceWriter(str(self._uri)), made, lasts, self._now)
        is_held = hop.is_websocket or (is_stranger and hop.transport == "UDP")
        source = hop if is_held else None
        listener = _Listener(guest, notifier, source)
        listener.alarm = Alarm(self._means.clock, lambda: self._expire(listener))
        self._listeners[notifier.id] = listener
        answer(respond(request, 200, tag, self._accepted(hop, lasts)))
        notifier.begin(state, Consent.GRANTED, self._now)
        self._pump(listener)

    def refresh(self, id: object, request: Request, hop: Hop, answer: Answer, *, is_shared: bool) -> None:
        """Take a SUBSCRIBE of a subscription that stands; `is_shared` if its dialog is not its own."""
        listener = self._listeners[id]
        status, fields = refusal(request, PACKAGE, TYPE)
        try:
            if not status:
                lasts = min(expires_of(request), MOST)
                status = listener.notifier.refresh(request, lasts, self._now, is_in_order=is_shared)
                fields = self._accepted(hop, lasts) if status == 200 else ()
        except Malformed:
            status = 400
        answer(respond(request, status, fields=fields))
        self._pump(listener)

    def _accepted(self, hop: Hop, expires: int) -> Fields:
        return (("Contact", f"<{self._contact(hop)}>;isfocus"), ("Expires", str(expires)))

    # ---- what they are told

    def show(self, state: Conference) -> None:
        """The room is like this now."""
        for listener in list(self._listeners.values()):
            listener.notifier.show(state, self._now)
            self._pump(listener)

    def dismiss(self, guest: ContactId) -> None:
        """Tell somebody no more: he is out."""
        for listener in self._of(guest):
            listener.notifier.end("noresource")
            self._pump(listener)

    def stop(self) -> None:
        """Wake nobody any more."""
        for listener in self._listeners.values():
            listener.alarm.set(None)

    def _of(self, guest: ContactId) -> list[_Listener]:
        return [one for one in self._listeners.values() if one.guest == guest]

    def _expire(self, listener: _Listener) -> None:
        listener.notifier.expire(self._now)
        self._pump(listener)

    def _pump(self, listener: _Listener) -> None:
        for ask in listener.notifier.events():
            source = listener.source
            find = ask.next_hop if source is None else partial(succeed, [source])
            sent = self._errands.run(ask.request, self._contact, find, is_once=not listener.is_proven)
            sent.addCallback(self._responded, listener)
            sent.addErrback(lambda failure: self.log.failure("a NOTIFY failed", failure))
        if listener.notifier.is_over:
            listener.alarm.set(None)
            self._listeners.pop(listener.notifier.id, None)
        else:
            listener.alarm.set(listener.notifier.deadline)

    def _responded(self, response: Response | None, listener: _Listener) -> None:
        listener.is_proven = listener.is_proven or response is not None
        listener.notifier.responded(response, self._now)
        self._pump(listener)
