"""Subscriptions to the gateway and to servers."""

from __future__ import annotations

import pytest

from bridge.capabilities import Capabilities, Level
from bridge.events import (
    ContactPresence,
    Link,
    NetworkState,
    PresenceConsent,
    PresenceRefused,
    PresenceRequest,
    ServerId,
    Show,
    Subscribe,
    Unsubscribe,
    UserId,
)
from bridge.services.roster import Roster
from bridge.xmpp.element import Element
from tests.bridge.services.scene import DOMAIN, NURSE, ROOM, SERVER, Scene

ROMEO = "romeo@montague.example"
IRC = ServerId("irc.example")


class Played(Scene):
    """A scene with a roster."""

    def __init__(self, levels: Capabilities | None = None) -> None:
        super().__init__()
        self.network.levels = levels or Capabilities()
        self.roster = Roster(
            self.router,
            self.store,
            self.network,
            lambda _address: Element("c", "urn:caps"),
            lambda: Element("c", "urn:person"),
            self.clock,
        )
        self.add(self.roster)

    def link(self, link: Link, text: str = "") -> list[Element]:
        self.roster.network_state(UserId(ROMEO), NetworkState(server=IRC, link=link, text=text))
        return self.taken()

    def befriend(self, to: str) -> None:
        self.presence("subscribe", to)
        self.presence("subscribed", to)


@pytest.fixture
def scene() -> Played:
    return Played()


def told(stanzas: list[Element], sender: str) -> list[str | None]:
    assert all((one.get("from"), one.get("to")) == (sender, ROMEO) for one in stanzas)
    return [one.get("type") for one in stanzas]


def test_subscription_to_the_gateway_goes_both_ways(scene):
    """RFC 6121 §3.1, XEP-0100 §4.2: accepted, present, and asked for the same."""
    stanzas = scene.presence("subscribe", DOMAIN, id="subid1")
    assert told(stanzas, DOMAIN) == ["subscribed", None, "subscribe"]
    assert stanzas[0].get("id") == "subid1"
    assert stanzas[1].child("c", "urn:caps") is not None
    assert scene.presence("subscribed", DOMAIN) == []
    assert told(scene.presence("subscribe", DOMAIN), DOMAIN) == ["subscribed", None]


def test_subscription_from_a_client_counts_for_the_user(scene):
    """A full JID subscribes its bare one."""
    assert told(scene.presence("subscribe", DOMAIN, f"{ROMEO}/garden"), DOMAIN)[0] == "subscribed"


def test_server_is_online_while_the_link_stands(scene):
    """A server in the roster shows whether the user is connected to it."""
    assert told(scene.presence("subscribe", SERVER), SERVER) == ["subscribed", "subscribe"]
    assert scene.link(Link.CONNECTING) == []
    assert told(scene.link(Link.CONNECTED), SERVER) == [None]
    assert scene.link(Link.CONNECTED) == []
    (gone,) = scene.link(Link.DISCONNECTED, "Ping timeout")
    assert (gone.get("type"), gone.child_text("status")) == ("unavailable", "Ping timeout")
    assert scene.link(Link.DISCONNECTED) == []


def test_link_of_a_user_who_did_not_subscribe_is_not_shown(scene):
    """Nobody gets presence he did not ask for."""
    assert scene.link(Link.CONNECTED) == []
    assert told(scene.presence("subscribe", SERVER), SERVER) == ["subscribed", None, "subscribe"]


def test_unsubscription_ends_both_directions(scene):
    """RFC 6121 §3.3, and the last word is the user's."""
    scene.befriend(DOMAIN)
    assert told(scene.presence("unsubscribe", DOMAIN), DOMAIN) == [
        "unavailable",
        "unsubscribed",
        "unsubscribe",
    ]
    assert scene.presence("unavailable", DOMAIN) == []
    assert scene.presence("unsubscribed", DOMAIN) == []
    assert scene.store.known == {}


def test_user_who_keeps_his_presence_to_himself_stays_subscribed(scene):
    """RFC 6121 §3.2: one direction only."""
    scene.befriend(DOMAIN)
    assert scene.presence("unsubscribed", DOMAIN) == []
    (kept,) = scene.store.known.values()
    assert (kept.inbound, kept.outbound) == (True, False)
    scene.presence("unsubscribe", DOMAIN)
    assert scene.store.known == {}


def test_one_sided_subscription_is_forgotten_when_it_ends(scene):
    """Nothing is kept of a user who never wanted our presence."""
    scene.presence("subscribed", DOMAIN)
    assert len(scene.store.known) == 1
    scene.presence("unsubscribed", DOMAIN)
    scene.presence("unsubscribed", DOMAIN)
    assert scene.store.known == {}


