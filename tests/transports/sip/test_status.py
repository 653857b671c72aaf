"""Statuses and troubles."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.samples import request
from transports.sip.status import STATUSES, status_of, trouble_of
from transports.sip.tables import REASONS
from transports.sip.wire.message import respond


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (302, "redirect"),
        (399, "redirect"),
        (403, "forbidden"),
        (404, "item-not-found"),
        (408, "remote-server-timeout"),
        (410, "gone"),
        (415, "not-acceptable"),
        (413, "policy-violation"),
        (480, "recipient-unavailable"),
        (486, "recipient-unavailable"),
        (499, "bad-request"),
        (501, "feature-not-implemented"),
        (502, "remote-server-not-found"),
        (503, "internal-server-error"),
        (699, "recipient-unavailable"),
    ],
)
def test_status_is_told_by_the_condition_of_the_rfc(status: int, condition: str) -> None:
    """RFC 7247 §7.2, table 3 and what it says of others."""
    error = trouble_of(respond(request(), status))
    assert error.trouble.value.condition == condition and str(status) in error.text


def test_peers_phrase_is_cut_and_cleaned() -> None:
    """A user sees it."""
    error = trouble_of(respond(request(), 404, reason="No\x07body\u202e" + "x" * 500))
    assert "Nobody" in error.text and len(error.text) < 150


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_has_a_status_that_sip_knows(trouble: Trouble) -> None:
    """None asks for a password that nobody has."""
    status = status_of(BridgeError(trouble))
    assert status in REASONS and status not in (401, 407)
    assert trouble.value.condition in STATUSES
