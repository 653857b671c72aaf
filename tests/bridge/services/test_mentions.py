"""References to people and rooms of the gateway."""

from __future__ import annotations

from bridge.events import Mention
from bridge.services.mentions import read_mentions, write_mentions
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.reference import Reference, build_reference, parse_references
from bridge.xmpp.payloads.reply import NS_REPLY, build_fallback
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import DOMAIN, NURSE, ROOM, ScriptedNetwork, read_stanzas

HERE = "#verona%irc.example"
THERE = "#mantua%irc.example"


def read(body: str, *payloads: Element) -> tuple[Mention, ...]:
    message = Element("message", NS_COMPONENT, None, *payloads)
    return read_mentions(message, body, ScriptedNetwork(), DOMAIN, HERE)  # type: ignore[arg-type]


def refer(uri: str, begin: int = 0, end: int = 0, type: str = "mention") -> Element:
    return build_reference(Reference(type, uri, begin, end))


def test_references_name_occupants_contacts_and_rooms():
    """By the addresses that they have at the gateway; others are nobody of ours."""
    room = f"xmpp:%23verona%25irc.example@{DOMAIN}"
    assert ROOM.startswith("#verona%irc.example@")
    assert read("Nurse, come", refer(f"{room}/Nurse", 0, 5)) == (Mention(start=0, end=5, nick="Nurse"),)
    assert read("Nurse", refer(f"xmpp:{NURSE.replace('%', '%25')}")) == (
        Mention(contact="nurse%irc.example"),
    )
    assert read("all", refer(room, 0, 3)) == (Mention(start=0, end=3),)
    assert read("all", refer(room, 0, 3, "data")) == (Mention(start=0, end=3, room=HERE),)
    assert read("x", refer("xmpp:juliet@capulet.example"), refer("https://a.example")) == ()
    assert read("x", refer(f"xmpp:{DOMAIN}"), refer(f"xmpp:a%5C20b@{DOMAIN}")) == ()


def test_links_in_the_words_and_calls_to_all_are_mentions():
    """What a client did not mark."""
    link = f"xmpp:%23mantua%25irc.example@{DOMAIN}?join"
    assert read(f"see {link}.") == (Mention(start=4, end=4 + len(link), room=THERE),)
    assert read(f"see {link}", refer(link, 4, 4 + len(link), "data")) == (
        Mention(start=4, end=4 + len(link), room=THERE),
    )
    assert read("hi @room, @room and x@room") == (Mention(start=3, end=8),)


def test_mentions_move_when_the_quotation_goes():
    """XEP-0461 §3.1: positions count the quotation, the words that are passed on have none."""
    room = f"xmpp:%23verona%25irc.example@{DOMAIN}"
    body = "> Nurse\nyes, Nurse"
    found = read(
        body, build_fallback(NS_REPLY, (0, 8)), refer(f"{room}/Nurse", 2, 7), refer(f"{room}/Nurse", 13, 18)
    )
    assert found == (Mention(start=5, end=10, nick="Nurse"),)


def test_what_is_written_is_read_again():
    """All kinds of mentions, behind a prefix."""
    mentions = (
        Mention(nick="The Nurse"),
        Mention(start=1, end=2, contact="nurse%irc.example"),
        Mention(start=2, end=3),
        Mention(start=3, end=4, room=THERE),
    )
    xml = write_mentions(mentions, DOMAIN, HERE, 4)
    payloads = list(read_stanzas(f"<message>{xml}</message>".encode())[0].elements())
    message = Element("message", NS_COMPONENT, None, *payloads)
    assert [(one.begin, one.end) for one in parse_references(message, 9)] == [(0, 0), (5, 6), (6, 7), (7, 8)]
    assert [(one.nick, one.contact, one.room) for one in read("x" * 9, *payloads)] == [
        (one.nick, one.contact, one.room) for one in mentions
    ]
