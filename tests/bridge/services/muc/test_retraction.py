"""Moderated retraction."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.capabilities import Capabilities, Level
from bridge.errors import BridgeError, Trouble
from bridge.events import Failed, Retraction, RoomId, Sent, UserId
from bridge.services.muc.context import Context
from bridge.services.muc.occupancy import HistoryRequest, Occupancy, Resource
from bridge.services.muc.retraction import ModeratedRetraction
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.moderation import NS_MODERATION
from bridge.xmpp.payloads.retract import build_retract
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import JULIET, ROMEO, ROOM, Scene, condition

USER, ROOM_ID = UserId("romeo@montague.example"), RoomId("#verona%irc.example")


class Played(Scene):
    """Romeo is in the room, on a network that can moderate."""

    def __init__(self) -> None:
        super().__init__()
        self.network.levels = Capabilities(moderation=Level.NATIVE)
        unused: Any = None
        self.context = Context(
            router=self.router,
            network=self.network,  # type: ignore[arg-type]
            store=self.store,  # type: ignore[arg-type]
            renderer=unused,
            clock=self.clock,
            wall=self.clock.seconds,
            settings=self.settings,
        )
        occupancy = Occupancy(USER, ROOM_ID, "irc.example", "Romeo", "")
        occupancy.resources[ROMEO] = Resource(ROMEO, "Romeo", HistoryRequest())
        self.context.rooms.add(occupancy)
        self.add(ModeratedRetraction(self.context))

    def moderate(self, sender: str = ROMEO) -> list[Element]:
        payload = Element("moderate", NS_MODERATION, {"id": "5f"}, build_retract("5f"))
        payload.add(Element("reason", NS_MODERATION, None, "rude"))
        attributes = {"type": "set", "from": sender, "to": ROOM, "id": "1"}
        return self.give(Element("iq", NS_COMPONENT, attributes, payload))


@pytest.fixture
def scene() -> Played:
    return Played()


def test_moderation_is_answered_when_the_network_did_it(scene):
    """XEP-0425 §4.1: the result follows the deed."""
    assert scene.moderate() == []
    ((user, event),) = scene.network.submitted
    assert (user, event) == (
        USER,
        Retraction(room=ROOM_ID, id="5f", actor="Romeo", reason="rude", ref=event.ref),
    )
    scene.context.tickets.sent(Sent(ref=event.ref))
    assert [answer.get("type") for answer in scene.taken()] == ["result"]


def test_refusal_of_the_network_is_told(scene):
    """XEP-0425 §4.2: who may not moderate learns it."""
    scene.moderate()
    ref = scene.network.submitted[0][1].ref
    scene.context.tickets.failed(Failed(ref=ref, error=BridgeError(Trouble.NO_PRIVILEGE)))
    assert condition(scene.taken()[0]) == ("cancel", "not-allowed")


def test_moderation_where_the_network_cannot_is_refused(scene):
    """Nothing is submitted in vain."""
    scene.network.levels = Capabilities()
    assert condition(scene.moderate()[0]) == ("cancel", "feature-not-implemented")
    assert scene.network.submitted == []


def test_moderation_from_outside_is_refused(scene):
    """Only occupants moderate."""
    assert condition(scene.moderate(JULIET)[0]) == ("modify", "not-acceptable")
