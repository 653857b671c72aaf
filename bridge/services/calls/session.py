"""A Jingle session with one client, from its initiation to its end (XEP-0166 §5, XEP-0167, XEP-0176).

What is offered in it and answered is the matter of its `Negotiation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import assert_never

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallDigits,
    CallEnd,
    CallEvent,
    CallHold,
    CallId,
    CallOffer,
    CallRefused,
    CallRinging,
    CallUpdate,
    Ending,
    SessionDescription,
)
from bridge.errors import BridgeError, Trouble
from bridge.services.calls.bounds import INITIATE_TIME, PING_INTERVAL, RINGING_PING_INTERVAL
from bridge.services.calls.negotiation import Negotiation
from bridge.services.calls.outputs import NEVER, Ask, Emit, Ping, Seconds, Tell
from bridge.services.calls.steps import Step
from bridge.services.calls.wire import Wire
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import Action, Condition, Jingle, Reason, jingle_error
from bridge.xmpp.payloads.jingle_info import (
    Info,
    Press,
    State,
    build_info,
    build_press,
    parse_info,
    parse_press,
)


class Phase(Enum):
    """XEP-0166 §4.2."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"


class Session:
    """See the module's docstring.

    `is_initiator`: the contact calls the user. `reason` is why it ended, None before.
    """

    def __init__(
        self, call: CallId, device: str, wire: Wire, emit: Emit, seconds: Seconds, *, is_initiator: bool
    ) -> None:
        self.device = device
        self._wire = wire
        self.phase = Phase.PENDING
        self.is_initiator = is_initiator
        self.talk = Negotiation(
            call,
            wire,
            ask=self._ask,
            tell=self._tell,
            end=self.end,
            seconds=seconds,
            is_initiator=is_initiator,
        )
        self._call = call
        self._emit = emit
        self._seconds = seconds
        self._is_held = False
        self.reason: Reason | None = None
        self._until = NEVER
        self._next_ping = NEVER

    # ---- how it begins

    def call_client(self, offer: SessionDescription, patience: float = INITIATE_TIME) -> None:
        """Initiate: the client is to accept within `patience` seconds."""
        self._until = self._seconds() + patience
        self.talk.begin(offer)

    def called_by_client(self, step: Step) -> None:
        """The client initiated; whoever has the session tells the network.

        It may vanish while it waits, and nobody else would say so: not all show contacts their presence.
        """
        self.talk.begun(step)
        self._next_ping = self._seconds() + RINGING_PING_INTERVAL

    # ---- what the client asks

    def take(self, request: Jingle) -> None:
        """Do what the client asks; a BridgeError that is raised is the answer, and nothing has changed."""
        if self.phase is Phase.ENDED:
            raise jingle_error(Condition.UNKNOWN_SESSION)
        step = self._wire.read(request)
        if step.action in _TALK:
            _TALK[step.action](self.talk, step)
        elif step.action is Action.SESSION_INFO:
            self._informed(request)
        else:
            _METHODS[step.action](self, step)

    def _out_of_order(self, _step: Step) -> None:
        raise jingle_error(Condition.OUT_OF_ORDER)

    def _unsupported(self, _step: Step) -> None:
        raise BridgeError(Trouble.UNSUPPORTED)

    def _nothing_to_do(self, _step: Step) -> None:
        """XEP-0167 §9: it is advice."""

    def _accepted(self, step: Step) -> None:
        if not self.is_initiator or self.phase is not Phase.PENDING:
            raise jingle_error(Condition.OUT_OF_ORDER)
        self.talk.accepted(step)
        self._look()

    def _look(self) -> None:
        """If the first offer is answered, the session is active (XEP-0166 §4.2)."""
        if self.phase is Phase.PENDING and self.talk.is_open:
            self.phase, self._until = Phase.ACTIVE, NEVER
            self._next_ping = self._seconds() + PING_INTERVAL

    def _terminated(self, step: Step) -> None:
        reason = step.reason or Reason(self._usual_ending())
        self._over(reason.ending, reason.text)

    def _usual_ending(self) -> Ending:
        if self.phase is Phase.ACTIVE:
            return Ending.SUCCESS
        return Ending.DECLINED if self.is_initiator else Ending.CANCELLED

    def _informed(self, request: Jingle) -> None:
        """XEP-0167 §8, XEP-0181; one without payload asks whether the session is there (XEP-0166 §6.8)."""
        press, info = parse_press(request), parse_info(request)
        if press is not None:
            self._pressed(press)
        elif info is not None:
            self._state(info.state)
        elif request.payloads:
            raise jingle_error(Condition.UNSUPPORTED_INFO)

    def _pressed(self, press: Press) -> None:
        if self.phase is not Phase.ACTIVE:
            raise jingle_error(Condition.OUT_OF_ORDER)
        if press.duration:  # XEP-0181 §2
            self._tell(CallDigits(call=self._call, digits=press.key, duration=press.duration))

    def _state(self, state: State) -> None:
        if state is State.RINGING and self.is_initiator and self.phase is Phase.PENDING:
            self._tell(CallRinging(call=self._call))
        elif state in _HELD and self.phase is Phase.ACTIVE and self._is_held is not _HELD[state]:
            self._is_held = _HELD[state]
            self._tell(CallHold(call=self._call, held=self._is_held))

    # ---- what the network says

    def hear(self, event: CallEvent) -> None:
        """Tell the client what the network says of the call."""
        match event:
            case CallAnswer(description=description):
                self.talk.answered(description)
                self._look()
            case CallUpdate(description=description):
                self.talk.network_offers(description)
            case CallRefused():
                self.talk.refused()
            case CallCandidates():
                self.talk.network_candidates(event)
            case CallRinging():
                if self.phase is Phase.PENDING and not self.is_initiator:
                    self._inform(State.RINGING)
            case CallHold(held=held):
                if self.phase is Phase.ACTIVE:
                    # COMPAT stanza.js 12: <unhold/> is not heard there
                    self._inform(State.HOLD if held else State.ACTIVE)
            case CallDigits(digits=digits, duration=duration):
                if self.phase is Phase.ACTIVE:
                    for key in digits:
                        self._info(build_press(Press(key, duration)))
            case CallEnd(ending=ending, text=text):
                self.hang_up(ending, text)
            case CallOffer():
                pass  # a call that is there is not offered again
            case _:
                assert_never(event)

    def hang_up(self, ending: Ending, text: str = "") -> None:
        """End it towards the client only."""
        if self.phase is not Phase.ENDED:
            self.reason = Reason(ending, text)
            self._ask(Step(action=Action.SESSION_TERMINATE, reason=self.reason))
            self._forget()

    def end(self, ending: Ending, text: str = "") -> None:
        """End it on both sides."""
        if self.phase is not Phase.ENDED:
            self.hang_up(ending, text)
            self._tell(CallEnd(call=self._call, ending=ending, text=text))

    def _over(self, ending: Ending, text: str) -> None:
        self.reason = Reason(ending, text)
        self._forget()
        self._tell(CallEnd(call=self._call, ending=ending, text=text))

    def _forget(self) -> None:
        self.phase = Phase.ENDED
        self._until = self._next_ping = NEVER
        self.talk.close()

    # ---- how requests of ours went, and time

    def replied(self, step: Step, error: BridgeError | None) -> None:
        """The client answered a request, or did not within the time that the router gives it."""
        if self.phase is Phase.ENDED:
            return
        condition = "" if error is None else error.trouble.value.condition
        if error is not None and (step.action in _VITAL or condition == "item-not-found"):
            self._lost(error)
        else:
            self.talk.replied(step, error)

    def _lost(self, error: BridgeError) -> None:
        """RFC 6120 §8.3: who was not heard of may have heard us, and is told; others know."""
        if error.trouble is Trouble.TIMED_OUT:
            self.end(Ending.TIMED_OUT, error.text)
        else:
            self._over(_LOSSES.get(error.trouble.value.condition, Ending.GONE), error.text)

    def ponged(self, error: BridgeError | None) -> None:
        """The client answered a ping, or did not; one that knows no pings is there."""
        if self.phase is Phase.ENDED:
            return
        if error is not None and error.trouble is not Trouble.UNSUPPORTED:
            self.end(Ending.TIMED_OUT if error.trouble is Trouble.TIMED_OUT else Ending.GONE, error.text)

    @property
    def deadline(self) -> float:
        """When `wake` is due."""
        return min(self._until, self._next_ping, self.talk.deadline)

    def wake(self) -> None:
        """Do what is due."""
        now = self._seconds()
        if now >= self._until:
            self.end(Ending.TIMED_OUT)
        self.talk.wake()
        if now >= self._next_ping:
            is_active = self.phase is Phase.ACTIVE
            self._next_ping = now + (PING_INTERVAL if is_active else RINGING_PING_INTERVAL)
            self._emit(Ping(self.device))

    # ---- words

    def _tell(self, event: CallEvent) -> None:
        self._emit(Tell(event))

    def _ask(self, step: Step) -> None:
        self._wire.made(step, by_us=True)
        self._emit(Ask(self.device, self._wire.write(step), step))

    def _inform(self, state: State) -> None:
        self._info(build_info(Info(state)))

    def _info(self, payload: Element) -> None:
        self._ask(Step(action=Action.SESSION_INFO, payloads=(payload,)))


