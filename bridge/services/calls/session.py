"""A Jingle session with one client, from its initiation to its end (XEP-0166 §5, XEP-0167, XEP-0176).

Either side's offers wait for their answers one at a time. Those of the client that come meanwhile are kept,
up to a bound; those of the network are refused, as `bridge.calls` says. Candidates of who answers are kept
until the answer is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import assert_never

from msgspec import Struct

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
    Endpoint,
    SessionDescription,
)
from bridge.errors import BridgeError, Trouble
from bridge.services.calls.bounds import (
    ANSWER_TIME,
    CANDIDATES_KEPT,
    INITIATE_TIME,
    PING_INTERVAL,
    STEPS_KEPT,
)
from bridge.services.calls.outputs import Ask, Emit, Ping, Seconds, Tell
from bridge.services.calls.steps import (
    NOTHING,
    Step,
    after,
    is_restart,
    merge,
    mirror,
    names_of,
    only,
    steps,
    without,
)
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

NEVER = float("inf")
"""The time of what is not going to happen."""


class Phase(Enum):
    """XEP-0166 §4.2."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"


class Theirs(Struct, frozen=True):
    """An offer of the client that waits for the network: the step, and the description that comes of it."""

    step: Step
    wanted: SessionDescription


class Ours(Struct):
    """An offer of the network that the client is to answer: which steps wait for that, and until when."""

    wanted: SessionDescription
    missing: dict[Action, Step]
    deadline: float
    refused: tuple[str, ...] = ()


