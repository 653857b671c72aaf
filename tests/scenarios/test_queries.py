"""Archive, lists, forms and pings of rooms."""

import pytest

from tests.scenarios.stage import JULIET, ROMEO, ROOM, Stage, bodies


def mam(who: str, inside: str = "", ident: str = "q") -> str:
    return f"<iq from='{who}' to='{ROOM}' type='set' id='{ident}'><query xmlns='urn:xmpp:mam:2' queryid='f'>{inside}</query></iq>"


@pytest.mark.spec("XEP-0313 §4")
def test_archive_gives_what_was_said_then_the_fin(verona: Stage) -> None:
    """Results come before the iq result, each with id, time and the message itself."""
    verona.speak(ROMEO, "one")
    verona.speak(JULIET, "two", "m2")
    verona.take()
    verona.say(mam(ROMEO))
    *results, fin = verona.take_for(ROMEO)
    assert [
        one.get("string(mam:result/forward:forwarded/client:message/client:body)") for one in results
    ] == ["one", "two"]
    assert all(one.has("mam:result[@queryid='f']/forward:forwarded/delay:delay") for one in results)
    assert fin.has("mam:fin[@complete='true']/rsm:set[rsm:count='2']")


def test_archive_pages_by_id(verona: Stage) -> None:
    """XEP-0059: the next page begins after the last id of this one."""
    for number in range(5):
        verona.speak(ROMEO, f"line {number}", f"m{number}")
    verona.take()
    verona.say(mam(ROMEO, "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set>"))
    fin = verona.take_for(ROMEO)[-1]
    last = fin.get("string(mam:fin/rsm:set/rsm:last)")
    assert not fin.has("mam:fin[@complete='true']")
    verona.say(
        mam(ROMEO, f"<set xmlns='http://jabber.org/protocol/rsm'><max>10</max><after>{last}</after></set>")
    )
    *results, fin = verona.take_for(ROMEO)
    assert len(results) == 3 and fin.has("mam:fin[@complete='true']")


def test_archive_gives_certain_messages_on_a_flipped_page(verona: Stage) -> None:
    """XEP-0313 §4.1.4 and §4.3.4: by their ids, the newest first."""
    for number in range(3):
        verona.speak(ROMEO, f"line {number}", f"m{number}")
    verona.take()
    verona.say(mam(ROMEO))
    ids = [one.get("string(mam:result/@id)") for one in verona.take_for(ROMEO)[:-1]]
    wanted = "".join(f"<value>{id}</value>" for id in (ids[0], ids[2]))
    form = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
        f"<field var='ids'>{wanted}</field></x><flip-page/>"
    )
    verona.say(mam(ROMEO, form))
    *results, fin = verona.take_for(ROMEO)
    assert [one.get("string(mam:result/@id)") for one in results] == [ids[2], ids[0]]
    assert fin.get("string(mam:fin/rsm:set/rsm:first)") == ids[0]
    verona.say(mam(ROMEO, form.replace(ids[0], "5")))
    assert verona.take()[0].has("c:error/err:item-not-found")


def test_archive_of_who_was_not_there_is_empty(verona: Stage) -> None:
    """Reading needs having been inside."""
    verona.speak(ROMEO, "one")
    verona.take()
    verona.say(mam("tybalt@capulet.example/x"))
    (fin,) = verona.take_for("tybalt@capulet.example/x")
    assert fin.has("mam:fin[@complete='true']")


def test_unknown_archive_id_is_item_not_found(verona: Stage) -> None:
    """XEP-0313 §4.1: the page cannot begin after nothing."""
    verona.say(mam(ROMEO, "<set xmlns='http://jabber.org/protocol/rsm'><after>nonsense</after></set>"))
    (error,) = verona.take()
    assert error.has("c:error/err:item-not-found")