_TALK: Mapping[Action, Callable[[Negotiation, Step], None]] = {
    Action.CONTENT_ADD: Negotiation.client_offers,
    Action.CONTENT_MODIFY: Negotiation.client_offers,
    Action.CONTENT_REMOVE: Negotiation.client_offers,
    Action.TRANSPORT_REPLACE: Negotiation.client_offers,
    Action.TRANSPORT_INFO: Negotiation.transport_told,
    Action.CONTENT_ACCEPT: Negotiation.content_accepted,
    Action.CONTENT_REJECT: Negotiation.content_rejected,
    Action.TRANSPORT_ACCEPT: Negotiation.transport_accepted,
    Action.TRANSPORT_REJECT: Negotiation.transport_rejected,
}
_METHODS: Mapping[Action, Callable[[Session, Step], None]] = {
    Action.SESSION_INITIATE: Session._out_of_order,
    Action.SESSION_ACCEPT: Session._accepted,
    Action.SESSION_TERMINATE: Session._terminated,
    Action.DESCRIPTION_INFO: Session._nothing_to_do,
    Action.SECURITY_INFO: Session._unsupported,
}
_HELD = {State.HOLD: True, State.UNHOLD: False, State.ACTIVE: False}
_VITAL = frozenset({Action.SESSION_INITIATE, Action.SESSION_ACCEPT})
"""Steps without which there is no session."""
_LOSSES = {
    "recipient-unavailable": Ending.EXPIRED,
    "resource-constraint": Ending.BUSY,
    "service-unavailable": Ending.EXPIRED,
}
"""Why a session did not come about, by the condition of the error (XEP-0166 §6.3)."""
