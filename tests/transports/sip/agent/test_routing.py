"""Where responses go."""

import pytest
from msgspec.structs import replace

from tests.transports.sip.samples import request
from transports.sip.agent.routing import Hop, is_address, response_hop, stamp
from transports.sip.wire.headers import Via
from transports.sip.wire.message import respond

SOURCE = Hop(transport="UDP", host="192.0.2.7", port=40000)


@pytest.mark.parametrize(
    ("via", "params"),
    [
        (Via(transport="UDP", host="pc.ann.example"), {"received": "192.0.2.7"}),
        (Via(transport="UDP", host="192.0.2.7"), {}),
        (
            Via(transport="UDP", host="192.0.2.7", params={"received": "203.0.113.9"}),
            {"received": "192.0.2.7"},
        ),
        (
            Via(transport="UDP", host="192.0.2.7", params={"rport": ""}),
            {"received": "192.0.2.7", "rport": "40000"},
        ),
        (
            Via(transport="UDP", host="h", params={"received": "10.0.0.1", "rport": "1"}),
            {"received": "192.0.2.7", "rport": "40000"},
        ),
    ],
)
@pytest.mark.spec("RFC 3581 §4")
def test_a_request_is_stamped_with_its_source(via, params):
    """What the sender wrote there himself does not count."""
    assert stamp(via, SOURCE).params == params


@pytest.mark.spec("RFC 7118 §5.3")
def test_requests_on_a_websocket_are_not_stamped():
    """Where they came from may be a proxy of HTTP, which is nobody's business."""
    via = Via(transport="WSS", host="df7jal23ls0d.invalid", params={"rport": ""})
    assert stamp(via, Hop(transport="WS", host="127.0.0.1", port=40000)) == via


@pytest.mark.parametrize(
    ("transport", "params", "host", "port"),
    [
        ("UDP", {"received": "192.0.2.7", "rport": "40000"}, "192.0.2.7", 40000),
        ("UDP", {"received": "192.0.2.7"}, "192.0.2.7", 5060),
        ("UDP", {"received": "[2001:db8::1]"}, "2001:db8::1", 5060),
        ("TLS", {}, "pc.ann.example", 5061),
        ("UDP", {"rport": "0"}, "pc.ann.example", 5060),
        ("UDP", {"rport": "99999999999999"}, "pc.ann.example", 5060),
        ("UDP", {"maddr": "203.0.113.9"}, "pc.ann.example", 5060),
    ],
)
@pytest.mark.spec("RFC 3261 §18.2.2")
def test_a_response_goes_where_its_request_came_from(transport, params, host, port):
    """By what the server stamped; never to where maddr points."""
    asked = request()
    response = respond(asked, 200)
    via = asked.via[0].with_params(**params)
    hop = response_hop(replace(response, via=(via,)), transport)
    assert hop == Hop(transport=transport, host=host, port=port)


def test_only_udp_is_unreliable():
    """Everything else is a stream."""
    assert [Hop(transport=name, host="h", port=1).is_reliable for name in ("UDP", "TCP", "TLS", "WSS")] == [
        False,
        True,
        True,
        True,
    ]


def test_words_are_addresses_or_are_not():
    """IPv6 without its brackets."""
    assert [is_address(one) for one in ("192.0.2.7", "2001:db8::1", "[::1]", "a.example", "")] == [
        *(True, True, False, False, False)
    ]
