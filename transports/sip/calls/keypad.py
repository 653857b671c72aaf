"""Keys that are pressed in one call, by either end: in the media, or by INFO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from bridge.calls import CallDigits
from transports.sip.calls.digits import read_digit, write_digit
from transports.sip.wire.message import Request
from transports.sip.wire.uri import Malformed

if TYPE_CHECKING:
    from transports.sip.calls.call import Call
    from transports.sip.calls.party import Party

GAP = 100
"""Milliseconds between keys."""
MAX_WAITING = 64
"""Keys that wait to be heard; more are left out."""


class Keypad:
    """See the module's docstring; `sends_info` tells that the peer is told of keys by INFO."""

    log = Logger()

    def __init__(self, call: Call, clock: Any, sends_info: bool) -> None:
        self._call, self._clock, self._sends_info = call, clock, sends_info
        self._timers: list[Any] = []

    def stop(self) -> None:
        """Press no more."""
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._timers.clear()

    def press(self, digits: str, duration: int) -> None:
        """Have the peer hear the keys, one after the other; `duration` in milliseconds for each."""
        self._timers = [timer for timer in self._timers if timer.active()]
        begin = max((timer.getTime() - self._clock.seconds() for timer in self._timers), default=-1.0)
        pause = (duration + GAP) / 1000
        first = max(0.0, begin + pause)
        for place, digit in enumerate(digits[: MAX_WAITING - len(self._timers)]):
            timer = self._clock.callLater(first + place * pause, self._press, digit, duration)
            self._timers.append(timer)

    def _press(self, digit: str, duration: int) -> None:
        party = self._call.party
        if self._sends_info and party is not None and party.dialog is not None:
            asking = party.ask("INFO", *write_digit(digit, duration))
            asking.addErrback(lambda failure: self.log.info("{call}: a key was lost", call=self._call.id))
        else:
            self._call.anchor.press(digit, duration)

    def told(self, party: Party, request: Request) -> None:
        """Take an INFO of the peer's; one without a body asks only whether we are there."""
        try:
            digit, duration = read_digit(request)
        except Malformed:
            party.reply(request, 415 if request.body else 200)
            return
        party.reply(request, 200)
        self._tell(CallDigits(call=self._call.id, digits=digit, duration=duration))

    def pressed(self, digit: str) -> None:
        """Tell of a key that was heard in the peer's media."""
        self._tell(CallDigits(call=self._call.id, digits=digit))

    def _tell(self, event: CallDigits) -> None:
        if self._call.is_standing:
            self._call.tell(event)