def test_probe_is_answered_with_the_state(scene):
    """RFC 6121 §4.3.2: available, unavailable, or not subscribed."""
    assert told(scene.presence("probe", DOMAIN), DOMAIN) == ["unsubscribed"]
    scene.befriend(DOMAIN)
    scene.befriend(SERVER)
    assert told(scene.presence("probe", DOMAIN), DOMAIN) == [None]
    assert told(scene.presence("probe", SERVER), SERVER) == ["unavailable"]
    scene.link(Link.CONNECTED)
    assert told(scene.presence("probe", SERVER), SERVER) == [None]


@pytest.mark.parametrize("to", [ROOM, f"{ROOM}/Nurse", NURSE])
def test_rooms_and_people_have_no_presence_to_subscribe_to(scene, to):
    """The request is refused rather than left pending for ever."""
    (answer,) = scene.presence("subscribe", to)
    assert (answer.get("type"), answer.get("from")) == ("unsubscribed", to.partition("/")[0])
    assert scene.store.known == {}


def test_subscribers_see_the_gateway_come_and_go(scene):
    """XEP-0100 §7: at start-up and at shutdown; after a crash no server seems connected that is not."""
    scene.befriend(DOMAIN)
    scene.befriend(SERVER)
    scene.presence("subscribed", f"other.example@{DOMAIN}")
    scene.roster.link_up()
    assert sorted((one.get("from"), one.get("type")) for one in scene.taken()) == [
        (DOMAIN, None),
        (SERVER, "unavailable"),
    ]
    scene.link(Link.CONNECTED)
    scene.roster.link_up()
    assert sorted((one.get("from"), one.get("type")) for one in scene.taken()) == [
        (DOMAIN, None),
        (SERVER, None),
    ]
    scene.roster.shut_down()
    assert sorted((one.get("from"), one.get("type")) for one in scene.taken()) == [
        (DOMAIN, "unavailable"),
        (SERVER, "unavailable"),
    ]


def test_subscription_that_is_no_address_any_more_is_passed_over(scene):
    """A changed configuration does not stop the start."""
    scene.befriend(f"odd.example@{DOMAIN}")
    (one,) = scene.store.known.values()
    scene.store.known[DOMAIN, "two words", ROMEO] = type(one)(
        domain=DOMAIN, local="two words", contact=ROMEO, inbound=True, outbound=True
    )
    scene.roster.link_up()
    assert [one.get("type") for one in scene.taken()] == ["unavailable", "unavailable"]


def test_banned_user_is_told(scene):
    """Who is not served gets an error and no presence."""
    (answer,) = scene.presence("subscribe", DOMAIN, "tybalt@banned.example")
    assert answer.get("type") == "error"


# ---- contacts

CONTACT = "nurse%irc.example"


@pytest.fixture
def friendly() -> Played:
    """A network whose people are contacts."""
    return Played(Capabilities(subscriptions=Level.NATIVE))


def appears(scene: Played, **how) -> list[Element]:
    scene.roster.contact_presence(UserId(ROMEO), ContactPresence(contact=CONTACT, **how))
    return scene.taken()


def test_contact_is_subscribed_to_and_asks_for_the_same(friendly):
    """RFC 6121 §3.1, XEP-0172 §4.2; how he is the network tells."""
    answers = friendly.presence("subscribe", NURSE)
    assert told(answers, NURSE) == ["subscribed", "subscribe"]
    assert answers[1].child_text("nick", "http://jabber.org/protocol/nick") == "nurse"
    assert friendly.network.submitted == [(ROMEO, Subscribe(contact=CONTACT))]
    (shown,) = appears(friendly, available=True, show=Show.AWAY, status="asleep", nick="Nurse", avatar="abc")
    assert (shown.child_text("show"), shown.child_text("status")) == ("away", "asleep")
    assert shown.child("x", "vcard-temp:x:update").child_text("photo") == "abc"
    assert shown.child("c", "urn:person") is not None
    assert (
        appears(friendly, available=True, show=Show.AWAY, status="asleep", nick="Nurse", avatar="abc") == []
    )
    (gone,) = appears(friendly, available=False)
    assert gone.get("type") == "unavailable"


def test_presence_of_a_contact_reaches_subscribers_only(friendly):
    """And no one who gave it up."""
    assert appears(friendly, available=True) == []
    friendly.presence("subscribe", NURSE)
    appears(friendly, available=True)
    assert told(friendly.presence("unsubscribe", NURSE), NURSE) == ["unavailable", "unsubscribed"]
    assert friendly.network.submitted[-1] == (ROMEO, Unsubscribe(contact=CONTACT))
    assert appears(friendly, available=False) == []


