"""Whatever users and the network do, calls keep the contract of `bridge.calls`, and nothing is left of them."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.calls import (
    CallAnswer,
    CallDigits,
    CallEnd,
    CallHold,
    CallId,
    CallOffer,
    CallRefused,
    CallRinging,
    CallTransfer,
    CallUpdate,
    Ending,
)
from bridge.events import ContactId
from tests.transports.sip.calling import AUDIO, TO_JULIET, Gateway, Pair, described

ACTIONS = ("ring", "answer", "answer", "update", "hold", "resume", "refuse", "digits", "transfer", "end")
steps = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(ACTIONS), st.sampled_from((0.0, 0.1, 0.4, 2.0, 40.0))),
    max_size=14,
)


class User:
    """What a user knows of his call, and whether what he is told fits that."""

    def __init__(self, gateway: Gateway, call: CallId | None) -> None:
        self.gateway, self.call = gateway, call
        self.offers = 0 if call is None else 1
        """His offers, and transfers, that wait for an answer."""
        self.asked: Any = None
        """The peer's offer that waits for his."""
        self.stands = self.over = False

    def hear(self) -> None:
        for event in self.gateway.told():
            assert not self.over, event
            match event:
                case CallOffer():
                    assert self.call is None
                    self.call, self.asked = event.call, event
                case CallAnswer():
                    assert self.offers
                    self.offers, self.stands = self.offers - 1, True
                case CallRefused():
                    assert self.offers and self.stands
                    self.offers -= 1
                case CallUpdate():
                    assert self.stands and self.asked is None
                    self.asked = event
                case CallRinging():
                    assert not self.stands
                case CallHold() | CallDigits():
                    assert self.stands
                case CallEnd():
                    self.over = True
            assert event.call == self.call

    def act(self, action: str) -> None:
        if self.call is None or self.over:
            return
        event = self._event(action, self.call)
        if event is not None:
            self.gateway.do(event)

    def _event(self, action: str, call: CallId) -> Any:
        match action:
            case "ring" if self.asked is not None and not self.stands:
                return CallRinging(call=call)
            case "answer" if self.asked is not None:
                names = [one.name for one in self.asked.description.contents]
                self.asked, self.stands = None, True
                return CallAnswer(call=call, description=described(*names))
            case "refuse" if self.asked is not None and self.stands:
                self.asked = None
                return CallRefused(call=call)
            case "update" if self.stands and self.asked is None and not self.offers:
                self.offers += 1
                return CallUpdate(call=call, description=described("audio", "video"))
            case "transfer" if self.stands and not self.offers:
                self.offers += 1
                return CallTransfer(call=call, contact=ContactId("carol@b.gw"))
            case "hold" | "resume" if self.stands:
                return CallHold(call=call, held=action == "hold")
            case "digits" if self.stands:
                return CallDigits(call=call, digits="1")
            case "end":
                self.over = True
                return CallEnd(call=call, ending=Ending.SUCCESS)
        return None


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.booleans(), st.sampled_from((0.0, 0.2)), st.integers(0, 99))
def test_any_order_of_events_keeps_the_contract(
    steps: list[tuple[str, str, float]], is_slow: bool, loss: float, seed: int
) -> None:
    """Each offer is answered once, nothing follows an end, both sides end, and all is forgotten."""
    pair = Pair(loss=loss, seed=seed)
    pair.a.backend.is_slow = pair.b.backend.is_slow = is_slow
    users = {"a": User(pair.a, CallId("c1")), "b": User(pair.b, None)}
    pair.a.do(CallOffer(call=CallId("c1"), contact=TO_JULIET, description=AUDIO))
    for end, action, pause in steps:
        users[end].act(action)
        pair.run(pause) if pause else pair.settle()
        for user in users.values():
            user.hear()
    users["a"].act("end")
    pair.run(150)
    for user in users.values():
        user.hear()
        assert user.over or user.call is None
    pair.run(200)
    for gateway in (pair.a, pair.b):
        assert gateway.is_forgotten and not gateway.told()