class Session:
    """See the module's docstring.

    `is_initiator`: the contact calls the user. `reason` is why it ended, None before.
    """

    def __init__(
        self, call: CallId, device: str, wire: Wire, emit: Emit, seconds: Seconds, *, is_initiator: bool
    ) -> None:
        self.device = device
        self.wire = wire
        self.phase = Phase.PENDING
        self.is_initiator = is_initiator
        self.ours = self.theirs = NOTHING
        self._call = call
        self._emit = emit
        self._seconds = seconds
        self._offer: Theirs | Ours | None = None
        self._waiting: list[Step] = []
        self._from_network: list[CallCandidates] = []
        self._from_client: list[Step] = []
        self._is_held = False
        self.reason: Reason | None = None
        self._until = NEVER
        self._next_ping = NEVER

    # ---- how it begins

    def call_client(self, offer: SessionDescription, patience: float = INITIATE_TIME) -> None:
        """Initiate: the client is to accept within `patience` seconds."""
        self.ours = offer
        self._until = self._seconds() + patience
        self._ask(Step(action=Action.SESSION_INITIATE, description=offer))

    def called_by_client(self, step: Step) -> None:
        """The client initiated; whoever has the session tells the network."""
        self.wire.made(step, by_us=False)
        self.theirs = step.description
        self._offer = Theirs(step, step.description)

    # ---- what the client asks

    def take(self, request: Jingle) -> None:
        """Do what the client asks; a BridgeError that is raised is the answer, and nothing has changed."""
        if self.phase is Phase.ENDED:
            raise jingle_error(Condition.UNKNOWN_SESSION)
        step = self.wire.read(request)
        if step.action in _OFFERS:
            self._client_offers(step)
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
        taken = only(step.description, names_of(self.ours))
        if not taken.contents:
            self.end(step.flaw or Ending.UNSUPPORTED_APPLICATIONS)
            return
        self.theirs, self.ours = taken, mirror(only(self.ours, names_of(taken)), taken)
        self._is_active()
        self._tell(CallAnswer(call=self._call, description=taken))
        for kept in self._from_client:
            self._candidates(kept)
        self._from_client.clear()
        self._next()

    def _is_active(self) -> None:
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

    def _transport_told(self, step: Step) -> None:
        """Further candidates, or an end of ICE that begins again (XEP-0176 §5.5)."""
        if self.phase is Phase.PENDING and self.is_initiator:
            if len(self._from_client) < CANDIDATES_KEPT:
                self._from_client.append(step)
        elif not self._are_known(step.endpoints):
            self._keep(step)
        elif self.phase is Phase.ACTIVE and self._restarts(step.endpoints):
            if isinstance(self._offer, Ours) and Action.TRANSPORT_INFO in self._offer.missing:
                self.theirs = after(self.theirs, step)
                self._settled(Action.TRANSPORT_INFO)
            else:
                self._client_offers(step)
        else:
            self._candidates(step)

    def _are_known(self, names: Iterable[str]) -> bool:
        """Tell whether the network has heard of contents of the client's: if not, their offer is kept."""
        known = self._offer.wanted if isinstance(self._offer, Theirs) else self.theirs
        return set(names).issubset(names_of(known))

    def _restarts(self, endpoints: Mapping[str, Endpoint]) -> bool:
        known = {content.name: content.endpoint for content in self.theirs.contents}
        return any(name in known and is_restart(known[name], told) for name, told in endpoints.items())

    def _candidates(self, step: Step) -> None:
        for name, endpoint in step.endpoints.items():
            self._tell(CallCandidates(call=self._call, content=name, endpoint=endpoint))

    # ---- offers of the client

    def _client_offers(self, step: Step) -> None:
        if isinstance(self._offer, Ours) and step.action in self._offer.missing:
            if self.is_initiator:
                raise jingle_error(Condition.TIE_BREAK)  # XEP-0166 §7.2.16
            if _can_be_had(step):
                after(self.theirs, step)
            self._withdraw(crossed=True)
        if self._offer is None and self.phase is Phase.ACTIVE:
            self._offer_to_network(step)
        else:
            self._keep(step)

    def _keep(self, step: Step) -> None:
        if len(self._waiting) >= STEPS_KEPT:
            raise BridgeError(Trouble.OVERLOADED)
        self.wire.made(step, by_us=False)
        self._waiting.append(step)

    def _offer_to_network(self, step: Step) -> None:
        if not _can_be_had(step):
            self._reject(step)
            return
        wanted = after(self.theirs, step)
        self.wire.made(step, by_us=False)
        if not wanted.contents:
            self.end(Ending.SUCCESS)  # XEP-0166 §7.2.5
            return
        self._offer = Theirs(step, wanted)
        self._tell(CallUpdate(call=self._call, description=wanted))

    def _reject(self, step: Step) -> None:
        """Say no to an offer, as far as there is a way to say it."""
        names = step.names
        action = _REJECTIONS.get(step.action)
        if action is not None and names:
            self._ask(Step(action=action, names=names))
        if step.action is Action.CONTENT_MODIFY:
            known = {content.name: content.flow for content in mirror(self.ours, self.theirs).contents}
            flows = {name: known[name] for name in step.flows if name in known}
            self._ask(Step(action=Action.CONTENT_MODIFY, flows=flows))
        if step.action is Action.CONTENT_ADD:
            self.wire.gone(names)

    def _next(self) -> None:
        """No offer waits any more: take the next that was kept."""
        while self._waiting and self.phase is Phase.ACTIVE and self._can_go(self._waiting[0]):
            step = self._waiting.pop(0)
            try:
                (self._transport_told if step.action is Action.TRANSPORT_INFO else self._offer_to_network)(
                    step
                )
            except BridgeError:
                self._reject(step)

    def _can_go(self, step: Step) -> bool:
        """Tell whether what was kept can be done: mere candidates when their content was offered."""
        if self._offer is None or step.action is not Action.TRANSPORT_INFO:
            return self._offer is None
        return self._are_known(step.endpoints) and not self._restarts(step.endpoints)

    # ---- answers of the client

    def _content_accepted(self, step: Step) -> None:
        offer = self._awaited(Action.CONTENT_ADD)
        added = set(names_of(offer.wanted)).difference(names_of(self.ours))
        taken = only(step.description, tuple(added))
        offer.refused += tuple(added.difference(names_of(taken)))
        self.theirs = merge(self.theirs, taken)
        self._settled(Action.CONTENT_ADD)

    def _content_rejected(self, _step: Step) -> None:
        offer = self._awaited(Action.CONTENT_ADD)
        offer.refused += tuple(name for name in names_of(offer.wanted) if name not in names_of(self.ours))
        self._settled(Action.CONTENT_ADD)

    def _transport_accepted(self, step: Step) -> None:
        self._awaited(Action.TRANSPORT_REPLACE)
        self.theirs = after(self.theirs, step)
        self._settled(Action.TRANSPORT_REPLACE)

    def _transport_rejected(self, _step: Step) -> None:
        self._awaited(Action.TRANSPORT_REPLACE)
        self._withdraw()

    def _awaited(self, action: Action) -> Ours:
        if not isinstance(self._offer, Ours) or action not in self._offer.missing:
            raise jingle_error(Condition.OUT_OF_ORDER)
        return self._offer

    def _settled(self, action: Action) -> None:
        """One of the answers that are missing is there; the last completes the answer to the network."""
        offer = self._offer
        if not isinstance(offer, Ours) or action not in offer.missing:
            return
        del offer.missing[action]
        if offer.missing:
            return
        now = without(offer.wanted, offer.refused)
        if now == self.ours:
            self._withdraw()
            return
        self._offer = None
        self.ours = now
        self.wire.gone(offer.refused)
        self.theirs = mirror(only(self.theirs, names_of(now)), now)
        self._tell(CallAnswer(call=self._call, description=self.theirs))
        self._next()

    def _withdraw(self, *, crossed: bool = False) -> None:
        """The client does not take the network's offer: undo what of it was taken."""
        offer = self._offer
        assert isinstance(offer, Ours)
        self._offer = None
        for step in steps(offer.wanted, self.ours):
            if step.action is Action.CONTENT_REMOVE:
                names = tuple(name for name in step.names if name not in offer.refused)
                if names:
                    self._ask(Step(action=step.action, names=names))
                self.wire.gone(step.names)
            elif step.action is Action.CONTENT_MODIFY and not crossed:
                self._ask(step)
        self.theirs = only(self.theirs, names_of(self.ours))
        self._tell(CallRefused(call=self._call, crossed=crossed))
        if not crossed:
            self._next()

    # ---- what the network says

    def hear(self, event: CallEvent) -> None:
        """Tell the client what the network says of the call."""
        match event:
            case CallAnswer(description=description):
                self._answered(description)
            case CallUpdate(description=description):
                self._network_offers(description)
            case CallRefused():
                self._refused()
            case CallCandidates():
                self._network_candidates(event)
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

    def _answered(self, description: SessionDescription) -> None:
        offer = self._offer
        if not isinstance(offer, Theirs):
            return
        self._offer = None
        if offer.step.action is Action.SESSION_INITIATE:
            self.ours = only(description, names_of(offer.wanted))
            self.theirs = only(offer.wanted, names_of(self.ours))
            self._ask(Step(action=Action.SESSION_ACCEPT, description=self.ours))
            self._is_active()
        else:
            self._changed(offer, only(description, names_of(offer.wanted)))
        kept, self._from_network = self._from_network, []
        for event in kept:
            self._network_candidates(event)
        self._next()

    def _changed(self, offer: Theirs, answer: SessionDescription) -> None:
        """Tell the client what became of its offer."""
        step, before = offer.step, self.ours
        self.ours = answer
        self.theirs = only(offer.wanted, names_of(answer))
        if step.action is Action.CONTENT_ADD:
            added = only(answer, names_of(step.description))
            if added.contents:
                self._ask(Step(action=Action.CONTENT_ACCEPT, description=added))
            refused = tuple(name for name in step.names if name not in names_of(added))
            self._reject(Step(action=step.action, names=refused))
        elif step.endpoints:
            known = {content.name: content.endpoint for content in answer.contents}
            endpoints = {name: known[name] for name in step.endpoints if name in known}
            is_replaced = step.action is Action.TRANSPORT_REPLACE
            was = {content.name: content.endpoint for content in before.contents}
            if is_replaced or any(
                is_restart(was[name], now) for name, now in endpoints.items() if name in was
            ):
                action = Action.TRANSPORT_ACCEPT if is_replaced else Action.TRANSPORT_INFO
                self._ask(Step(action=action, endpoints=endpoints))
        elif step.action is Action.CONTENT_REMOVE:
            self.wire.gone(step.names)

    def _refused(self) -> None:
        """What the client wanted is not had; that contents are gone needs nobody's consent."""
        offer = self._offer
        if isinstance(offer, Theirs) and offer.step.action is not Action.SESSION_INITIATE:
            self._offer = None
            if offer.step.action is Action.CONTENT_REMOVE:
                self.theirs = offer.wanted
                self.ours = only(self.ours, names_of(offer.wanted))
                self.wire.gone(offer.step.names)
            self._reject(offer.step)
            self._next()

    def _network_offers(self, description: SessionDescription) -> None:
        if self.phase is not Phase.ACTIVE or self._offer is not None:
            self._tell(CallRefused(call=self._call, crossed=True))
            return
        wanted = steps(self.ours, description)
        if not wanted:
            self.ours = description
            self._tell(CallAnswer(call=self._call, description=self.theirs))
            return
        missing = {step.action: step for step in wanted}
        self._offer = Ours(description, missing, self._seconds() + ANSWER_TIME)
        for step in wanted:
            self._ask(step)

    def _network_candidates(self, event: CallCandidates) -> None:
        is_answering = self.phase is Phase.PENDING and not self.is_initiator
        known = self._offer.wanted if isinstance(self._offer, Ours) else self.ours
        if not is_answering and event.content in names_of(known):
            self._ask(Step(action=Action.TRANSPORT_INFO, endpoints={event.content: event.endpoint}))
        elif isinstance(self._offer, Theirs) and len(self._from_network) < CANDIDATES_KEPT:
            self._from_network.append(event)

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
        self.phase, self._offer = Phase.ENDED, None
        self._until = self._next_ping = NEVER
        self._waiting.clear()
        self._from_network.clear()
        self._from_client.clear()

    # ---- how requests of ours went, and time

    def replied(self, step: Step, error: BridgeError | None) -> None:
        """The client answered a request, or did not within the time that the router gives it."""
        if self.phase is Phase.ENDED:
            return
        condition = "" if error is None else error.trouble.value.condition
        if error is not None and (step.action in _VITAL or condition == "item-not-found"):
            self._lost(error)
        elif error is None or step.action is Action.DESCRIPTION_INFO:
            if step.action in _DONE_ONCE_ACKNOWLEDGED and self._is_missing(step):
                self._settled(step.action)
        elif self._is_missing(step):
            self._withdraw(crossed=condition == "conflict")

    def _is_missing(self, step: Step) -> bool:
        return isinstance(self._offer, Ours) and self._offer.missing.get(step.action) is step

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
    def is_asked(self) -> bool:
        """Tell whether an offer of the client waits for the network."""
        return isinstance(self._offer, Theirs)

    @property
    def deadline(self) -> float:
        """When `wake` is due."""
        offered = self._offer.deadline if isinstance(self._offer, Ours) else NEVER
        return min(self._until, self._next_ping, offered)

    def wake(self) -> None:
        """Do what is due."""
        now = self._seconds()
        if now >= self._until:
            self.end(Ending.TIMED_OUT)
        if isinstance(self._offer, Ours) and now >= self._offer.deadline:
            self._withdraw()
        if now >= self._next_ping:
            self._next_ping = now + PING_INTERVAL
            self._emit(Ping(self.device))

    # ---- words

    def _tell(self, event: CallEvent) -> None:
        self._emit(Tell(event))

    def _ask(self, step: Step) -> None:
        self.wire.made(step, by_us=True)
        self._emit(Ask(self.device, self.wire.write(step), step))

    def _inform(self, state: State) -> None:
        self._info(build_info(Info(state)))

    def _info(self, payload: Element) -> None:
        self._ask(Step(action=Action.SESSION_INFO, payloads=(payload,)))


