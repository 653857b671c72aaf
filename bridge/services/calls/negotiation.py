"""What each side of a session offers, and what the other makes of it (XEP-0166 §7.2, XEP-0176).

Either side's offers wait for their answers one at a time. Those of the client that come meanwhile are kept,
up to a bound; those of the network are refused, as `bridge.calls` says. Candidates of who answers are kept
until the answer is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallEvent,
    CallId,
    CallRefused,
    CallUpdate,
    Ending,
    Endpoint,
    SessionDescription,
)
from bridge.errors import BridgeError, Trouble
from bridge.services.calls.bounds import ANSWER_TIME, CANDIDATES_KEPT, STEPS_KEPT
from bridge.services.calls.outputs import NEVER, Seconds
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
from bridge.xmpp.payloads.jingle import Action, Condition, jingle_error


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


class Negotiation:
    """See the module's docstring.

    `ours` is how the contact describes himself to the client, `theirs` the other way round; it `is_open` once
    the first offer is answered. `ask` sends the client a step, `tell` the network an event, `end` is called
    if nothing is left that one could talk by.
    """

    def __init__(
        self,
        call: CallId,
        wire: Wire,
        *,
        ask: Callable[[Step], None],
        tell: Callable[[CallEvent], None],
        end: Callable[[Ending], None],
        seconds: Seconds,
        is_initiator: bool,
    ) -> None:
        self.ours = self.theirs = NOTHING
        self.is_open = False
        self._call = call
        self._wire = wire
        self._ask = ask
        self._tell = tell
        self._end = end
        self._seconds = seconds
        self._is_initiator = is_initiator
        self._offer: Theirs | Ours | None = None
        self._waiting: list[Step] = []
        self._from_network: list[CallCandidates] = []
        self._from_client: list[Step] = []

    # ---- the first offer

    def begin(self, offer: SessionDescription) -> None:
        """Initiate."""
        self.ours = offer
        self._ask(Step(action=Action.SESSION_INITIATE, description=offer))

    def begun(self, step: Step) -> None:
        """The client initiated."""
        self._wire.made(step, by_us=False)
        self.theirs = step.description
        self._offer = Theirs(step, step.description)

    def accepted(self, step: Step) -> None:
        """The client accepts the session."""
        taken = only(step.description, names_of(self.ours))
        if not taken.contents:
            self._end(step.flaw or Ending.UNSUPPORTED_APPLICATIONS)
            return
        self.theirs, self.ours = taken, mirror(only(self.ours, names_of(taken)), taken)
        self.is_open = True
        self._tell(CallAnswer(call=self._call, description=taken))
        for kept in self._from_client:
            self._candidates(kept)
        self._from_client.clear()
        self._next()

    @property
    def is_asked(self) -> bool:
        """Tell whether an offer of the client waits for the network."""
        return isinstance(self._offer, Theirs)

    @property
    def deadline(self) -> float:
        """When `wake` is due."""
        return self._offer.deadline if isinstance(self._offer, Ours) else NEVER

    def wake(self) -> None:
        """The client does not answer in time."""
        if self._seconds() >= self.deadline:
            self._withdraw()

    def close(self) -> None:
        """Nothing waits any more."""
        self.is_open, self._offer = False, None
        self._waiting.clear()
        self._from_network.clear()
        self._from_client.clear()

    # ---- transports

    def transport_told(self, step: Step) -> None:
        """Further candidates, or an end of ICE that begins again (XEP-0176 §5.5)."""
        if self._is_initiator and not self.is_open:
            if len(self._from_client) < CANDIDATES_KEPT:
                self._from_client.append(step)
        elif not self._are_known(step.endpoints):
            self._keep(step)
        elif self.is_open and self._restarts(step.endpoints):
            if isinstance(self._offer, Ours) and Action.TRANSPORT_INFO in self._offer.missing:
                self.theirs = after(self.theirs, step)
                self._settled(Action.TRANSPORT_INFO)
            else:
                self.client_offers(step)
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

    def client_offers(self, step: Step) -> None:
        """The client wants something else from now on; what is raised is the answer."""
        if isinstance(self._offer, Ours) and step.action in self._offer.missing:
            if self._is_initiator:
                raise jingle_error(Condition.TIE_BREAK)  # XEP-0166 §7.2.16
            if _can_be_had(step):
                after(self.theirs, step)
            self._withdraw(crossed=True)
        if self._offer is None and self.is_open:
            self._offer_to_network(step)
        else:
            self._keep(step)

    def _keep(self, step: Step) -> None:
        if len(self._waiting) >= STEPS_KEPT:
            raise BridgeError(Trouble.OVERLOADED)
        self._wire.made(step, by_us=False)
        self._waiting.append(step)

    def _offer_to_network(self, step: Step) -> None:
        if not _can_be_had(step):
            self._reject(step)
            return
        wanted = after(self.theirs, step)
        self._wire.made(step, by_us=False)
        if not wanted.contents:
            self._end(Ending.SUCCESS)  # XEP-0166 §7.2.5
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
            self._wire.gone(names)

    def _next(self) -> None:
        """No offer waits any more: take the next that was kept."""
        while self._waiting and self.is_open and self._can_go(self._waiting[0]):
            step = self._waiting.pop(0)
            try:
                (self.transport_told if step.action is Action.TRANSPORT_INFO else self._offer_to_network)(
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

    def content_accepted(self, step: Step) -> None:
        """The client has, of what was added, what the step has."""
        offer = self._awaited(Action.CONTENT_ADD)
        added = set(names_of(offer.wanted)).difference(names_of(self.ours))
        taken = only(step.description, tuple(added))
        offer.refused += tuple(added.difference(names_of(taken)))
        self.theirs = merge(self.theirs, taken)
        self._settled(Action.CONTENT_ADD)

    def content_rejected(self, _step: Step) -> None:
        """It has nothing of it."""
        offer = self._awaited(Action.CONTENT_ADD)
        offer.refused += tuple(name for name in names_of(offer.wanted) if name not in names_of(self.ours))
        self._settled(Action.CONTENT_ADD)

    def transport_accepted(self, step: Step) -> None:
        """Media go elsewhere from now on, and come from elsewhere."""
        self._awaited(Action.TRANSPORT_REPLACE)
        self.theirs = after(self.theirs, step)
        self._settled(Action.TRANSPORT_REPLACE)

    def transport_rejected(self, _step: Step) -> None:
        """They do not."""
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
        self._wire.gone(offer.refused)
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
                self._wire.gone(step.names)
            elif step.action is Action.CONTENT_MODIFY and not crossed:
                self._ask(step)
        self.theirs = only(self.theirs, names_of(self.ours))
        self._tell(CallRefused(call=self._call, crossed=crossed))
        if not crossed:
            self._next()

    def replied(self, step: Step, error: BridgeError | None) -> None:
        """The client took a step of ours, or did not."""
        if not self._is_missing(step):
            return
        if error is None or step.action is Action.DESCRIPTION_INFO:
            if step.action in _DONE_ONCE_ACKNOWLEDGED:
                self._settled(step.action)
        else:
            self._withdraw(crossed=error.trouble.value.condition == "conflict")

    def _is_missing(self, step: Step) -> bool:
        return isinstance(self._offer, Ours) and self._offer.missing.get(step.action) is step

    # ---- what the network says

    def answered(self, description: SessionDescription) -> None:
        """The network answers what the client offered."""
        offer = self._offer
        if not isinstance(offer, Theirs):
            return
        self._offer = None
        if offer.step.action is Action.SESSION_INITIATE:
            self.ours = only(description, names_of(offer.wanted))
            self.theirs = only(offer.wanted, names_of(self.ours))
            if not self.ours.contents:
                self._end(Ending.INCOMPATIBLE)
                return
            self._ask(Step(action=Action.SESSION_ACCEPT, description=self.ours))
            self.is_open = True
        else:
            self._changed(offer, only(description, names_of(offer.wanted)))
        kept, self._from_network = self._from_network, []
        for event in kept:
            self.network_candidates(event)
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
            self._wire.gone(step.names)

    def refused(self) -> None:
        """What the client wanted is not had; that contents are gone needs nobody's consent."""
        offer = self._offer
        if isinstance(offer, Theirs) and offer.step.action is not Action.SESSION_INITIATE:
            self._offer = None
            if offer.step.action is Action.CONTENT_REMOVE:
                self.theirs = offer.wanted
                self.ours = only(self.ours, names_of(offer.wanted))
                self._wire.gone(offer.step.names)
            self._reject(offer.step)
            self._next()

    def network_offers(self, description: SessionDescription) -> None:
        """The network wants something else from now on."""
        if not self.is_open or self._offer is not None:
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

    def network_candidates(self, event: CallCandidates) -> None:
        """The contact may be reached there too."""
        is_answering = not self.is_open and not self._is_initiator
        known = self._offer.wanted if isinstance(self._offer, Ours) else self.ours
        if not is_answering and event.content in names_of(known):
            self._ask(Step(action=Action.TRANSPORT_INFO, endpoints={event.content: event.endpoint}))
        elif isinstance(self._offer, Theirs) and len(self._from_network) < CANDIDATES_KEPT:
            self._from_network.append(event)


def _can_be_had(step: Step) -> bool:
    """Tell whether an offer is understood whole; of a transport that is not, there is no endpoint."""
    is_whole = step.action is not Action.TRANSPORT_REPLACE or set(step.names) == set(step.endpoints)
    return step.flaw is None and is_whole


_REJECTIONS = {
    Action.CONTENT_ADD: Action.CONTENT_REJECT,
    Action.TRANSPORT_REPLACE: Action.TRANSPORT_REJECT,
}
_DONE_ONCE_ACKNOWLEDGED = frozenset({Action.CONTENT_REMOVE, Action.CONTENT_MODIFY, Action.DESCRIPTION_INFO})
"""Steps that no other step answers."""
