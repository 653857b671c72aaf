"""What is said in a room: XEP-0045 §7.4 and what belongs to it."""

import pytest

from bridge.capabilities import Capabilities, Level
from tests.scenarios.stage import JULIET, ROMEO, ROMEO_TOO, ROOM, Stage, bodies


@pytest.mark.spec("XEP-0045 §7.4")
def test_message_reaches_everybody_and_is_reflected_with_its_id(verona: Stage) -> None:
    """Romeo sees his own message again under his id; both copies have the room's one stanza-id."""
    verona.speak(ROMEO, "soft", "abc")
    seen = verona.take()
    mine = next(one for one in seen if one.element.get("to") == ROMEO)
    hers = next(one for one in seen if one.element.get("to") == JULIET)
    assert mine.element.get("id") == "abc"
    assert mine.get("string(@from)") == f"{ROOM}/Romeo"
    ident = mine.get("string(sid:stanza-id/@id)")
    assert ident and ident == hers.get("string(sid:stanza-id/@id)")
    assert mine.has(f"sid:stanza-id[@by='{ROOM}']")
    assert hers.get("string(c:body)") == "soft"


def test_message_is_reflected_to_every_client_of_the_author(verona: Stage) -> None:
    """Romeo's other client sees what he says."""
    verona.join(ROMEO_TOO, "Romeo")
    verona.take()
    verona.speak(ROMEO, "but soft")
    assert bodies(verona.take_for(ROMEO_TOO)) == ["but soft"]


def test_forged_stanza_id_occupant_id_and_delay_are_stripped(verona: Stage) -> None:
    """XEP-0359 §6, XEP-0421 §5: what only the room may say is taken out; the author's own is kept."""
    forged = (
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='forged'/><origin-id xmlns='urn:xmpp:sid:0' id='mine'/>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/><delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00Z'/>"
        "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner'/></x>"
    )
    verona.speak(ROMEO, "hi", inside=forged)
    mine = verona.take_for(ROMEO)[0]
    assert "forged" not in mine.text
    assert not mine.has("delay:delay") and not mine.has("user:x")
    assert mine.has("sid:origin-id[@id='mine']")


def test_who_is_not_in_the_room_cannot_speak(verona: Stage) -> None:
    """XEP-0045 §7.4: not-acceptable."""
    verona.speak("mercutio@verona.example/x", "a plague")
    (error,) = verona.take()
    assert error.has("self::c:message[@type='error']/c:error/err:not-acceptable")
    assert error.element.get("id") == "m1"


def test_other_client_that_did_not_join_cannot_speak(verona: Stage) -> None:
    """Each client joins for itself."""
    verona.speak(ROMEO_TOO, "hello")
    (error,) = verona.take()
    assert error.has("c:error/err:not-acceptable")


def test_subject_change_is_seen_by_all(verona: Stage) -> None:
    """XEP-0045 §8.1."""
    verona.say(
        f"<message from='{ROMEO}' to='{ROOM}' type='groupchat'><subject>Love &amp; loss</subject></message>"
    )
    seen = verona.take()
    assert {one.element.get("to") for one in seen} == {ROMEO, JULIET}
    assert all(one.get("string(c:subject)") == "Love & loss" for one in seen)
    assert seen[0].get("string(@from)") == f"{ROOM}/Romeo"


def test_private_message_comes_from_the_person_and_the_answer_from_the_room(verona: Stage) -> None:
    """XEP-0045 §7.5: Romeo wrote to Juliet in the room, so her answer comes from her there."""
    verona.say(f"<message from='{ROMEO}' to='{ROOM}/Juliet' type='chat'><body>psst</body></message>")
    (letter,) = verona.take()
    assert letter.element.get("to") == JULIET
    assert letter.get("string(@from)") == "romeo%memory.example@gw.example"
    assert letter.has("carbons:private") and letter.has("hints:no-copy")
    verona.say(
        f"<message from='{JULIET}' to='romeo%memory.example@gw.example' type='chat'><body>yes</body></message>"
    )
    (answer,) = verona.take()
    assert answer.get("string(@from)") == f"{ROOM}/Juliet"
    assert answer.has("user:x")


def test_message_to_one_as_if_to_all_is_refused(verona: Stage) -> None:
    """XEP-0045 §7.5: type groupchat to an occupant is a bad request, and nobody gets it."""
    verona.say(
        f"<message from='{ROMEO}' to='{ROOM}/Juliet' type='groupchat' id='g'><body>psst</body></message>"
    )
    (error,) = verona.take()
    assert error.element.get("to") == ROMEO
    assert error.has("self::c:message[@type='error'][@id='g']/c:error/err:bad-request")