def test_recording_switched_off_keeps_nothing(verona: Stage) -> None:
    """A user's setting decides what is kept for him."""
    verona.say(
        f"<iq from='{ROMEO}' to='{ROOM}' type='get' id='g'><query xmlns='http://jabber.org/protocol/muc#owner'/></iq>"
    )
    (form,) = verona.take()
    assert form.has("*[local-name()='query']/data:x[@type='form']/data:field[@var='record_history']")
    verona.say(
        f"<iq from='{ROMEO}' to='{ROOM}' type='set' id='s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
        "<x xmlns='jabber:x:data' type='submit'><field var='record_history'><value>false</value></field></x></query></iq>"
    )
    assert verona.take()[0].has("self::c:iq[@type='result']")
    verona.say(f"<presence from='{ROMEO}' to='{ROOM}/Romeo' type='unavailable'/>")
    verona.join(ROMEO, "Romeo")
    verona.speak(JULIET, "unheard")
    verona.take()
    verona.say(mam(ROMEO))
    assert len(verona.take_for(ROMEO)) == 1


def test_self_ping_tells_the_truth(verona: Stage) -> None:
    """XEP-0410 §3."""
    ping = "<iq from='{who}' to='{room}/Romeo' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
    verona.say(ping.format(who=ROMEO, room=ROOM))
    assert verona.take()[0].has("self::c:iq[@type='result']")
    verona.say(ping.format(who="romeo@montague.example/other", room=ROOM))
    assert verona.take()[0].has("c:error/err:not-acceptable")


def test_moderators_are_listed(verona: Stage) -> None:
    """XEP-0045 §9.8."""
    verona.say(
        f"<iq from='{ROMEO}' to='{ROOM}' type='get' id='l'><query xmlns='http://jabber.org/protocol/muc#admin'>"
        "<item role='moderator'/></query></iq>"
    )
    (answer,) = verona.take()
    assert answer.has("admin:query[count(admin:item)=1]/admin:item[@nick='Romeo'][@affiliation='admin']")


def test_outsider_cannot_read_lists(verona: Stage) -> None:
    """What is inside a room is for those inside."""
    verona.say(
        f"<iq from='tybalt@capulet.example/x' to='{ROOM}' type='get' id='l'>"
        "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast'/></query></iq>"
    )
    assert verona.take()[0].has("c:error/err:not-acceptable")


def test_invitation_to_somebody_elsewhere_is_sent_by_the_room(verona: Stage) -> None:
    """XEP-0045 §7.8.2."""
    verona.say(
        f"<message from='{ROMEO}' to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>"
        "<invite to='mercutio@verona.example'><reason>come</reason></invite></x></message>"
    )
    (invite,) = verona.take()
    assert invite.element.get("to") == "mercutio@verona.example"
    assert invite.get("string(@from)") == ROOM
    assert invite.has("user:x/user:invite[@from='romeo@montague.example/garden']")
    assert bodies([invite]) == []


def test_invitation_by_a_bare_nick_goes_to_the_network(verona: Stage) -> None:
    """What has neither @ nor dot is no JID of anybody elsewhere."""
    verona.say(
        f"<message from='{ROMEO}' to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>"
        "<invite to='Mercutio'/></x></message>"
    )
    assert all(one.element.get("to") != "mercutio" for one in verona.take())


@pytest.mark.parametrize(
    ("sender", "photo", "condition"),
    [
        (ROMEO, "<PHOTO><BINVAL>iVBORw0KGgo=</BINVAL></PHOTO>", "feature-not-implemented"),
        (ROMEO, "", "feature-not-implemented"),
        ("paris@verona.example/x", "", "not-acceptable"),
    ],
)
def test_picture_that_a_room_cannot_have_is_refused(
    verona: Stage, sender: str, photo: str, condition: str
) -> None:
    """XEP-0486 §4.2: where the network has none, and of who is not in."""
    verona.say(
        f"<iq from='{sender}' to='{ROOM}' type='set' id='v'><vCard xmlns='vcard-temp'>{photo}</vCard></iq>"
    )
    [refused] = verona.take()
    assert refused.has(f"c:error/err:{condition}")
