"""Whom the other one is to talk to instead."""

from __future__ import annotations

import pytest

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid
from bridge.xmpp.payloads.jingle import Action, Jingle, Reason, build_reason, parse_reason
from bridge.xmpp.payloads.jingle_transfer import (
    NS_TRANSFER,
    Transfer,
    build_transfer,
    build_transferred,
    parse_transfer,
)

BOSS, DESK = Jid.parse("boss@execs.example.com/phone"), Jid.parse("attendant@office.example.com/desk")


def told(*payloads: Element) -> Jingle:
    return Jingle(action=Action.SESSION_INFO, sid="851ba2", payloads=payloads)


@pytest.mark.parametrize(
    "transfer",
    [Transfer(to=BOSS), Transfer(to=BOSS, origin=DESK, sid="663e9f"), Transfer(origin=DESK, sid="663e9f")],
)
def test_transfer_is_read_as_it_was_written(transfer: Transfer) -> None:
    """XEP-0251 §2 and §3: without and with a talk before it."""
    assert parse_transfer(told(build_transfer(transfer))) == transfer


@pytest.mark.parametrize(
    ("facts", "trouble"),
    [({"to": "@@"}, Trouble.JID_MALFORMED), ({"to": "a@b", "sid": "a\nb"}, Trouble.BAD_REQUEST)],
)
def test_transfer_to_nowhere_is_refused(facts: dict[str, str], trouble: Trouble) -> None:
    """Its author is told why."""
    with pytest.raises(BridgeError) as caught:
        parse_transfer(told(Element("transfer", NS_TRANSFER, facts)))
    assert caught.value.trouble is trouble


def test_session_ends_by_a_transfer() -> None:
    """XEP-0251 §2: the reason says so beside its condition."""
    reason = Reason(Ending.SUCCESS, "done", detail=build_transferred())
    assert parse_reason(Element("jingle", "urn:xmpp:jingle:1", None, build_reason(reason))) == reason
    assert parse_transfer(told(build_transferred())) is None
