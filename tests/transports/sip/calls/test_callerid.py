"""Who calls, as trunks are told and tell it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.events import UserId
from tests.transports.sip.samples import request
from tests.transports.sip.test_network import JULIET, PBX, ROMEO, Scene
from transports.sip.calls.callerid import caller, source
from transports.sip.config import TrunkConfig
from transports.sip.lines.routes import Trunk
from transports.sip.wire.message import Fields
from transports.sip.wire.uri import parse_uri

PHONE, PERSON = parse_uri("sip:+4930@c.example;user=phone"), parse_uri("sip:bob@c.example")
SHOWN = "sip:+1555000@c.example;user=phone"


def trunk(**options: object) -> Trunk:
    config = TrunkConfig(server="sip:c.example", caller_ids=("romeo@example.org +1555000",), **options)
    network = Scene({"c": replace(config, users=("example.org",))}).network
    return network._routes.trunks["c"]


def test_user_shows_as_his_number_to_numbers_only() -> None:
    """To people of the trunk he shows as who he is; so does who has no number."""
    there = trunk()
    assert [str(caller(there, ROMEO, to, "gw.example")[0]) for to in (PHONE, PERSON)] == [
        SHOWN,
        "sip:romeo%40example.org@gw.example",
    ]
    assert str(caller(there, JULIET, PHONE, "gw.example")[0]) == "sip:juliet%40example.org@gw.example"
    assert caller(there, ROMEO, PHONE, "gw.example")[1] == ()


@pytest.mark.parametrize(
    ("identity", "field"), [("preferred", "P-Preferred-Identity"), ("asserted", "P-Asserted-Identity")]
)
def test_trunk_that_wants_it_is_told_by_a_field_of_its_own(identity: str, field: str) -> None:
    """RFC 3325 §9; nobody else is."""
    assert caller(trunk(identity=identity), ROMEO, PHONE, "gw.example")[1] == ((field, f"<{SHOWN}>"),)
    assert caller(trunk(identity=identity), ROMEO, PERSON, "gw.example")[1] == ()


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ((("P-Asserted-Identity", '"Bob" <sip:+49301@c.example>, <tel:+49301>'),), "+49301"),
        ((("P-Asserted-Identity", "<sip:+49301@c.example>"), ("Privacy", "id")), "ann"),
        ((("P-Asserted-Identity", "<sip:+49301@c.example>"), ("Privacy", "header;user")), "ann"),
        ((("P-Asserted-Identity", "<sip:+49301@c.example>"), ("Privacy", "none")), "+49301"),
        ((("P-Asserted-Identity", '"open <'),), "ann"),
        ((("P-Asserted-Identity", "<mailto:a@b.example>"),), "ann"),
        ((), "ann"),
    ],
)
def test_asserted_identity_is_believed_of_who_is_trusted_if_it_may_be_shown(
    fields: Fields, user: str
) -> None:
    """RFC 3325 §7: privacy hides it, and what cannot be read says nothing."""
    asked = request("INVITE", fields=fields)
    assert source(asked, trunk(trusts_identity=True)).uri.user == user
    assert source(asked, trunk()).uri.user == "ann"
    assert source(asked, None).uri.user == "ann"


def test_number_of_a_user_rings_him_and_the_caller_is_shown_as_we_write_numbers() -> None:
    """What comes for a number that is his; in the trunk's own form, both of them."""
    pbx = replace(PBX, numbers=("+49*",), callers=("0 +49",), caller_ids=("romeo@example.org +4930123",))
    scene = Scene({"pbx": pbx}).up()
    scene.hear("to a number", "sip:089456@pbx.example", "sip:030123@gw.example")
    [(user, heard)] = scene.bridge.taken()
    assert (user, heard.contact) == (ROMEO, "+4989456")
    scene.hear("to another", "sip:089456@pbx.example", "sip:030124@gw.example", branch="2")
    assert scene.bridge.taken() == [] and 404 in scene.answers()


def test_message_to_a_number_leaves_in_the_form_and_under_the_number_that_the_trunk_knows() -> None:
    """Dialled nationally, routed internationally, sent nationally."""
    pbx = replace(
        PBX,
        numbers=("+49*",),
        dial=("+49 0",),
        caller_ids=("example.org +4930123",),
        identity="asserted",
    )
    scene = Scene({"pbx": pbx}, dial_plan=("00 +", "0 +49")).up()
    scene.say("hello", contact="089456", user=UserId("romeo@example.org"))
    [asked] = scene.asked()
    assert str(asked.uri) == "sip:089456@pbx.example;user=phone"
    assert asked.from_.uri.user == "+4930123"
    assert asked.get("P-Asserted-Identity") == "<sip:+4930123@pbx.example;user=phone>"
