"""Version, time, last activity, cards and address prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, Trouble
from bridge.events import Entered, Occupant, RoomId
from bridge.network import ClientVersion, ContactInfo, ContactQuery, ContactTime, ContactVersion
from bridge.services.gateway_prompt import GatewayPrompt
from bridge.services.last import Last
from bridge.services.time import Time, read_clock
from bridge.services.vcard import VCard
from bridge.services.version import Version
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.gateway import NS_GATEWAY
from bridge.xmpp.payloads.last import NS_LAST
from bridge.xmpp.payloads.time import build_time_request
from bridge.xmpp.payloads.vcard import NS_VCARD
from bridge.xmpp.payloads.version import NS_VERSION, SoftwareVersion, build_version_request
from tests.bridge.services.scene import DOMAIN, NURSE, ROOM, SERVER, Scene, condition

NOON = 1_795_262_400
"""2026-11-21T12:00:00Z."""


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    room = RoomId("#verona%irc.example")
    scene.network.inside["romeo@montague.example", room] = Entered(
        room=room, me=Occupant(nick="Romeo"), occupants={"Nurse": Occupant(nick="Nurse")}
    )
    scene.clock.advance(100)
    return scene.add(
        Version(scene.network, SoftwareVersion(name="xmppbridge", version="1")),
        Time(scene.network, lambda: NOON),
        Last(scene.network, scene.clock.seconds),
        VCard(scene.network),
        GatewayPrompt(DOMAIN, scene.network),
    )


@pytest.mark.parametrize("to", [DOMAIN, SERVER, ROOM])
def test_gateway_tells_its_version_and_not_its_system(scene, to):
    """XEP-0092 §6: the operating system is nobody's business by default."""
    query = scene.get(to, build_version_request())
    assert [(child.name, child.text()) for child in query.elements()] == [
        ("name", "xmppbridge"),
        ("version", "1"),
    ]


@pytest.mark.parametrize("to", [NURSE, f"{ROOM}/Nurse"])
def test_version_of_a_person_is_asked_of_the_network(scene, to):
    """A contact and an occupant are asked alike."""
    scene.network.answers[ContactVersion] = ClientVersion(name="irssi", version="1.4", os="Linux")
    query = scene.get(to, build_version_request())
    assert query.namespace == NS_VERSION
    assert [child.text() for child in query.elements()] == ["irssi", "1.4", "Linux"]
    assert scene.network.asked == [("romeo@montague.example", ContactVersion("nurse%irc.example"))]


@pytest.mark.parametrize(
    ("to", "sender", "expected"),
    [
        (f"{ROOM}/Nobody", "romeo@montague.example/garden", "item-not-found"),
        (f"{ROOM}/Nurse", "juliet@capulet.example/balcony", "not-acceptable"),
    ],
)
def test_occupant_is_asked_only_from_inside(scene, to, sender, expected):
    """Who is not in the room, or asks for nobody, gets an error, and the network is not troubled."""
    assert condition(scene.iq("get", to, build_version_request(), sender))[1] == expected
    assert scene.network.asked == []


def test_gateway_tells_the_time_in_utc(scene):
    """XEP-0202 §2."""
    time = scene.get(DOMAIN, build_time_request())
    assert (time.child_text("utc"), time.child_text("tzo")) == ("2026-11-21T12:00:00Z", "+00:00")


@pytest.mark.parametrize(
    ("text", "utc", "tzo"),
    [
        ("2026-11-21T13:00:00+01:00", "2026-11-21T12:00:00Z", "+00:00"),
        ("Sat, 21 Nov 2026 13:00:00 +0100", "2026-11-21T12:00:00Z", "+01:00"),
        ("Sat Nov 21 06:30:02 2026", "2026-11-21T12:00:02Z", "-05:30"),
        (":Sat Nov 21 12:00:00 2026", "2026-11-21T12:00:00Z", "+00:00"),
    ],
)
def test_clock_of_a_person_is_read_from_his_words(scene, text, utc, tzo):
    """CTCP TIME answers in any form; a missing offset is taken from the difference."""
    scene.network.answers[ContactTime] = text
    time = scene.get(NURSE, build_time_request())
    assert (time.child_text("utc"), time.child_text("tzo")) == (utc, tzo)