def test_message_to_nobody_is_answered_with_an_error(verona: Stage) -> None:
    """Nothing is lost silently."""
    verona.say(
        f"<message from='{ROMEO}' to='tybalt%memory.example@gw.example' type='chat' id='q'><body>ho</body></message>"
    )
    (error,) = verona.take()
    assert error.has("self::c:message[@type='error'][@id='q']/c:error/err:item-not-found")


def test_formatting_is_reflected_as_it_was_sent(verona: Stage) -> None:
    """The author's XHTML-IM comes back to him, and reaches others as their network shows it."""
    html = "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><strong>hi</strong></body></html>"
    verona.speak(ROMEO, "hi", inside=html)
    seen = {one.element.get("to"): one for one in verona.take()}
    assert "<strong>hi</strong>" in seen[ROMEO].text
    assert seen[JULIET].has("html:html")
    assert "bold" in seen[JULIET].text


def test_odd_characters_stay_what_they_are(verona: Stage) -> None:
    """Markup in words is words."""
    verona.speak(ROMEO, "&lt;b&gt; &amp;amp; ]]&gt; \U0001f339")
    assert bodies(verona.take_for(JULIET)) == ["<b> &amp; ]]> \U0001f339"]


REACTED = "<reactions xmlns='urn:xmpp:reactions:0' id='s1'><reaction>+</reaction></reactions>"
RETRACTED = "<retract xmlns='urn:xmpp:message-retract:1' id='s1'/>"


@pytest.mark.parametrize("inside", [REACTED, RETRACTED])
def test_what_is_done_to_a_message_is_no_message_where_that_can_be(
    verona: Stage, monkeypatch, inside: str
) -> None:
    """XEP-0444, XEP-0424 §3: the body is for clients that do not know them; elsewhere it is said."""
    verona.speak(ROMEO, "gone", inside=inside)
    assert bodies(verona.take_for(JULIET)) == ["gone"]
    levels = Capabilities(reactions=Level.NATIVE, retractions=Level.NATIVE)
    monkeypatch.setattr(verona.network, "capabilities", lambda *_: levels)
    wanted: list = []
    monkeypatch.setattr(verona.network, "submit", lambda _, event: wanted.append(event))
    verona.speak(ROMEO, "gone", inside=inside)
    assert [(type(one).__name__, one.id) for one in wanted] == [
        ("Reaction" if inside is REACTED else "Retraction", "s1")
    ]


FILE = "<x xmlns='jabber:x:oob'><url>https://f/rose.png</url></x>"


@pytest.mark.spec("XEP-0066 §3")
def test_file_is_its_address_where_files_are_not_carried(verona: Stage) -> None:
    """As it always was: the words are passed on, and the author's payload is shown to him."""
    verona.speak(ROMEO, "https://f/rose.png", inside=FILE)
    seen = verona.take()
    mine = next(one for one in seen if one.element.get("to") == ROMEO)
    hers = next(one for one in seen if one.element.get("to") == JULIET)
    assert bodies([mine, hers]) == ["https://f/rose.png"] * 2
    assert mine.has("*[local-name()='x']/*[local-name()='url']")


def test_file_that_no_word_names_is_named_where_files_are_not_carried(verona: Stage) -> None:
    """A client that shares a file without a body is heard nevertheless."""
    shared = (
        "<file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data xmlns='http://jabber.org/protocol/url-data'"
        " target='https://f/rose.png'/></sources></file-sharing>"
    )
    verona.say(f"<message from='{ROMEO}' to='{ROOM}' type='groupchat' id='m1'>{shared}</message>")
    assert bodies(verona.take_for(JULIET)) == ["https://f/rose.png"]


def test_file_and_words_are_two_things_where_files_are_carried(verona: Stage, monkeypatch) -> None:
    """The network gets them apart; both sides are shown them together."""
    monkeypatch.setattr(verona.network, "capabilities", lambda *_: Capabilities(attachments=Level.NATIVE))
    verona.speak(ROMEO, "a rose\nhttps://f/rose.png", inside=FILE)
    hers = verona.take_for(JULIET)[0]
    assert hers.get("string(c:body)") == "a rose\nhttps://f/rose.png"
    assert hers.get("string(*[local-name()='file-sharing']//*[local-name()='desc'])") == "a rose"
    assert hers.has("*[local-name()='fallback']/*[local-name()='body'][@start='6']")
