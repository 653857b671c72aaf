"""Ways by number and domain, and who may use them."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.lines.routes import Routes, read_trunks

ROMEO, PARIS = UserId("romeo@example.org"), UserId("paris@elsewhere.example")
CONFIG = SipConfig(
    domain="gw.example",
    trunks={
        "desk": TrunkConfig(server="sip:pbx.example", username="4711", owner=ROMEO, numbers=("1??",)),
        "pbx": TrunkConfig(
            server="sip:pbx.example", users=("example.org", "paris@*"), domains=("b.example",)
        ),
        "carrier": TrunkConfig(
            server="sip:192.0.2.7:5070;transport=tcp", domain="c.example", users=("*",), numbers=("+49*",)
        ),
    },
)


def routes(**more: object) -> Routes:
    config = SipConfig(domain="gw.example", trunks=CONFIG.trunks, **more)
    return Routes(config, read_trunks(config))


@pytest.mark.parametrize(
    ("user", "contact", "trunk", "uri"),
    [
        (ROMEO, "bob@pbx.example", "desk", "sip:bob@pbx.example"),
        ("juliet@example.org", "bob@pbx.example", "pbx", "sip:bob@pbx.example"),
        (PARIS, "bob@b.example", "pbx", "sip:bob@b.example"),
        (ROMEO, "123", "desk", "sip:123@pbx.example;user=phone"),
        (PARIS, "+49301234", "carrier", "sip:+49301234@c.example;user=phone"),
    ],
)
def test_first_trunk_that_the_user_may_use_is_taken(user: str, contact: str, trunk: str, uri: str) -> None:
    """In the order of the configuration."""
    found = routes().route(UserId(user), ContactId(contact))
    assert found.trunk is not None and found.trunk.name == trunk and str(found.uri) == uri


@pytest.mark.parametrize(
    ("user", "contact"),
    [
        (PARIS, "123"),
        (ROMEO, "+15551234"),
        (ROMEO, "112"),
        ("x@stranger.example", "bob@pbx.example"),
        (ROMEO, "bob@far.example"),
    ],
)
def test_what_is_not_configured_is_denied(user: str, contact: str) -> None:
    """No number, no trunk and no domain by accident."""
    with pytest.raises(BridgeError) as caught:
        routes().route(UserId(user), ContactId(contact))
    assert caught.value.trouble is Trouble.NOT_ALLOWED


@pytest.mark.parametrize(
    "contact",
    [
        *("+1900123@pbx.example", "+1-900-123@pbx.example", "+1900123;a=b@pbx.example", "0900123@b.example"),
        *("112@pbx.example", "*72@pbx.example", "1234567@pbx.example", "+1900@c.example"),
    ],
)
def test_number_at_a_domain_of_a_trunk_is_a_number(contact: str) -> None:
    """What it may cost does not depend on how it is written."""
    with pytest.raises(BridgeError) as caught:
        routes().route(PARIS, ContactId(contact))
    assert caught.value.trouble is Trouble.NOT_ALLOWED


def test_phones_of_a_pbx_are_reached_by_their_extensions() -> None:
    """And a number that is allowed goes the way of numbers."""
    found = routes().route(PARIS, ContactId("4711@pbx.example"))
    assert str(found.uri) == "sip:4711@pbx.example"
    found = routes().route(PARIS, ContactId("+49-301234@pbx.example"))
    assert found.trunk is not None and found.trunk.name == "carrier"
    assert str(found.uri) == "sip:+49301234@c.example;user=phone"


def test_open_federation_reaches_all_domains_but_those_of_trunks() -> None:
    """Nobody goes around a trunk that he may not use."""
    found = routes(federation=True).route(ROMEO, ContactId("bob@far.example"))
    assert found.trunk is None and str(found.uri) == "sip:bob@far.example"
    with pytest.raises(BridgeError):
        routes(federation=True).route(UserId("x@stranger.example"), ContactId("bob@pbx.example"))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("0900123", "of this kind"),
        ("+49900123", "of this kind"),
        ("0112", "Emergency"),
        ("+49112", "Emergency"),
        ("112", "Emergency"),
    ],
)
def test_costly_and_emergency_numbers_are_refused_however_they_are_written(number: str, words: str) -> None:
    """By what they mean, and by what would be dialled in the end."""
    trunks = {"c": TrunkConfig(server="sip:c.example", users=("*",), numbers=("*",), dial=('+49 ""',))}
    config = SipConfig(domain="gw.example", trunks=trunks, dial_plan=("0 +49",))
    with pytest.raises(BridgeError) as raised:
        Routes(config, read_trunks(config)).route(ROMEO, ContactId(number))
    assert raised.value.trouble is Trouble.NOT_ALLOWED and words in raised.value.text