@pytest.mark.parametrize("text", ["", "later", "Sat Nov 21 06:30:02 1999"])
def test_answer_that_is_no_time_is_an_error(scene, text):
    """An unreadable or absurd clock is not made up."""
    scene.network.answers[ContactTime] = text
    assert condition(scene.iq("get", NURSE, build_time_request())) == ("cancel", "feature-not-implemented")


@given(st.text() | st.from_regex(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4}"))
def test_any_words_are_a_clock_or_none(text):
    """Reading a clock never raises."""
    read = read_clock(text, NOON)
    assert read is None or len(read) == 2


def test_gateway_tells_its_uptime(scene):
    """XEP-0012 §5."""
    scene.clock.advance(61.5)
    assert scene.get(DOMAIN, Element("query", NS_LAST)).get("seconds") == "61"


def test_idle_time_of_a_person(scene):
    """XEP-0012 §4: as WHOIS tells it, with the away text."""
    scene.network.answers[ContactQuery] = ContactInfo(nick="Nurse", idle=5, away="busy")
    query = scene.get(NURSE, Element("query", NS_LAST))
    assert (query.get("seconds"), query.text()) == ("5", "busy")
    scene.network.answers[ContactQuery] = ContactInfo(nick="Nurse")
    assert condition(scene.iq("get", NURSE, Element("query", NS_LAST)))[1] == "service-unavailable"


def test_gateway_has_a_card(scene):
    """A roster shows the gateway and its servers by name."""
    assert scene.get(DOMAIN, Element("vCard", NS_VCARD)).child_text("FN") == "IRC gateway"
    assert scene.get(SERVER, Element("vCard", NS_VCARD)).child_text("FN") == "irc.example"


def test_card_of_a_person_tells_what_is_known(scene):
    """XEP-0054: what WHOIS tells, in words where there is no field."""
    scene.network.answers[ContactQuery] = ContactInfo(
        nick="Nurse",
        name="Angelica",
        address="~a@host",
        account="nurse",
        rooms=["#verona", "@#kitchen"],
        idle=7.9,
    )
    card = scene.get(NURSE, Element("vCard", NS_VCARD))
    assert (card.child_text("FN"), card.child_text("NICKNAME")) == ("Angelica", "Nurse")
    assert (
        card.child_text("DESC") == "Address: ~a@host\nAccount: nurse\nChannels: #verona @#kitchen\nIdle: 7 s"
    )
    scene.network.answers[ContactQuery] = BridgeError(Trouble.NO_SUCH_NICK)
    assert condition(scene.iq("get", NURSE, Element("vCard", NS_VCARD)))[1] == "item-not-found"


def test_card_cannot_be_set(scene):
    """Nobody writes cards here."""
    assert condition(scene.iq("set", DOMAIN, Element("vCard", NS_VCARD)))[1] == "feature-not-implemented"


def prompt(text: str) -> Element:
    return Element("query", NS_GATEWAY, None, Element("prompt", NS_GATEWAY, None, text))


def test_foreign_address_becomes_a_jid(scene):
    """XEP-0100 §6.3: prompt, then the escaped JID."""
    assert scene.get(DOMAIN, Element("query", NS_GATEWAY)).child_text("prompt") == "Address"
    answer = scene.iq("set", DOMAIN, prompt("#a/b%irc.example"))
    assert next(answer.elements()).child_text("jid") == f"#a\\2fb%irc.example@{DOMAIN}"
    answer = scene.iq("set", DOMAIN, prompt(ROOM))
    assert next(answer.elements()).child_text("jid") == ROOM


@pytest.mark.parametrize("text", ["two words", "a" * 2000])
def test_what_is_no_address_is_refused(scene, text):
    """The network decides what an address is."""
    assert condition(scene.iq("set", DOMAIN, prompt(text))) == ("modify", "not-acceptable")
