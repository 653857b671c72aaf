"""What messages carry besides their body: ids, replies, reactions, corrections, retractions, hints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, Trouble
from bridge.events import TypingState
from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    chatstates,
    conference,
    correction,
    hints,
    moderation,
    nick,
    occupant_id,
    reactions,
    reply,
    retract,
    stanza_id,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_only_forged_stanza_ids_are_removed():
    """XEP-0359 §4: the room's own ids from outside go, others and origin ids stay."""
    kept = [stanza_id.build_stanza_id("2", "user@a"), stanza_id.build_origin_id("3")]
    dirty = message(stanza_id.build_stanza_id("1", "room@gw"), *kept)
    assert stanza_id.without_stanza_ids(dirty, "room@gw").children == kept
    assert stanza_id.parse_stanza_id(dirty, "room@gw") is None
    assert stanza_id.parse_stanza_id(dirty, "user@a") == "2"


def test_author_s_id_is_the_origin_id_or_the_stanza_s():
    """XEP-0359 §3."""
    assert stanza_id.parse_origin_id(message(stanza_id.build_origin_id("o"), id="s")) == "o"
    assert stanza_id.parse_origin_id(message(id="s")) == "s"
    assert stanza_id.parse_origin_id(message()) is None


def test_occupant_ids_are_stable_and_differ_between_rooms():
    """XEP-0421 §5: the same person in another room, or under another secret, cannot be recognised."""
    one = occupant_id.derive_occupant_id(b"s", "#a", "me")
    others = [
        occupant_id.derive_occupant_id(b"s", "#b", "me"),
        occupant_id.derive_occupant_id(b"t", "#a", "me"),
        occupant_id.derive_occupant_id(b"s", "#a", "you"),
    ]
    assert one == occupant_id.derive_occupant_id(b"s", "#a", "me")
    assert one not in others
    assert len(one) == 24


def test_forged_occupant_id_is_removed():
    """XEP-0421 §3.1."""
    dirty = message(occupant_id.build_occupant_id("x"), Element("body", NS, None, "hi"))
    assert occupant_id.parse_occupant_id(dirty) == "x"
    assert [child.name for child in occupant_id.without_occupant_ids(dirty).elements()] == ["body"]


def test_reply_survives_writing():
    """XEP-0461 §3."""
    answered = reply.ReplyTo("id1", "room@gw/nick")
    assert reply.parse_reply(message(reply.build_reply(answered))) == answered
    assert reply.parse_reply(message(Element("reply", reply.NS_REPLY))) is None
    assert reply.parse_reply(message()) is None


def test_fallback_is_cut_out_of_the_body():
    """XEP-0428 §2: only the marked stretch of the named feature goes."""
    quoted = message(reply.build_fallback(reply.NS_REPLY, (0, 5)))
    assert reply.without_fallback(quoted, "> a\n\nyes", [reply.NS_REPLY]) == "yes"
    assert reply.without_fallback(quoted, "> a\n\nyes", ["urn:other"]) == "> a\n\nyes"
    whole = message(reply.build_fallback(reply.NS_REPLY))
    assert reply.without_fallback(whole, "all of it", [reply.NS_REPLY]) == ""


@given(st.text(max_size=20), st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=4))
def test_any_fallback_ranges_leave_a_part_of_the_body(body, ranges):
    """Ranges that overlap, are reversed, or are no numbers never raise."""
    bodies = [Element("body", reply.NS_FALLBACK, {"start": start, "end": end}) for start, end in ranges]
    marked = message(Element("fallback", reply.NS_FALLBACK, {"for": "f"}, *bodies))
    rest = reply.without_fallback(marked, body, ["f"])
    characters = iter(body)
    assert all(character in characters for character in rest)


def test_reactions_are_read_once_each_and_bounded():
    """XEP-0444 §4.2: doubles, empty and endless ones are left out."""
    many = [*"👍👍", "", "x" * 1000, *map(str, range(100))]
    read = reactions.parse_reactions(message(reactions.build_reactions("id1", many)))
    assert read.id == "id1"
    assert read.emojis[:3] == ("👍", "0", "1")
    assert len(read.emojis) == reactions.REACTION_LIMIT
    assert reactions.parse_reactions(message(reactions.build_reactions("id1", []))).emojis == ()
    assert reactions.parse_reactions(message(Element("reactions", reactions.NS_REACTIONS))) is None


def test_correction_and_retraction_name_their_message():
    """XEP-0308, XEP-0424: an element without id says nothing."""
    assert correction.parse_replace(message(correction.build_replace("a"))) == "a"
    assert correction.parse_replace(message(Element("replace", correction.NS_CORRECTION))) is None
    assert retract.parse_retract(message(retract.build_retract("b"))) == "b"
    assert retract.parse_retract(message()) is None


def test_moderation_request_is_read():
    """XEP-0425 §4: a message's id, and a reason."""
    wish = Element("moderate", moderation.NS_MODERATION, {"id": "a"}, retract.build_retract("x"))
    wish.add(Element("reason", moderation.NS_MODERATION, None, "rude"))
    assert moderation.parse_moderate(wish) == moderation.Moderation("a", "rude")
    told = moderation.build_moderated_retract("a", "room@gw/Op", "rude", occupant_id.build_occupant_id("o"))
    assert told.child("moderated", moderation.NS_MODERATION).get("by") == "room@gw/Op"
    assert told.child_text("reason") == "rude"


@pytest.mark.parametrize(
    ("attributes", "trouble"), [({}, Trouble.BAD_REQUEST), ({"id": "a"}, Trouble.UNSUPPORTED)]
)
def test_moderation_that_is_no_retraction_is_refused(attributes, trouble):
    """Without an id it is malformed, without a retraction it is another kind of moderation."""
    with pytest.raises(BridgeError) as caught:
        moderation.parse_moderate(Element("moderate", moderation.NS_MODERATION, attributes))
    assert caught.value.trouble is trouble


@pytest.mark.parametrize("state", TypingState)
def test_chat_state_survives_writing(state):
    """XEP-0085 §5."""
    assert chatstates.parse_chat_state(message(chatstates.build_chat_state(state))) is state


def test_unknown_chat_state_is_none():
    """A chat state nobody defined says nothing."""
    assert chatstates.parse_chat_state(message(Element("dancing", chatstates.NS_CHATSTATES))) is None
    assert chatstates.parse_chat_state(message()) is None


def test_direct_invitation_survives_writing():
    """XEP-0249 §2."""
    invite = conference.DirectInvite(room="room@gw", reason="come", password="key")
    assert conference.parse_direct_invite(message(conference.build_direct_invite(invite))) == invite
    assert conference.parse_direct_invite(message(Element("x", conference.NS_CONFERENCE))) is None


def test_hints_and_nickname():
    """XEP-0334, XEP-0280 §8, XEP-0172."""
    marked = hints.one_resource_only(message(nick.build_nick(" Romeo ")))
    assert hints.has_hint(marked, hints.NO_COPY)
    assert marked.child("private", hints.NS_CARBONS) is not None
    assert nick.parse_nick(marked) == "Romeo"
    assert nick.parse_nick(message()) == ""
