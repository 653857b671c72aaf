"""Changing one's nick: XEP-0045 §7.6."""

from tests.scenarios.stage import JULIET, ROMEO, ROOM, Stage


def test_nick_change_is_unavailable_with_303_then_available(verona: Stage) -> None:
    """Everybody sees the old nick go with the new one named, then the new one come."""
    verona.say(f"<presence from='{ROMEO}' to='{ROOM}/Montague'/>")
    seen = verona.take()
    gone, come = (one for one in seen if one.element.get("to") == ROMEO)
    assert gone.has("user:x/user:status[@code='303']") and gone.has("user:x/user:status[@code='110']")
    assert gone.has("user:x/user:item[@nick='Montague']")
    assert come.has("user:x/user:status[@code='110']")
    hers = [one for one in seen if one.element.get("to") == JULIET]
    assert hers[0].has("user:x/user:status[@code='303']")
    assert not any(one.has("user:x/user:status[@code='110']") for one in hers)


def test_taken_nick_is_refused_and_the_old_one_stays(verona: Stage) -> None:
    """A conflict is an error presence from the nick that was wanted."""
    verona.say(f"<presence from='{ROMEO}' to='{ROOM}/Juliet'/>")
    (error,) = verona.take()
    assert error.has("self::*[@type='error']/c:error[@code='409']/err:conflict")
    verona.speak(ROMEO, "I am")
    assert verona.take_for(JULIET)[0].get("string(@from)") == f"{ROOM}/Romeo"


def test_own_presence_again_is_no_nick_change(verona: Stage) -> None:
    """An update of show and status goes to the network as availability."""
    verona.say(
        f"<presence from='{ROMEO}' to='{ROOM}/Romeo'><show>away</show><status>asleep</status></presence>"
    )
    (hers,) = verona.take_for(JULIET)
    assert hers.get("string(c:show)") == "away"
    assert hers.get("string(c:status)") == "asleep"
    verona.say(f"<presence from='{ROMEO}' to='{ROOM}/Romeo'/>")
    (back,) = verona.take_for(JULIET)
    assert not back.has("c:show")
