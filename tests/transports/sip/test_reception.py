"""Requests that are no messages; those that are, are in test_network."""

from __future__ import annotations

import pytest

from tests.transports.sip.samples import request
from tests.transports.sip.test_network import STRANGER, Scene
from tests.transports.sip.wires import PEER
from transports.sip.agent import ALLOW
from transports.sip.message import Response, write
from transports.sip.reception import RETRY_AFTER

LONG = (("User-Agent", "x" * 100),)


@pytest.mark.parametrize(
    ("method", "uri", "host", "status"),
    [
        ("OPTIONS", "sip:gw.example", PEER, 200),
        ("OPTIONS", "sip:192.0.2.1:5060", PEER, 200),
        ("OPTIONS", "sip:else.example", PEER, 404),
        ("OPTIONS", "sips:gw.example", PEER, 416),
        ("OPTIONS", "sip:gw.example", STRANGER, 403),
        ("INVITE", "sip:a%40b@gw.example", PEER, 405),
        ("REGISTER", "sip:gw.example", PEER, 405),
        ("NONSENSE", "sip:gw.example", PEER, 405),
    ],
)
def test_request_gets_the_status_that_the_rfc_wants(method: str, uri: str, host: str, status: int) -> None:
    """And says what we can do."""
    scene = Scene().up()
    scene.reactor.arrive(write(request(method, uri=uri, fields=LONG)), host)
    [answer] = scene.reactor.taken()
    assert isinstance(answer, Response) and answer.status == status and answer.to.tag
    if host == PEER and status in (200, 405):
        assert answer.get("Allow") == ALLOW[0][1]


def test_list_of_requirements_that_nobody_can_read_is_a_400() -> None:
    """It is not our fault, and no other request's."""
    scene = Scene().up()
    scene.reactor.arrive(write(request("OPTIONS", uri="sip:gw.example", fields=(("Require", '"a,'),))))
    assert scene.answers() == [400]


def test_paused_gateway_says_when_to_come_again() -> None:
    """RFC 3261 §21.5.4."""
    scene = Scene().up()
    scene.network.pause()
    scene.hear("hello")
    [answer] = scene.reactor.taken()
    assert answer.get("Retry-After") == str(RETRY_AFTER)
