"""The tables of the four machines."""

from itertools import product

import pytest

from tests.transports.sip.samples import request
from transports.sip.agent.routing import Hop
from transports.sip.agent.transaction import (
    CLIENT_INVITE,
    CLIENT_OTHER,
    SERVER_INVITE,
    SERVER_OTHER,
    START,
    Input,
    State,
    Timer,
    Timings,
    Transaction,
    ack_failure,
    cancel,
    received,
    sent,
)
from transports.sip.wire.message import respond

TABLES = [CLIENT_INVITE, CLIENT_OTHER, SERVER_INVITE, SERVER_OTHER]
HOP = Hop(transport="UDP", host="192.0.2.1", port=5060)


def states(table):
    return {state for state, _ in table} | {state for state, _ in table.values()}


@pytest.mark.parametrize("table", TABLES)
def test_every_state_leads_to_the_end(table):
    """There is a way to terminated from each, and none out of it."""
    reached = {State.TERMINATED}
    for _ in table:
        reached |= {state for (state, _), (following, _) in table.items() if following in reached}
    assert states(table) == reached
    assert not any(state is State.TERMINATED for state, _ in table)


@pytest.mark.parametrize("table", TABLES)
def test_every_timer_is_started_before_it_is_awaited(table):
    """A row of a timer that nobody starts would never be reached."""
    begins = [
        actions for by_kind in START.values() for found, _, actions in by_kind.values() if found is table
    ]
    started = {
        action for actions in [*begins, *(actions for _, actions in table.values())] for action in actions
    }
    assert {cause for _, cause in table if isinstance(cause, Timer)} == {
        action for action in started if isinstance(action, Timer)
    }


@pytest.mark.parametrize(("is_client", "method"), [*product([True, False], ["INVITE", "OPTIONS"])])
def test_what_has_no_row_changes_nothing(is_client, method):
    """Any input may come at any time."""
    for cause in [*Input, *Timer]:
        transaction = Transaction(request(method), HOP, is_client)
        before = transaction.state
        table = START[is_client][method == "INVITE"][0]
        actions = transaction.step(cause)
        expected = table.get((before, cause), (before, ()))
        assert (transaction.state, actions) == expected


@pytest.mark.parametrize(
    ("timer", "is_reliable", "pauses"),
    [
        (Timer.A, False, [0.5, 1, 2, 4, 8, 16]),
        (Timer.E, False, [0.5, 1, 2, 4, 4, 4]),
        (Timer.G, False, [0.5, 1, 2, 4, 4, 4]),
        (Timer.A, True, [None]),
        (Timer.E, True, [None]),
        (Timer.G, True, [None]),
        *(
            (timer, is_reliable, [32])
            for timer in (Timer.B, Timer.F, Timer.H, Timer.L, Timer.M)
            for is_reliable in (True, False)
        ),
        *(
            (timer, False, [seconds])
            for timer, seconds in ((Timer.D, 32), (Timer.I, 5), (Timer.J, 32), (Timer.K, 5))
        ),
        *((timer, True, [0]) for timer in (Timer.D, Timer.I, Timer.J, Timer.K)),
        (Timer.TRYING, True, [0.2]),
    ],
)
@pytest.mark.spec("RFC 3261 table 4")
def test_timers_run_as_long_as_the_table_says(timer, is_reliable, pauses):
    """Retransmissions double; streams need none."""
    found = [Timings().pause(timer, is_reliable, count, State.TRYING) for count in range(len(pauses))]
    assert found == pauses
    assert Timings().pause(timer, is_reliable, 10**6, State.TRYING) is None or pauses[0] is not None


def test_a_request_that_is_worked_on_is_asked_for_rarely():
    """Timer E is T2 from the first provisional response on (RFC 3261 §17.1.2.2)."""
    assert Timings().pause(Timer.E, False, 0, State.PROCEEDING) == 4.0


@pytest.mark.parametrize(
    ("status", "client", "server"),
    [
        (100, Input.PROVISIONAL, Input.SEND_PROVISIONAL),
        (199, Input.PROVISIONAL, Input.SEND_PROVISIONAL),
        (200, Input.SUCCESS, Input.SEND_SUCCESS),
        (300, Input.FAILURE, Input.SEND_FAILURE),
        (699, Input.FAILURE, Input.SEND_FAILURE),
    ],
)
def test_responses_are_inputs_by_their_class(status, client, server):
    """From the network and from the user."""
    response = respond(request(), status)
    assert (received(response), sent(response)) == (client, server)


@pytest.mark.spec("RFC 3261 §17.1.1.3")
def test_ack_of_a_failure_is_like_its_invite():
    """Same branch, number and route; To as in the response."""
    invite = request("INVITE", number=7, fields=(("Route", "<sip:edge;lr>"), ("Subject", "x")), body=b"x")
    ack = ack_failure(invite, respond(invite, 486, "b2"))
    assert (ack.method, ack.cseq.number, ack.to.tag, ack.via, ack.uri) == (
        "ACK",
        7,
        "b2",
        invite.via,
        invite.uri,
    )
    assert (ack.fields, ack.body) == ((("Route", "<sip:edge;lr>"),), b"")


@pytest.mark.spec("RFC 3261 §9.1")
def test_cancel_is_like_its_invite():
    """To has no tag, as the INVITE's had none."""
    invite = request("INVITE", number=7)
    gone = cancel(invite)
    assert (gone.method, gone.cseq.number, gone.to, gone.via) == ("CANCEL", 7, invite.to, invite.via)
