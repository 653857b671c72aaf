"""Tickets of outgoing events."""

import pytest
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.events import Failed, Ref, Sent, UserId
from bridge.services.muc.context import RECENT_TICKETS, TICKETS_PER_USER, Awaited, Tickets
from bridge.services.muc.journal import Envelope, Journal

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


class Spoken:
    """A ticket of a message."""

    def __init__(self) -> None:
        self.user = ROMEO
        self.envelope = Envelope("romeo@montague.example/garden", "#verona@gw.example", "m1", "groupchat")
        self.seen: list[object] = []

    def sent(self, event: Sent) -> None:
        self.seen.append("sent")

    def failed(self, error: BridgeError) -> None:
        self.seen.append(error.trouble)


def spoken() -> Tickets:
    return Tickets(Journal("gw.example", Settled(), Clock()), 0)  # type: ignore[arg-type]


class Settled:
    """A store that takes note of nothing."""

    def settled(self, domain: str, user: str, ref: int) -> None:
        return None


def test_message_refused_after_it_was_sent_is_reported_once() -> None:
    """A network without echo says only later that a line was not taken."""
    tickets, ticket = spoken(), Spoken()
    ref = tickets.issue(ticket)
    tickets.sent(Sent(ref=ref))
    for _ in range(2):
        tickets.failed(Failed(ref=ref, error=BridgeError(Trouble.CANNOT_SPEAK)))
    assert ticket.seen == ["sent", Trouble.CANNOT_SPEAK]


def test_messages_that_went_through_are_not_remembered_for_ever() -> None:
    """What is kept for late failures is bounded."""
    tickets, first = spoken(), Spoken()
    early = tickets.issue(first)
    tickets.sent(Sent(ref=early))
    for _ in range(2 * RECENT_TICKETS):
        tickets.sent(Sent(ref=tickets.issue(Spoken())))
    tickets.failed(Failed(ref=early, error=BridgeError(Trouble.LOST)))
    assert first.seen == ["sent"]
