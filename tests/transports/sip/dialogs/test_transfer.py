"""Calls that are handed on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.transports.sip.samples import BOB, request
from transports.sip.dialogs.dialog import DialogId, DialogState
from transports.sip.dialogs.transfer import (
    Referral,
    Replaces,
    fragment,
    parse_referral,
    parse_replaces,
    refer_fields,
    refusal_of,
    replaces_of,
    status_of,
)
from transports.sip.wire.message import parse, write
from transports.sip.wire.uri import Malformed, parse_uri

tokens = st.from_regex(r"[A-Za-z0-9.!%*_+`'~-]{1,12}", fullmatch=True)
tags = tokens.filter(lambda tag: tag != "0")
call_ids = st.from_regex(r"[A-Za-z0-9.!%*_+`'~-]{1,12}(@[A-Za-z0-9.-]{1,8})?", fullmatch=True)
replacements = st.builds(
    Replaces,
    dialog=st.builds(DialogId, call_id=call_ids, local_tag=tags, remote_tag=tags),
    is_early_only=st.booleans(),
)
DIALOG = DialogId(call_id="425928@bob.example", local_tag="7743", remote_tag="6472")


@settings(max_examples=80, deadline=None)
@given(st.none() | replacements)
def test_a_referral_comes_back(replaced):
    """Through the escapes of a URI in a header field."""
    referral = Referral(target=parse_uri("sip:carol@192.0.2.3:5070;transport=tcp"), replaces=replaced)
    refer = request("REFER", fields=refer_fields(referral, BOB))
    assert parse_referral(parse(write(refer))) == referral
    assert refer.get("Referred-By") == "<sip:bob@bob.example>"


@pytest.mark.spec("RFC 3891 §6.1")
def test_replaces_names_the_dialog_of_who_reads_it():
    """to-tag is the reader's own; the tag of an old peer is written 0."""
    text = "425928@bob.example;to-tag=7743;from-tag=6472;early-only"
    assert parse_replaces(text) == Replaces(DIALOG, is_early_only=True)
    assert str(parse_replaces(text)) == text
    assert parse_replaces("x;from-tag=0;to-tag=1").dialog == DialogId("x", "1", "")
    assert replaces_of(request("INVITE", fields=(("Replaces", text),))) == Replaces(
        DIALOG, is_early_only=True
    )
    assert replaces_of(request("INVITE")) is None


@pytest.mark.parametrize(
    "text", ["", "x", "x;to-tag=1", "x;from-tag=1", "x y;to-tag=1;from-tag=2", ";to-tag=1;from-tag=2", "x;;"]
)
def test_what_names_no_dialog_is_malformed(text):
    """Nothing is replaced by guessing."""
    with pytest.raises(Malformed):
        parse_replaces(text)


def test_two_dialogs_are_not_replaced_at_once():
    """The INVITE gets 400 (RFC 3891 §3)."""
    twice = (("Replaces", "x;to-tag=1;from-tag=2"),) * 2
    with pytest.raises(Malformed):
        replaces_of(request("INVITE", fields=twice))


@pytest.mark.parametrize("value", [None, "", "<sip:a>, <sip:b>", "nobody", "<sip:a?Replaces=x>"])
@pytest.mark.spec("RFC 3515 §2.4.2")
def test_a_refer_asks_for_one_thing(value):
    """It gets 400 otherwise."""
    with pytest.raises(Malformed):
        parse_referral(request("REFER", fields=(("Refer-To", value),) if value is not None else ()))


def test_other_headers_of_a_target_are_dropped():
    """Who refers does not choose what we send."""
    refer = request(
        "REFER", fields=(("Refer-To", "<sip:a@b?Subject=x&replaces=y%3Bto-tag%3D1%3Bfrom-tag%3D2>"),)
    )
    assert parse_referral(refer) == Referral(parse_uri("sip:a@b"), Replaces(DialogId("y", "1", "2")))


@pytest.mark.parametrize(
    ("state", "is_own", "is_early_only", "status"),
    [
        (None, False, False, 481),
        (DialogState.TERMINATED, False, False, 603),
        (DialogState.CONFIRMED, False, False, None),
        (DialogState.CONFIRMED, False, True, 486),
        (DialogState.EARLY, True, False, None),
        (DialogState.EARLY, True, True, None),
        (DialogState.EARLY, False, False, 481),
    ],
)
@pytest.mark.spec("RFC 3891 §3")
def test_not_every_dialog_can_be_replaced(state, is_own, is_early_only, status):
    """An early one only by who made it ring."""
    dialogs = {DIALOG: state} if state else {}
    own = frozenset({DIALOG} if is_own else ())
    assert refusal_of(Replaces(DIALOG, is_early_only), dialogs, own) == status


@pytest.mark.parametrize(
    ("status", "body"),
    [(100, b"SIP/2.0 100 Trying\r\n"), (603, b"SIP/2.0 603 Decline\r\n"), (299, b"SIP/2.0 299\r\n")],
)
@pytest.mark.spec("RFC 3515 §2.4.5")
def test_a_notify_tells_how_the_call_goes(status, body):
    """By the status line alone; more may follow it."""
    assert fragment(status) == body
    fields = (("Content-Type", "message/sipfrag;version=2.0"),)
    notify = request("NOTIFY", fields=fields, body=body + b"To: x\r\n")
    assert status_of(notify) == status
    for bad in (
        replace(notify, fields=()),
        replace(notify, body=b"SIP/2.0 700 x"),
        replace(notify, body=b""),
    ):
        with pytest.raises(Malformed):
            status_of(bad)
