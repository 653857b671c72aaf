"""Which clients a user has, and what they can do."""

from __future__ import annotations

import pytest

from bridge.services.calls.devices import UNKNOWN, Devices
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.caps import Caps, verification
from bridge.xmpp.payloads.disco import Identity, Info, build_info
from tests.bridge.services.calls.desk import PHONE, ROMEO, USER, Desk
from tests.bridge.services.scene import NURSE

INFO = Info(identities=(Identity("client", "phone"),), features=("urn:xmpp:jingle:1",))
TRUE = Caps("https://client.example", verification(INFO), "sha-1")
FALSE = Caps("https://client.example", "another", "sha-1")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_clients_are_known_while_they_are_available(desk: Desk) -> None:
    """For each contact by itself; a second presence of one is the same client."""
    desk.there(ROMEO)
    desk.there(PHONE)
    desk.there(PHONE)
    devices = desk.calls._devices
    assert set(devices.of(USER, NURSE)) == {ROMEO, PHONE}
    assert devices.of(USER, "peter%irc.example@gw.example") == {}
    for device in (PHONE, PHONE, ROMEO):
        desk.away(device)
    assert (devices.of(USER, NURSE), devices._count, devices._there) == ({}, 0, {})


@pytest.mark.parametrize(("caps", "questions"), [(TRUE, 1), (FALSE, 2), (None, 2)])
def test_same_clients_are_asked_once(desk: Desk, caps: Caps | None, questions: int) -> None:
    """XEP-0115 §5.4: unless what they say is not what they said that it is."""
    devices = Devices(desk.router)
    asked = 0
    for device in (ROMEO, PHONE):
        found: list[frozenset[str]] = []
        devices.abilities(device, caps, NURSE).addCallback(found.append)
        for question in desk.taken():
            asked += 1
            assert (question.get("from"), question.get("to")) == (NURSE, device)
            desk.reply(question, "", build_info(INFO))
        assert found == [frozenset(INFO.features)]
    assert asked == questions


@pytest.mark.parametrize("is_error", [True, False])
def test_client_that_does_not_say_may_be_anything(desk: Desk, is_error: bool) -> None:
    """Neither an error nor an empty answer tells what it can do."""
    found: list[frozenset[str]] = []
    Devices(desk.router).abilities(ROMEO, TRUE, NURSE).addCallback(found.append)
    (question,) = desk.taken()
    desk.reply(question, "service-unavailable" if is_error else "", Element("other", "urn:other"))
    assert found == [UNKNOWN]
