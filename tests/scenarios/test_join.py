"""Coming into a room: XEP-0045 §7.2."""

import pytest

from bridge.services.muc import join
from tests.scenarios.stage import JULIET, ROMEO, ROMEO_TOO, ROOM, Stage, bodies


@pytest.mark.spec("XEP-0045 §7.2.2")
def test_join_shows_occupants_then_self_then_subject(stage: Stage) -> None:
    """A client that joins learns in this order: who is there, that it is in, what the subject is."""
    stage.join(ROMEO, "Romeo")
    stage.take()
    stage.join(JULIET, "Juliet")
    others, own, subject = stage.take_for(JULIET)
    assert others.get("string(@from)") == f"{ROOM}/Romeo"
    assert not others.has("user:x/user:status")
    assert own.has("user:x/user:status[@code='110']")
    assert own.get("string(@from)") == f"{ROOM}/Juliet"
    assert subject.has("self::c:message[@type='groupchat']/c:subject")


def test_join_is_seen_by_those_inside(stage: Stage) -> None:
    """Romeo sees Juliet come in, with her role and affiliation and no 110."""
    stage.join(ROMEO, "Romeo")
    stage.take()
    stage.join(JULIET, "Juliet")
    (seen,) = stage.take_for(ROMEO)
    assert seen.has("user:x/user:item[@affiliation='none'][@role='participant']")
    assert not seen.has("user:x/user:status")
    assert seen.has("occupant:occupant-id[string-length(@id) > 16]")


def test_second_client_of_a_user_gets_the_whole_join_and_shares_the_nick(verona: Stage) -> None:
    """A second client of Romeo's is welcomed like the first; Juliet notices nothing."""
    verona.join(ROMEO_TOO, "Romeo")
    seen = verona.take()
    assert {one.element.get("to") for one in seen} == {ROMEO_TOO}
    assert [one.has("user:x/user:status[@code='110']") for one in seen] == [False, True, False]


def test_second_client_with_another_nick_is_told_the_real_one(verona: Stage) -> None:
    """Behind one connection there is one nick; status 210 says that it was assigned."""
    verona.join(ROMEO_TOO, "Montague")
    own = verona.take()[1]
    assert own.get("string(@from)") == f"{ROOM}/Romeo"
    assert own.has("user:x/user:status[@code='210']")


def test_join_again_of_a_client_that_is_inside_repeats_the_sequence(verona: Stage) -> None:
    """A client that lost track joins again and sees everything afresh."""
    verona.join(ROMEO, "Romeo")
    assert len(verona.take_for(ROMEO)) == 3


def test_nick_in_use_ends_the_join_with_conflict(verona: Stage) -> None:
    """XEP-0045 §7.2.8: the join ends with an error that says why."""
    verona.join("mercutio@verona.example/x", "Juliet")
    (error,) = verona.take()
    assert error.has("self::c:presence[@type='error']/c:error[@type='cancel'][@code='409']/err:conflict")
    assert error.has("muc:x")
    assert error.get("string(@from)") == f"{ROOM}/Juliet"


def test_presence_without_muc_payload_is_refused_outside(stage: Stage) -> None:
    """Who is not in the room and does not ask to be let in is told so."""
    stage.say(f"<presence from='{ROMEO}' to='{ROOM}/Romeo'/>")
    (error,) = stage.take()
    assert error.has("c:error[@type='modify']/err:not-acceptable")
    assert "You are not joined to this MUC." in error.text


