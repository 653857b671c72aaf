"""How much users telephone in a day."""

from __future__ import annotations

import pytest

from bridge.calls import CallAnswer, CallEnd, CallId, CallOffer, Ending
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from bridge.network import CallQuery
from tests.transports.sip import calling
from tests.transports.sip.calling import AUDIO, Pair, described
from tests.transports.sip.wires import Bridge
from transports.sip.calls.quotas import Quotas
from transports.sip.config import TrunkConfig
from transports.sip.lines.routes import Trunk
from transports.sip.wire.uri import parse_uri

ROMEO, JULIET, NUMBER = UserId("romeo@a.example"), UserId("juliet@a.example"), ContactId("+4930123")


def trunk(calls: int = 2, minutes: int = 10, contact: str = "") -> Trunk:
    config = TrunkConfig(server="sip:a.example", calls_per_day=calls, minutes_per_day=minutes)
    return Trunk(
        name="carrier",
        config=config,
        server=parse_uri(config.server),
        domain="a.example",
        contact=contact,
    )


class Played:
    """Quotas, the store, and the day."""

    def __init__(self, bridge: Bridge | None = None) -> None:
        self.bridge, self.now = bridge or Bridge(), 1_000_000.0
        self.it = Quotas(self.bridge, lambda: self.now)

    def refused(self, at: Trunk, user: UserId = ROMEO) -> Trouble:
        with pytest.raises(BridgeError) as raised:
            self.it.left(user, NUMBER, at)
        return raised.value.trouble


def test_calls_of_a_day_are_counted_for_each_user_and_over_restarts() -> None:
    """Tomorrow is another day."""
    scene = Played()
    for _ in range(2):
        assert scene.it.left(ROMEO, NUMBER, trunk()) == 600
        scene.it.begun(ROMEO, NUMBER, trunk())
    again = Played(scene.bridge)
    assert again.refused(trunk()) is Trouble.TOO_MANY
    assert again.it.left(JULIET, NUMBER, trunk()) == 600
    again.now += 86400
    assert again.it.left(ROMEO, NUMBER, trunk()) == 600


def test_minutes_are_counted_when_a_call_is_over() -> None:
    """What is left is how long the next may last."""
    scene = Played()
    scene.it.ended(ROMEO, NUMBER, trunk(), 0.0)
    assert scene.bridge.kept == {}
    scene.it.ended(ROMEO, NUMBER, trunk(), 590.5)
    assert scene.it.left(ROMEO, NUMBER, trunk()) == 9.5
    scene.it.ended(ROMEO, NUMBER, trunk(), 20.0)
    assert scene.refused(trunk()) is Trouble.TOO_MANY


def test_trunk_without_a_quota_carries_no_call_to_a_number() -> None:
    """Neither calls nor minutes may be 0."""
    assert Played().refused(trunk(calls=0)) is Trouble.NOT_ALLOWED
    assert Played().refused(trunk(minutes=0)) is Trouble.NOT_ALLOWED


def test_number_at_the_trunks_domain_is_counted() -> None:
    """But no phone that is there."""
    scene = Played()
    scene.it.begun(ROMEO, ContactId("4711@a.example"), trunk())
    assert scene.bridge.kept == {}
    scene.it.begun(ROMEO, ContactId("+4930123@a.example"), trunk(1))
    assert scene.refused(trunk(1)) is Trouble.TOO_MANY


def test_what_costs_the_operator_nothing_is_not_counted() -> None:
    """Addresses, open federation, and a user's own account."""
    scene = Played()
    for contact, at in (
        (ContactId("bob@a.example"), trunk(0)),
        (NUMBER, None),
        (NUMBER, trunk(0, contact="word")),
    ):
        assert scene.it.left(ROMEO, contact, at) is None
        scene.it.begun(ROMEO, contact, at)
        scene.it.ended(ROMEO, contact, at, 5.0)
    assert scene.bridge.kept == {}


# ---- in calls


def called(pair: Pair, call: str = "c1") -> list[CallOffer]:
    """Have Romeo call the number that is Juliet's; return what she is told."""
    pair.a.do(CallOffer(call=CallId(call), contact=NUMBER_OF_JULIET, description=AUDIO))
    pair.run(1)
    return pair.b.told()


NUMBER_OF_JULIET = ContactId("+15551234")
RINGS = (f"{calling.JULIET} {NUMBER_OF_JULIET}",)


def test_call_to_a_number_ends_when_the_minutes_of_the_day_are_spent() -> None:
    """Both ends are told; what they talked is counted."""
    pair = Pair({"caller_ids": RINGS, "minutes_per_day": 1})
    [offer] = called(pair)
    pair.b.do(CallAnswer(call=offer.call, description=described("audio0")))
    pair.run(58)
    assert not [one for one in (*pair.a.told(), *pair.b.told()) if isinstance(one, CallEnd)]
    pair.run(2)
    [end] = pair.a.told()
    assert end.ending is Ending.EXPIRED and "today" in end.text
    assert [type(one) for one in pair.b.told()] == [CallEnd]
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten
    carrier = pair.a.network._routes.trunks["peer"]
    left = Quotas(pair.a.bridge, lambda: 1_700_000_000.0).left(calling.ROMEO, NUMBER_OF_JULIET, carrier)
    assert left is not None and left <= 2, "what rang is not counted as talk"


def test_calls_of_a_day_are_limited_and_who_asks_is_told_before() -> None:
    """CallQuery says what an offer would be told; a person at the trunk is no number."""
    pair = Pair({"caller_ids": RINGS, "calls_per_day": 1})
    [offer] = called(pair)
    pair.a.do(CallEnd(call=CallId("c1"), ending=Ending.CANCELLED))
    pair.run(1)
    pair.b.told()
    assert called(pair, "c2") == []
    [end] = pair.a.told()
    assert end.call == "c2" and "today" in end.text
    failures: list = []
    asked = pair.a.network.ask(calling.ROMEO, CallQuery(NUMBER_OF_JULIET, frozenset()))
    asked.addErrback(failures.append)
    assert failures[0].value.trouble is Trouble.TOO_MANY
    assert pair.offer(call="c3").call != offer.call
