"""What statuses and reasons mean, both ways."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from tests.transports.sip.samples import request
from transports.sip.calls.ending import (
    STATUSES,
    ending_of,
    ending_of_reasons,
    ending_of_trouble,
    reason_of,
    status_of_trouble,
    words_of,
)
from transports.sip.wire.message import respond
from transports.sip.wire.reason import Reason


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        (302, Ending.ALTERNATIVE),
        (403, Ending.DECLINED),
        (404, Ending.GONE),
        (407, Ending.SECURITY),
        (408, Ending.TIMED_OUT),
        (480, Ending.EXPIRED),
        (486, Ending.BUSY),
        (487, Ending.CANCELLED),
        (488, Ending.INCOMPATIBLE),
        (503, Ending.GENERAL),
        (600, Ending.BUSY),
        (603, Ending.DECLINED),
        (699, Ending.GENERAL),
    ],
)
def test_status_has_its_ending(status: int, ending: Ending) -> None:
    """What is not listed is an error of the other side."""
    assert ending_of(status) is ending


def test_every_ending_has_a_final_status() -> None:
    """A caller is always answered; only those that need no reason give none."""
    assert set(STATUSES) == set(Ending)
    assert all(400 <= status < 700 for status in STATUSES.values())
    assert {ending for ending in Ending if reason_of(ending, "") is None} == {
        Ending.SUCCESS,
        Ending.CANCELLED,
    }


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ([], (Ending.SUCCESS, "")),
        ([Reason("Q.850", 16, "Normal")], (Ending.SUCCESS, "Normal")),
        ([Reason("Q.850", 17)], (Ending.BUSY, "")),
        ([Reason("Q.850", 41)], (Ending.GENERAL, "")),
        ([Reason("SIP", 200, "elsewhere")], (Ending.SUCCESS, "")),
        ([Reason("SIP", 408, "no\x07 sound")], (Ending.TIMED_OUT, "SIP 408 Request Timeout: no sound")),
        ([Reason("X", None), Reason("SIP", 486)], (Ending.BUSY, "SIP 486 Busy Here")),
    ],
)
def test_reason_of_a_bye_is_read(reasons: list[Reason], told: tuple[Ending, str]) -> None:
    """Most have none, and are the usual end."""
    assert ending_of_reasons(reasons) == told


def test_trouble_ends_a_call_and_answers_a_caller() -> None:
    """Both are told of the same."""
    for trouble, ending, status in (
        (Trouble.NOT_ACCEPTABLE, Ending.INCOMPATIBLE, 488),
        (Trouble.OVERLOADED, Ending.GENERAL, 503),
        (Trouble.NOT_ALLOWED, Ending.DECLINED, 403),
        (Trouble.TIMED_OUT, Ending.TIMED_OUT, 408),
    ):
        error = BridgeError(trouble)
        assert (ending_of_trouble(error), status_of_trouble(error)) == (ending, status)


def test_words_are_the_peers_own_if_it_has_any() -> None:
    """They are shown to people, so nothing else than words is left."""
    response = respond(request("INVITE"), 486, reason="On the\x1b phone")
    assert words_of(486, response) == "SIP 486 On the phone"
    assert words_of(488, replace(response, status=200)) == "SIP 488 Not Acceptable Here"
    assert words_of(480, None) == "SIP 480 Temporarily Unavailable" and words_of(499, None) == "SIP 499"
