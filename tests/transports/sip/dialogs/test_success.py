"""A 200 that is repeated."""

from tests.transports.sip.samples import request
from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.success import Success
from transports.sip.wire.message import respond


def test_a_success_is_repeated_for_64_t1():
    """With pauses up to T2, and not before its time."""
    now = [100.0]
    success = Success(respond(request("INVITE"), 200), lambda: now[0], Timings())
    assert success.expire() is None
    times = []
    while not success.is_lost:
        now[0] = success.next_deadline
        if success.expire() is not None:
            times.append(now[0] - 100)
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert now == [132.0]
