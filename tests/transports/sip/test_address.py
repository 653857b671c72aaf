"""Contacts, users and URIs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError
from bridge.events import ContactId, UserId
from transports.sip.address import (
    SPELLINGS,
    Spellings,
    contact_of,
    contact_uri,
    digits_of,
    is_extension,
    meant,
    parse_contact,
    user_of,
    user_uri,
)
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.uri import Malformed, parse_uri


@pytest.mark.parametrize(
    ("local", "contact"),
    [
        ("+1-555.12(34)", "+15551234"),
        ("*43#", "*43#"),
        ("bob@pbx.example", "bob@pbx.example"),
        ("bob@pbx.example:5070", "bob@pbx.example:5070"),
        ("a@b@[2001:db8::1]:5070", "a@b@[2001:db8::1]:5070"),
    ],
)
def test_local_part_is_a_number_or_a_user_at_a_host(local: str, contact: str) -> None:
    """Separators of numbers are for the eye."""
    assert parse_contact(local) == contact


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("+1 (555) 12-34", "+15551234"),
        ("bob@PBX.example", "bob@pbx.example"),
        ("sip:bob@pbx.example;transport=tcp", "bob@pbx.example"),
        ("SIP:+1-5551234@c.example;user=phone", "+15551234"),
        ("sip:+15551234@pbx.example", "+15551234@pbx.example"),
        ("tel:+1-555-1234", "+15551234"),
    ],
)
def test_who_is_meant_has_one_address(text: str, contact: str) -> None:
    """That by which he shows when he calls."""
    assert meant(text, lambda uri, number: uri.host == "c.example") == contact


@pytest.mark.parametrize("text", ["sip:pbx.example", "tel:me", "sips:bob@pbx.example", "bob"])
def test_text_that_means_nobody_is_malformed(text: str) -> None:
    """What was to be secure all the way would not be."""
    with pytest.raises(BridgeError):
        meant(text, lambda uri, number: True)


@pytest.mark.parametrize("local", ["bob", "", "@host", "bob@", "bob@ho st", "bob@host:0", "bob@host:x", "+"])
def test_other_local_part_is_malformed(local: str) -> None:
    """It is nobody's address."""
    with pytest.raises(BridgeError):
        parse_contact(local)


@pytest.mark.parametrize(
    ("uri", "has_numbers", "contact"),
    [
        ("sip:Bob@PBX.example;transport=tcp", False, "bob@pbx.example"),
        ("sip:+15551234@carrier.example", True, "+15551234"),
        ("sip:+15551234@carrier.example", False, "+15551234@carrier.example"),
        ("sip:12-34@carrier.example;user=phone", True, "1234"),
        ("tel:+1-555-1234;phone-context=x", False, "+15551234"),
        ("sip:a%40b@host", False, "a@b@host"),
    ],
)
def test_sender_becomes_the_contact_that_an_answer_reaches(uri: str, has_numbers: bool, contact: str) -> None:
    """Numbers of a trunk that carries numbers are numbers."""
    assert contact_of(parse_uri(uri), lambda number: has_numbers) == contact


@pytest.mark.parametrize("uri", ["sip:host", "tel:abc", "mailto:a@b", "sip:a%00b@host", "sip:%20@host"])
def test_sender_without_a_form_on_xmpp_is_malformed(uri: str) -> None:
    """He could not be answered."""
    with pytest.raises(Malformed):
        contact_of(parse_uri(uri), lambda number: False)


@pytest.mark.parametrize(
    ("contact", "number"),
    [
        ("+15551234", "+15551234"),
        ("+1-555 1234@pbx.example", "+15551234"),
        ("+1555;ext=5@pbx.example:5070", "+1555"),
        ("*72@pbx.example", "*72"),
        ("bob@pbx.example", ""),
        ("12bob@pbx.example", ""),
    ],
)
def test_number_is_seen_at_a_domain_too(contact: str, number: str) -> None:
    """Whoever is asked to call it there may dial it."""
    assert digits_of(ContactId(contact)) == number


def test_extension_has_few_digits_and_no_prefix() -> None:
    """All else may leave the PBX."""
    assert [
        one for one in ("1", "4711", "471123", "4711234", "0815", "+4711", "*72") if is_extension(one)
    ] == [
        "1",
        "4711",
        "471123",
    ]


@given(st.text("abcdefghij&'/:\\20.-_!é", min_size=1, max_size=20).filter(lambda text: text.strip() == text))
def test_user_part_survives_the_way_to_xmpp_and_back(user: str) -> None:
    """What has a form on XMPP is the same URI again."""
    uri = contact_uri(ContactId(f"{user}@host.example"))
    try:
        contact = contact_of(parse_uri(str(uri)), lambda number: False)
    except Malformed:
        return
    assert contact_uri(contact).user == user


def test_xmpp_user_is_the_user_part_of_our_domain() -> None:
    """RFC 7247 §5 in an open form."""
    uri = user_uri(UserId("d\\27art@example.org"), "gw.example")
    assert str(uri) == "sip:d%5C27art%40example.org@gw.example"
    assert user_of(parse_uri(str(uri))) == "d\\27art@example.org"


@pytest.mark.parametrize("user", ["romeo", "a%40b%2Fc", "%40b", "a%40"])
def test_user_part_that_is_no_bare_jid_is_nobody(user: str) -> None:
    """It gets 404."""
    with pytest.raises(Malformed):
        user_of(parse_uri(f"sip:{user}@gw.example"))


def test_spelling_and_name_are_those_that_somebody_uses() -> None:
    """JIDs have no capitals, SIP may insist on them; only so many are remembered."""
    spellings, bob = Spellings(), ContactId("bob@host")
    spellings.learn(bob, NameAddr(uri=parse_uri("sip:BoB@host"), display="Bob"))
    assert str(spellings.spelt(bob, contact_uri(bob))) == "sip:BoB@host"
    assert spellings.name(bob) == "Bob"
    for number in range(SPELLINGS):
        spellings.learn(ContactId(f"{number}@host"), NameAddr(uri=parse_uri(f"sip:{number}@host")))
    assert spellings.name(bob) == ""