def test_join_without_nick_is_refused(stage: Stage) -> None:
    """XEP-0045 §7.2.1."""
    stage.say(f"<presence from='{ROMEO}' to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    (error,) = stage.take()
    assert error.has("c:error/err:jid-malformed")


@pytest.mark.spec("XEP-0045 §7.2.14")
def test_history_comes_between_self_presence_and_subject(verona: Stage) -> None:
    """Romeo's second client sees what was said while he was inside, with its time."""
    verona.speak(JULIET, "wherefore art thou")
    verona.take()
    verona.join(ROMEO_TOO, "Romeo")
    seen = verona.take_for(ROMEO_TOO)
    assert seen[1].has("user:x/user:status[@code='110']")
    assert bodies(seen) == ["wherefore art thou"]
    assert seen[2].has(f"delay:delay[@from='{ROOM}'][@stamp]")
    assert seen[-1].has("c:subject")


def test_history_is_not_shown_to_who_was_not_there(verona: Stage) -> None:
    """A newcomer reads nothing of what was said before he came."""
    verona.speak(JULIET, "a secret")
    verona.take()
    verona.join("mercutio@verona.example/x", "Mercutio")
    assert bodies(verona.take_for("mercutio@verona.example/x")) == []


def test_history_of_no_characters_is_none(verona: Stage) -> None:
    """XEP-0045 §7.2.14: maxchars='0'."""
    verona.speak(JULIET, "hello")
    verona.take()
    verona.join(ROMEO_TOO, "Romeo", inside="<history maxchars='0'/>")
    assert bodies(verona.take_for(ROMEO_TOO)) == []


def test_message_during_the_read_of_history_comes_after_it(verona: Stage) -> None:
    """What is said while a client's history is being read is neither lost nor shown too early."""
    verona.speak(JULIET, "first")
    verona.take()
    verona.join(ROMEO_TOO, "Romeo")
    verona.speak(JULIET, "second", "m2")
    seen = verona.take_for(ROMEO_TOO)
    assert bodies(seen) == ["first", "second"]
    subject = next(index for index, one in enumerate(seen) if one.has("c:subject"))
    assert seen[subject + 1].get("string(c:body)") == "second"


@pytest.fixture
def mercutio(verona: Stage, monkeypatch: pytest.MonkeyPatch) -> str:
    """He is on his way into a room that is shown in several turns; Romeo and Juliet are there."""
    monkeypatch.setattr(join, "SLICE", 1)
    who = "mercutio@verona.example/x"
    verona.join(who, "Mercutio")
    return who


@pytest.mark.spec("XEP-0045 §7.2")
def test_join_to_a_person_is_refused(stage: Stage) -> None:
    """Whoever takes a contact for a room is told; an ordinary presence to him is none of this."""
    contact = ROOM.replace("#verona", "juliet")
    stage.say(f"<presence from='{ROMEO}' to='{contact}'/>")
    assert stage.take_for(ROMEO) == []
    stage.join(ROMEO, "Romeo", room=contact)
    [refused] = stage.take_for(ROMEO)
    assert refused.has("self::c:presence[@type='error']/c:error/*[local-name()='item-not-found']")


@pytest.mark.spec("XEP-0045 §7.2.2")
def test_long_list_of_occupants_is_shown_in_turns(verona: Stage, mercutio: str) -> None:
    """Others are served between two parts of it, and what is said meanwhile comes after it."""
    (first,) = verona.take_for(mercutio)
    verona.speak(JULIET, "Who is he?")
    for _ in range(3):
        verona.clock.advance(0)
    second, own, *said = verona.take_for(mercutio)
    assert {one.get("string(@from)") for one in (first, second)} == {f"{ROOM}/Romeo", f"{ROOM}/Juliet"}
    assert own.has("user:x/user:status[@code='110']")
    assert said[-2].has("self::c:message[@type='groupchat']/c:subject")
    assert bodies(said) == ["Who is he?"]


def test_client_that_leaves_while_a_long_list_is_made_is_not_shown_it(verona: Stage, mercutio: str) -> None:
    """After its own unavailable presence nothing comes any more."""
    assert len(verona.take_for(mercutio)) == 1
    verona.say(f"<presence from='{mercutio}' to='{ROOM}/Mercutio' type='unavailable'/>")
    for _ in range(3):
        verona.clock.advance(0)
    (gone,) = verona.take_for(mercutio)
    assert gone.has("self::c:presence[@type='unavailable']")
