"""Events as stanzas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bridge.events import (
    Affiliation,
    Kick,
    Kind,
    Message,
    MessageId,
    Occupant,
    Role,
    RoomId,
    Span,
    Style,
    Text,
    Topic,
)
from bridge.services.muc.render import GAP, Renderer, body_of

ROOM = RoomId("#verona%memory.example")
RENDER = Renderer("gw.example", b"secret")
NS = {"user": "http://jabber.org/protocol/muc#user", "sid": "urn:xmpp:sid:0"}


def parse(template: bytes, to: str = "romeo@montague.example/garden") -> etree._Element:
    assert template.count(GAP) == 1
    return etree.fromstring(template.replace(GAP, to.encode()))


def message(**values: object) -> Message:
    return Message(
        **{"room": ROOM, "nick": "Romeo", "body": Text(plain="hi"), "id": MessageId("a1"), **values}
    )  # type: ignore[arg-type]


@given(st.text(), st.text(min_size=1))
def test_message_with_any_text_is_well_formed_and_keeps_it(body: str, nick: str) -> None:
    """Whatever people call themselves and say, the stanza is XML and says the same."""
    found = parse(RENDER.message(message(nick=nick, body=Text(plain=body))))
    kept = "".join(
        char
        for char in body
        if char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char > "\uffff"
    )
    assert (found.findtext("body") or "") == kept


def test_emote_and_notice_are_worded() -> None:
    """XEP-0245 for what somebody does; a mark for what is only told."""
    assert body_of(Kind.EMOTE, "waves") == "/me waves"
    assert body_of(Kind.NOTICE, "server restarts") == "[notice] server restarts"


def test_message_has_the_authors_id_or_the_rooms() -> None:
    """An id is always there, and is the author's own where he gave one."""
    assert parse(RENDER.message(message(origin="mine"))).get("id") == "mine"
    assert parse(RENDER.message(message())).get("id") == "a1"


def test_spans_become_xhtml() -> None:
    """Formatting is rendered beside the plain words."""
    text = Text(plain="bold", spans=(Span(start=0, end=4, style=Style.BOLD),))
    assert b"http://jabber.org/protocol/xhtml-im" in RENDER.message(message(body=text))


@pytest.mark.parametrize("kind", Kind)
def test_xhtml_says_what_the_body_says(kind: Kind) -> None:
    """XEP-0245 §3: "/me" is in both, so that clients which show the formatted one know it too."""
    text = Text(plain="bold", spans=(Span(start=0, end=4, style=Style.BOLD),))
    seen = parse(RENDER.message(message(body=text, kind=kind)))
    formatted = seen.find("{http://jabber.org/protocol/xhtml-im}html")
    assert formatted is not None
    assert "".join(formatted.itertext()) == seen.findtext("body") == body_of(kind, "bold")


def test_delay_says_when_and_by_whom_only_for_history() -> None:
    """XEP-0203: history is delayed by the room, playback of the network by nobody named."""
    found = parse(RENDER.message(message(time=0.0), delayed=True)).find("{urn:xmpp:delay}delay")
    assert found is not None
    assert found.get("stamp") == "1970-01-01T00:00:00Z"
    assert found.get("from") == "#verona%memory.example@gw.example"


def test_presence_shows_address_only_where_it_is_known() -> None:
    """A hidden address is no attribute at all."""
    known = Occupant(
        nick="R", role=Role.MODERATOR, affiliation=Affiliation.ADMIN, address="r%memory.example/~r@host"
    )
    item = parse(RENDER.presence(ROOM, known)).find("user:x/user:item", NS)
    assert item is not None
    assert item.get("jid") == "r%memory.example@gw.example/~r@host"
    hidden = parse(RENDER.presence(ROOM, Occupant(nick="R"))).find("user:x/user:item", NS)
    assert hidden is not None and hidden.get("jid") is None


def test_presence_tells_of_the_picture_as_far_as_it_is_known() -> None:
    """XEP-0153: its hash, none at all, or nothing."""
    path = "{vcard-temp:x:update}x/{vcard-temp:x:update}photo"
    for avatar, told in (("a" * 40, "a" * 40), ("", ""), (None, None)):
        assert parse(RENDER.presence(ROOM, Occupant(nick="R", avatar=avatar))).findtext(path) == told


def test_occupant_id_is_stable_in_a_room_and_differs_between_rooms() -> None:
    """XEP-0421 §3.1."""
    other = RoomId("#mantua%memory.example")
    assert RENDER.occupant_id(ROOM, "a:romeo") == RENDER.occupant_id(ROOM, "a:romeo")
    assert RENDER.occupant_id(ROOM, "a:romeo") != RENDER.occupant_id(other, "a:romeo")
    assert RENDER.occupant_id(ROOM, "a:romeo") != Renderer("gw.example", b"other").occupant_id(
        ROOM, "a:romeo"
    )


def test_subject_that_ends_a_join_is_empty_where_there_is_none() -> None:
    """XEP-0045 §7.2.15."""
    found = parse(RENDER.subject(ROOM, None, joining=True))
    assert found.find("subject") is not None and not found.findtext("subject")


def test_subject_on_joining_tells_who_set_it_and_when() -> None:
    """The setter is the sender, the time a delay."""
    found = parse(RENDER.subject(ROOM, Topic(room=ROOM, text="love", nick="Juliet", time=60.0), joining=True))
    assert found.get("from") == "#verona%memory.example@gw.example/Juliet"
    assert b"1970-01-01T00:01:00Z" in etree.tostring(found)


def test_address_with_reserved_characters_is_escaped() -> None:
    """XEP-0106: a channel with an at sign or a slash is still one local part."""
    assert RENDER.room(RoomId("#a@b/c%irc.example")) == "#a\\40b\\2fc%irc.example@gw.example"


def test_kick_and_ban_have_their_codes_actor_and_reason() -> None:
    """XEP-0045 §8.2 and §9.1: 307 puts out, 301 puts out for good."""
    for banned, code, affiliation in ((False, "307", "none"), (True, "301", "outcast")):
        kick = Kick(room=ROOM, nick="Tybalt", actor="Prince", reason="brawl", banned=banned)
        found = parse(RENDER.event(kick))
        assert found.xpath("user:x/user:status/@code", namespaces=NS) == [code]
        assert found.xpath("user:x/user:item/@affiliation", namespaces=NS) == [affiliation]
        assert found.xpath("user:x/user:item/user:actor/@nick", namespaces=NS) == ["Prince"]


def test_kick_that_takes_the_membership_says_so() -> None:
    """XEP-0045 §9.4: 321 beside 307."""
    found = parse(RENDER.event(Kick(room=ROOM, nick="Tybalt", struck=True)))
    assert found.xpath("user:x/user:status/@code", namespaces=NS) == ["307", "321"]


def test_id_that_the_network_chose_cannot_break_the_stanza() -> None:
    """Whatever is in it, it comes out the same."""
    found = parse(RENDER.message(message(id=MessageId("$it's<&"))))
    assert found.xpath("sid:stanza-id/@id", namespaces=NS) == ["$it's<&"]