def _can_be_had(step: Step) -> bool:
    """Tell whether an offer is understood whole; of a transport that is not, there is no endpoint."""
    is_whole = step.action is not Action.TRANSPORT_REPLACE or set(step.names) == set(step.endpoints)
    return step.flaw is None and is_whole


_OFFERS = frozenset(
    {Action.CONTENT_ADD, Action.CONTENT_MODIFY, Action.CONTENT_REMOVE, Action.TRANSPORT_REPLACE}
)
_METHODS: Mapping[Action, Callable[[Session, Step], None]] = {
    Action.SESSION_INITIATE: Session._out_of_order,
    Action.SESSION_ACCEPT: Session._accepted,
    Action.SESSION_TERMINATE: Session._terminated,
    Action.TRANSPORT_INFO: Session._transport_told,
    Action.CONTENT_ACCEPT: Session._content_accepted,
    Action.CONTENT_REJECT: Session._content_rejected,
    Action.TRANSPORT_ACCEPT: Session._transport_accepted,
    Action.TRANSPORT_REJECT: Session._transport_rejected,
    Action.DESCRIPTION_INFO: Session._nothing_to_do,
    Action.SECURITY_INFO: Session._unsupported,
}
_REJECTIONS = {
    Action.CONTENT_ADD: Action.CONTENT_REJECT,
    Action.TRANSPORT_REPLACE: Action.TRANSPORT_REJECT,
}
_HELD = {State.HOLD: True, State.UNHOLD: False, State.ACTIVE: False}
_VITAL = frozenset({Action.SESSION_INITIATE, Action.SESSION_ACCEPT})
"""Steps without which there is no session."""
_DONE_ONCE_ACKNOWLEDGED = frozenset({Action.CONTENT_REMOVE, Action.CONTENT_MODIFY, Action.DESCRIPTION_INFO})
"""Steps that no other step answers."""
_LOSSES = {
    "recipient-unavailable": Ending.EXPIRED,
    "resource-constraint": Ending.BUSY,
    "service-unavailable": Ending.EXPIRED,
}
"""Why a session did not come about, by the condition of the error (XEP-0166 §6.3)."""
