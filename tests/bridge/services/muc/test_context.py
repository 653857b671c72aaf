"""Tickets of outgoing events."""

import pytest
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.events import Failed, Ref, Sent, UserId
from bridge.services.muc.context import TICKETS_PER_USER, Awaited, Tickets
from bridge.services.muc.journal import Journal

ROMEO = UserId("romeo@montague.example")
NOTHING = Journal("gw.example", None, Clock())  # type: ignore[arg-type]
"""No test here sends a message, so nothing is journalled."""


def test_sent_settles_an_awaited_ticket_once() -> None:
    """The iq is answered by the first outcome; a late failure changes nothing."""
    tickets, ticket, found = Tickets(NOTHING, 0), Awaited(ROMEO), []
    ref = tickets.issue(ticket)
    ticket.done.addCallback(found.append)
    tickets.sent(Sent(ref=ref))
    tickets.failed(Failed(ref=ref, error=BridgeError(Trouble.LOST)))
    assert found == [None]
    assert len(tickets) == 0


def test_part_of_several_keeps_the_ticket_open() -> None:
    """A message of several lines is settled by the last one."""
    tickets, ticket = Tickets(NOTHING, 0), Awaited(ROMEO)
    ref = tickets.issue(ticket)
    tickets.sent(Sent(ref=ref, last=False))
    assert not ticket.done.called
    assert len(tickets) == 1
    tickets.sent(Sent(ref=ref))
    assert ticket.done.called


def test_failure_is_the_answer() -> None:
    """The network's refusal reaches who asked."""
    tickets, ticket, found = Tickets(NOTHING, 0), Awaited(ROMEO), []
    ref = tickets.issue(ticket)
    ticket.done.addErrback(lambda failure: found.append(failure.value.trouble))
    tickets.failed(Failed(ref=ref, error=BridgeError(Trouble.NO_PRIVILEGE)))
    assert found == [Trouble.NO_PRIVILEGE]


def test_unknown_ref_is_ignored() -> None:
    """A network that answers twice does no harm."""
    tickets = Tickets(NOTHING, 0)
    tickets.sent(Sent(ref=Ref(7)))
    tickets.failed(Failed(ref=Ref(7), error=BridgeError(Trouble.LOST)))
    assert len(tickets) == 0


def test_user_with_too_much_under_way_is_refused() -> None:
    """One user's flood is bounded, another user is not affected."""
    tickets = Tickets(NOTHING, 0)
    for _ in range(TICKETS_PER_USER):
        tickets.issue(Awaited(ROMEO))
    with pytest.raises(BridgeError) as caught:
        tickets.issue(Awaited(ROMEO))
    assert caught.value.trouble is Trouble.OVERLOADED
    tickets.issue(Awaited(UserId("juliet@capulet.example")))
