"""Who calls, as trunks are told and tell it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.calls import CallId, CallOffer, CallTransfer
from bridge.events import ContactId, DirectMessage, Ref, Text, UserId
from tests.transports.sip.calling import AUDIO, Gateway
from tests.transports.sip.calling import ROMEO as CALLER
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import request
from tests.transports.sip.test_network import DESK, JULIET, PBX, ROMEO, Scene
from tests.transports.sip.wires import PEER
from transports.sip.address import user_uri
from transports.sip.config import TrunkConfig
from transports.sip.lines.callerid import Shown, shown_at, source
from transports.sip.lines.routes import Trunk
from transports.sip.settings import GatewaySettings
from transports.sip.wire.headers import parse_name_addr
from transports.sip.wire.message import Fields, write
from transports.sip.wire.uri import Uri, parse_uri

PHONE, PERSON = parse_uri("sip:+4930@c.example;user=phone"), parse_uri("sip:bob@c.example")
HIS = user_uri(ROMEO, "gw.example")
SHOWN = "sip:+1555000@c.example;user=phone"


def trunk(**options: object) -> Trunk:
    config = TrunkConfig(server="sip:c.example", caller_ids=("romeo@example.org +1555000",), **options)
    network = Scene({"c": replace(config, users=("example.org",))}).network
    return network._routes.trunks["c"]


def shows(trunk: Trunk | None, user: UserId, target: Uri, **wish: object) -> Shown:
    return shown_at(trunk, user, target, "gw.example", GatewaySettings(**wish))


def test_user_shows_as_his_number_to_numbers_only() -> None:
    """To people of the trunk he shows as who he is; so does who has no number."""
    there = trunk()
    assert [str(shows(there, ROMEO, to).caller.uri) for to in (PHONE, PERSON)] == [SHOWN, str(HIS)]
    assert str(shows(there, JULIET, PHONE).caller.uri) == "sip:juliet%40example.org@gw.example"
    assert shows(there, ROMEO, PHONE).caller_fields == ()


@pytest.mark.parametrize(
    ("identity", "field"), [("preferred", "P-Preferred-Identity"), ("asserted", "P-Asserted-Identity")]
)
def test_trunk_that_wants_it_is_told_by_a_field_of_its_own(identity: str, field: str) -> None:
    """RFC 3325 §9; nobody else is."""
    shown = shows(trunk(identity=identity), ROMEO, PHONE)
    assert shown.caller_fields == shown.author_fields == ((field, f"<{SHOWN}>"),)
    assert shows(trunk(identity=identity), ROMEO, PERSON).caller_fields == ()


@pytest.mark.parametrize(
    ("target", "chosen", "shown"),
    [
        (PERSON, "", "romeo"),
        (PERSON, 'Romeo "R" \\ M\r\n\x00', 'Romeo "R" \\ M'),
        (PHONE, "", ""),
        (PHONE, "Romeo", "Romeo"),
    ],
)
def test_name_is_what_the_user_wants_or_what_he_is_called(target: Uri, chosen: str, shown: str) -> None:
    """Beside a number nothing is told that he did not want; what has no glyph is left out."""
    found = shows(trunk(), ROMEO, target, display_name=chosen)
    assert found.caller.display == found.author.display == shown
    assert parse_name_addr(str(found.caller)).display == shown


def test_name_of_an_account_is_the_accounts_owner_to_say() -> None:
    """By default the server says it, who knows whose account it is."""
    desk = Scene({"desk": DESK}).network._routes.trunks["desk"]
    assert shows(desk, JULIET, PERSON).caller.display == ""
    assert shows(desk, JULIET, PERSON, display_name="Juliet").caller.display == "Juliet"
    assert shows(None, JULIET, PERSON).caller.display == "juliet"


@pytest.mark.spec("RFC 3323 §4.1.1.3")
@pytest.mark.parametrize(("hidden", "wish"), [(("romeo@*",), False), ((), True), (("example.org",), True)])
def test_who_hides_calls_anonymously_and_writes_as_himself(hidden: tuple[str, ...], wish: bool) -> None:
    """As the operator or he wants; the trunk is told who it is where it is to be told (RFC 3325 §9.3)."""
    there = trunk(anonymous=hidden, identity="asserted")
    shown = shows(there, ROMEO, PHONE, hide_identity=wish, display_name="Romeo")
    assert str(shown.caller) == '"Anonymous" <sip:anonymous@anonymous.invalid>' and shown.is_hidden
    assert shown.caller_fields == (("P-Asserted-Identity", f"<{SHOWN}>"), ("Privacy", "id"))
    assert str(shown.author) == f'"Romeo" <{SHOWN}>'
    silent = shows(trunk(anonymous=hidden), ROMEO, PHONE, hide_identity=wish)
    assert silent.caller_fields == (("Privacy", "id"),)


def test_others_do_not_call_anonymously() -> None:
    """Whom no rule names; and nobody does over the open network, where nobody would take the call."""
    assert not shows(trunk(anonymous=("juliet@*",)), ROMEO, PHONE).is_hidden
    assert not shows(None, ROMEO, PERSON, hide_identity=True).is_hidden


def test_anonymous_call_shows_its_caller_nowhere() -> None:
    """Neither in Contact nor in a transfer; his messages have his name."""
    trunk = {"caller_ids": ("romeo@a.example +1555000",), "anonymous": ("*",)}
    gateway = Gateway("a", "b", trunk, {})
    gateway.bridge.wishes[CALLER] = GatewaySettings(display_name="Romeo")
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    gateway.do(CallOffer(call=CallId("c"), contact=ContactId("+1777"), description=AUDIO))
    gateway.reactor.advance(0.1)
    invite = phone.asked("INVITE")
    assert str(invite.from_.uri) == "sip:anonymous@anonymous.invalid" and invite.get("Privacy") == "id"
    written = write(invite).decode()
    assert "romeo" not in written.lower() and "+1555000" not in written
    phone.accept(invite)
    gateway.do(CallTransfer(call=CallId("c"), contact=ContactId("+1888")))
    refer = phone.asked("REFER")
    assert refer.get("Referred-By") == "<sip:anonymous@anonymous.invalid>"
    gateway.do(DirectMessage(contact=ContactId("bob@b.gw"), body=Text(plain="hi"), ref=Ref(1)))
    assert str(phone.asked("MESSAGE").from_).startswith('"Romeo" <sip:romeo%40a.example@a.gw>')


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
