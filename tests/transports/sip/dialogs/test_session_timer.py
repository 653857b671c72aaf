"""Sessions that have to be refreshed."""

from __future__ import annotations

import pytest

from tests.transports.sip.samples import request
from transports.sip.dialogs.session_timer import (
    Agreement,
    Policy,
    SessionTimer,
    TooSmall,
    agree,
    agreed,
    ask,
    raised,
)
from transports.sip.wire.message import respond
from transports.sip.wire.uri import Malformed

KNOWN = ("Supported", "replaces, timer")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def invite(*fields: tuple[str, str]):
    return request("INVITE", fields=fields)


@pytest.mark.spec("RFC 4028 §7.1")
def test_a_client_asks_for_its_interval():
    """And for who refreshes, once that is known."""
    assert ask(Policy()) == (("Supported", "timer"), ("Session-Expires", "1800"))
    assert ask(Policy(least=120))[-1] == ("Min-SE", "120")
    assert ask(Policy(), Agreement(600, True))[1] == ("Session-Expires", "600;refresher=uac")
    assert ask(Policy(), Agreement(600, False))[1] == ("Session-Expires", "600;refresher=uas")


@pytest.mark.parametrize(
    ("fields", "expires", "requires", "agreement"),
    [
        ((KNOWN, ("Session-Expires", "1800")), "1800;refresher=uac", True, Agreement(1800, False)),
        (
            (KNOWN, ("x", "y"), ("Session-Expires", "900;refresher=uas")),
            "900;refresher=uas",
            True,
            Agreement(900, True),
        ),
        ((KNOWN, ("Session-Expires", "900;Refresher=UAC")), "900;refresher=uac", True, Agreement(900, False)),
        ((KNOWN, ("Session-Expires", "90000")), "1800;refresher=uac", True, Agreement(1800, False)),
        (
            (KNOWN, ("Session-Expires", "9000"), ("Min-SE", "5000")),
            "5000;refresher=uac",
            True,
            Agreement(5000, False),
        ),
        ((KNOWN,), "1800;refresher=uas", True, Agreement(1800, True)),
        ((KNOWN, ("Min-SE", "3600")), "3600;refresher=uas", True, Agreement(3600, True)),
        ((), "1800;refresher=uas", False, Agreement(1800, True)),
        ((("Session-Expires", "600"),), "600;refresher=uas", False, Agreement(600, True)),
        (
            (("Require", "timer"), ("Session-Expires", "600")),
            "600;refresher=uac",
            True,
            Agreement(600, False),
        ),
    ],
)
@pytest.mark.spec("RFC 4028 §9")
def test_a_server_agrees_as_the_table_says(fields, expires, requires, agreement):
    """It never asks for more than was asked, nor for less than the client's least."""
    answer, found = agree(Policy(), invite(*fields))
    assert found == agreement
    assert answer == ((("Require", "timer"),) if requires else ()) + (("Session-Expires", expires),)
    assert agreed(respond(invite(), 200, fields=answer)) == Agreement(
        agreement.interval, not agreement.is_ours
    )


def test_too_small_an_interval_is_refused():
    """Only of those who would understand the refusal (RFC 4028 §9)."""
    small = ("Session-Expires", "100")
    with pytest.raises(TooSmall) as caught:
        agree(Policy(least=120), invite(KNOWN, small))
    assert caught.value.fields == (("Min-SE", "120"),)
    assert agree(Policy(least=120), invite(small))[1] == Agreement(100, True)


@pytest.mark.spec("RFC 4028 §7.3")
def test_a_client_asks_again_for_more():
    """If there is more to ask for; it does not go round in circles."""
    refusal = respond(invite(), 422, fields=(("Min-SE", "3600"),))
    more = raised(Policy(), refusal)
    assert more == Policy(interval=3600, least=3600)
    assert raised(more, refusal) is None
    assert raised(Policy(), respond(invite(), 422)) is None


def test_a_response_without_timer_has_none():
    """Then nothing ends by itself; an interval below the least is read as the least."""
    assert agreed(respond(invite(), 200)) is None
    assert agreed(respond(invite(), 200, fields=(("Session-Expires", "5;refresher=uas"),))) == Agreement(
        90, False
    )
    assert agreed(respond(invite(), 200, fields=(("Session-Expires", "300"),))) == Agreement(300, True)


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "99999999999999999999", "1.5", "²", "1;;"])
def test_an_interval_that_is_none_is_malformed(value):
    """Wherever it stands."""
    with pytest.raises(Malformed):
        agree(Policy(), invite(KNOWN, ("Session-Expires", value)))
    with pytest.raises(Malformed):
        agree(Policy(), invite(KNOWN, ("Min-SE", value)))
    with pytest.raises(Malformed):
        agreed(respond(invite(), 200, fields=(("Session-Expires", value),)))


@pytest.mark.parametrize(("interval", "end"), [(1800, 1768), (90, 60)])
@pytest.mark.spec("RFC 4028 §10")
def test_we_refresh_at_half_time_and_give_up_before_the_end(interval, end):
    """By a third or 32 seconds; each refresh begins anew."""
    clock = Clock()
    timer = SessionTimer(clock)
    timer.start(Agreement(interval, is_ours=True))
    assert timer.next_deadline == 1000 + interval / 2
    assert not timer.is_refresh_due()
    clock.now = timer.next_deadline
    assert timer.is_refresh_due()
    assert not timer.is_refresh_due()
    assert (timer.next_deadline, timer.is_over) == (1000 + end, False)
    clock.now = 1000 + end
    assert timer.is_over
    timer.start(Agreement(interval, is_ours=True))
    assert (timer.is_over, timer.next_deadline) == (False, clock.now + interval / 2)


def test_the_peer_refreshes_or_the_session_ends():
    """And without timer it goes on for ever."""
    clock = Clock()
    timer = SessionTimer(clock)
    timer.start(Agreement(90, is_ours=False))
    clock.now += 59
    assert (timer.is_refresh_due(), timer.is_over, timer.next_deadline) == (False, False, 1060)
    clock.now += 1
    assert timer.is_over
    timer.start(None)
    assert (timer.is_over, timer.next_deadline, timer.is_refresh_due()) == (False, None, False)
