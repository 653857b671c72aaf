"""Going out of a room: XEP-0045 §7.14, §8.2, §9.3."""

from tests.scenarios.stage import JULIET, ROMEO, ROMEO_TOO, ROOM, Stage


def test_leave_is_confirmed_and_seen(verona: Stage) -> None:
    """Romeo gets his own unavailable with 110; Juliet sees him go."""
    verona.say(
        f"<presence from='{ROMEO}' to='{ROOM}/Romeo' type='unavailable'><status>adieu</status></presence>"
    )
    seen = {one.element.get("to"): one for one in verona.take()}
    assert seen[ROMEO].has("self::*[@type='unavailable']/user:x/user:status[@code='110']")
    assert seen[JULIET].get("string(c:status)") == "adieu"
    assert not seen[JULIET].has("user:x/user:status")


def test_one_of_two_clients_leaves_alone(verona: Stage) -> None:
    """The user stays while any of his clients is in, and the leaving one is told how many are."""
    verona.join(ROMEO_TOO, "Romeo")
    verona.take()
    verona.say(f"<presence from='{ROMEO_TOO}' to='{ROOM}/Romeo' type='unavailable'/>")
    (farewell,) = verona.take()
    assert farewell.element.get("to") == ROMEO_TOO
    assert farewell.get("string(c:status)") == "Loopback note: 1 resources are still in this channel."
    assert farewell.has("user:x/user:item[@role='participant' or @role='moderator']")


def test_leave_and_join_at_once_ends_inside(verona: Stage) -> None:
    """A client that leaves and joins again in one breath is in."""
    verona.say(
        f"<presence from='{ROMEO}' to='{ROOM}/Romeo' type='unavailable'/>"
        f"<presence from='{ROMEO}' to='{ROOM}/Romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    )
    verona.take()
    verona.speak(ROMEO, "still here")
    assert [one.get("string(c:body)") for one in verona.take_for(JULIET)] == ["still here"]


def test_leave_of_a_room_one_is_not_in_is_silent(verona: Stage) -> None:
    """There is nothing to confirm."""
    verona.say(f"<presence from='tybalt@capulet.example/x' to='{ROOM}/Tybalt' type='unavailable'/>")
    assert verona.take() == []


def test_bounced_stanza_takes_the_client_out(verona: Stage) -> None:
    """XEP-0045 §9.3: a client that is no more does not stay as a ghost."""
    verona.say(
        f"<message from='{ROMEO}' to='{ROOM}/Juliet' type='error'><error type='cancel'>"
        "<recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    assert verona.take_for(JULIET)[0].has("self::*[@type='unavailable']")


def test_error_that_is_no_absence_keeps_the_client(verona: Stage) -> None:
    """A client that merely refuses one message is not thrown out."""
    verona.say(
        f"<message from='{ROMEO}' to='{ROOM}/Juliet' type='error'><error type='modify'>"
        "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    assert verona.take() == []


def test_kick_tells_the_victim_and_the_others(verona: Stage) -> None:
    """XEP-0045 §8.2: 307, actor and reason; the moderator's iq is answered."""
    verona.say(
        f"<iq from='{ROMEO}' to='{ROOM}' type='set' id='k'><query xmlns='http://jabber.org/protocol/muc#admin'>"
        "<item nick='Juliet' role='none'><reason>feud</reason></item></query></iq>"
    )
    seen = {one.element.get("to") + one.element.tag[-2:]: one for one in verona.take()}
    victim = seen[JULIET + "ce"]
    assert victim.has("user:x/user:status[@code='307']") and victim.has("user:x/user:status[@code='110']")
    assert victim.has("user:x/user:item/user:actor[@nick='Romeo']")
    assert victim.get("string(user:x/user:item/user:reason)") == "feud"
    assert seen[ROMEO + "iq"].has("self::c:iq[@type='result'][@id='k']")
    assert seen[ROMEO + "ce"].has("user:x/user:status[@code='307']")


def test_kick_without_the_right_is_refused(verona: Stage) -> None:
    """The network's refusal is the answer to the iq."""
    verona.say(
        f"<iq from='{JULIET}' to='{ROOM}' type='set' id='k'><query xmlns='http://jabber.org/protocol/muc#admin'>"
        "<item nick='Romeo' role='none'/></query></iq>"
    )
    (answer,) = verona.take()
    assert answer.has("self::c:iq[@type='error'][@id='k']/c:error/err:not-allowed")
