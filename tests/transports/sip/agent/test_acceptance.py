"""What is refused before it is looked at."""

import pytest

from tests.transports.sip.samples import SDP, request
from transports.sip.agent.acceptance import Abilities, Refusal, inspect
from transports.sip.tables import REASONS

OURS = Abilities(methods=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"), extensions=("100rel", "timer"))
SDP_TYPE = ("Content-Type", "application/sdp")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("INVITE", body=SDP, fields=(SDP_TYPE,)), None),
        (request("INVITE", body=SDP, fields=(("Content-Type", "Application/SDP;charset=x"),)), None),
        (request("SUBSCRIBE"), 405),
        (request("DANCE"), 501),
        (request("invite"), 501),
        (request(uri="im:bob@bob.example"), 416),
        (request(fields=(("Require", "Timer, 100rel"),)), None),
        (request(fields=(("Require", "timer, magic"), ("Require", "more"))), 420),
        (request("CANCEL", fields=(("Require", "magic"),)), None),
        (request("ACK", uri="im:x", fields=(("Require", "magic"),)), None),
        (request(body=b"x", fields=(("Content-Type", "text/plain"),)), 415),
        (request(body=b"x"), 400),
        (request(body=b"x", fields=(("Content-Type", "a;;"),)), 400),
        (
            request(
                body=b"x",
                fields=(("Content-Type", "text/plain"), ("Content-Disposition", "x;handling=Optional")),
            ),
            None,
        ),
        (request(body=SDP, fields=(SDP_TYPE, ("Content-Encoding", "gzip"))), 415),
        (request(body=SDP, fields=(SDP_TYPE, ("Content-Encoding", "identity"))), None),
        (request("INVITE", fields=(("Accept", "text/plain, image/*"),)), 406),
        (request("INVITE", fields=(("Accept", "text/plain, application/*;q=0.1"),)), None),
        (request("INVITE", fields=(("Accept", "*/*"),)), None),
        (request("INVITE", fields=(("Accept", 'a, "open'),)), 400),
        (request(fields=(("Accept", "text/plain"),)), None),
    ],
)
@pytest.mark.spec("RFC 3261 §8.2")
def test_requests_are_inspected_in_the_rfcs_order(asked, status):
    """Method, scheme, extensions, content."""
    refusal = inspect(asked, OURS)
    assert (refusal and refusal.status) == status
    assert status is None or REASONS[status]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (request("SUBSCRIBE"), ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")),
        (request(fields=(("Require", "timer, magic"),)), ("Unsupported", "magic")),
        (
            request(body=b"x", fields=(("Content-Type", "a/b"),)),
            ("Accept", "application/sdp, multipart/mixed, multipart/alternative"),
        ),
        (
            request(body=b"x", fields=(SDP_TYPE, ("Content-Encoding", "gzip"))),
            ("Accept-Encoding", "identity"),
        ),
    ],
)
def test_a_refusal_says_what_would_be_served(asked, field):
    """The sender can try again."""
    refusal = inspect(asked, OURS)
    assert isinstance(refusal, Refusal)
    assert refusal.fields == (field,)