def test_probe_of_a_contact_is_answered_with_what_is_known(friendly):
    """§4.3.2; what is not known is asked for."""
    assert told(friendly.presence("probe", NURSE), NURSE) == ["unsubscribed"]
    friendly.presence("subscribe", NURSE)
    friendly.network.submitted.clear()
    assert friendly.presence("probe", NURSE) == []
    assert friendly.network.submitted == [(ROMEO, Subscribe(contact=CONTACT))]
    appears(friendly, available=True)
    assert told(friendly.presence("probe", NURSE), NURSE) == [None]


def test_contacts_are_there_again_after_a_restart(friendly):
    """The network is asked for each, once, and the user how he is."""
    friendly.befriend(NURSE)
    friendly.network.submitted.clear()
    friendly.roster.link_up()
    assert friendly.network.submitted == [(ROMEO, Subscribe(contact=CONTACT))]
    friendly.clock.advance(1)
    assert told(friendly.taken(), NURSE) == ["probe"]
    appears(friendly, available=True)
    friendly.roster.link_up()
    assert len(friendly.network.submitted) == 1
    assert told(friendly.taken(), NURSE) == [None]
    friendly.roster.shut_down()
    assert told(friendly.taken(), NURSE) == ["unavailable"]


def asks(scene: Played, nick: str = "") -> list[Element]:
    scene.roster.events()[PresenceRequest](UserId(ROMEO), PresenceRequest(contact=CONTACT, nick=nick))
    return scene.taken()


def test_contact_who_wants_to_know_how_the_user_is_asks_him_once(friendly):
    """RFC 6121 §3.1; his answer is told to the network, and holds."""
    (asked,) = asks(friendly, "Angelica")
    assert told([asked], NURSE) == ["subscribe"]
    assert asked.child_text("nick", "http://jabber.org/protocol/nick") == "Angelica"
    friendly.presence("subscribed", NURSE)
    granted = (ROMEO, PresenceConsent(contact=CONTACT, granted=True))
    assert friendly.network.submitted == [granted]
    assert asks(friendly) == []
    assert friendly.network.submitted == [granted] * 2


def test_user_who_says_no_is_believed_and_asked_again_when_the_contact_does(friendly):
    """RFC 6121 §3.2: a refusal before or after."""
    refused = (ROMEO, PresenceConsent(contact=CONTACT, granted=False))
    friendly.presence("unsubscribed", NURSE)
    assert friendly.network.submitted == [refused]
    friendly.presence("subscribed", NURSE)
    friendly.presence("unsubscribed", NURSE)
    assert friendly.network.submitted[-1] == refused
    assert told(asks(friendly), NURSE) == ["subscribe"]
    friendly.befriend(NURSE)
    friendly.presence("unsubscribe", NURSE)
    assert friendly.network.submitted[-1] == refused


def test_contact_who_refuses_ends_the_subscription_of_the_user(friendly):
    """RFC 6121 §3.2.1; what the user lets the contact know is another matter."""
    refuse = friendly.roster.events()[PresenceRefused]
    refuse(UserId(ROMEO), PresenceRefused(contact=CONTACT))
    assert friendly.taken() == []
    friendly.befriend(NURSE)
    appears(friendly, available=True)
    refuse(UserId(ROMEO), PresenceRefused(contact=CONTACT))
    assert told(friendly.taken(), NURSE) == ["unavailable", "unsubscribed"]
    (kept,) = friendly.store.known.values()
    assert (kept.inbound, kept.outbound) == (False, True)
    friendly.presence("unsubscribed", NURSE)
    friendly.presence("subscribe", NURSE)
    refuse(UserId(ROMEO), PresenceRefused(contact=CONTACT))
    assert friendly.taken()[-1].get("type") == "unsubscribed" and not friendly.store.known


def test_contact_in_a_call_is_shown_to_who_is_not_subscribed(friendly):
    """XEP-0353 §3.1: with what he can do, for that time; others see him anyway."""
    friendly.roster.call(UserId(ROMEO), CONTACT, True)
    (there,) = friendly.taken()
    assert (there.get("from"), there.get("to"), there.get("type")) == (NURSE, ROMEO, None)
    assert there.child("c", "urn:person") is not None
    friendly.roster.call(UserId(ROMEO), CONTACT, False)
    assert told(friendly.taken(), NURSE) == ["unavailable"]
    friendly.presence("subscribe", NURSE)
    friendly.roster.call(UserId(ROMEO), CONTACT, True)
    assert friendly.taken() == []
