"""Questions to the server, and to people's clients."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import Affiliation, ContactAnswer, ContactId, ContactNotice, ServerId
from bridge.queries import (
    AffiliationList,
    ClientVersion,
    ContactInfo,
    ContactPing,
    ContactQuery,
    ContactTime,
    ContactVersion,
    RoomInfo,
    RoomList,
    RoomQuery,
)

from .script import SERVER, World, room

ROMEO = ContactId("romeo%irc.example.org")
JULIET = ContactId("juliet%irc.example.org")


def ask(client, query, token: int = 1):
    """Ask, and return the client."""
    client.session.ask(query, token)
    client.collect()
    return client


def answer(client):
    """Take the one answer."""
    client.collect()
    (found,) = client.answers
    client.answers = []
    return found.result


def trouble(client) -> Trouble:
    """Take the one answer, which is an error."""
    result = answer(client)
    assert isinstance(result, BridgeError)
    return result.trouble


def listed(client, *channels: str, end: bool = True):
    """Have the server list channels."""
    for channel in channels:
        client.feed(f":{SERVER} 322 {{me}} {channel} 5 :about {channel}")
    if end:
        client.feed(f":{SERVER} 323 {{me}} :End of /LIST")


def rooms(page) -> list[str]:
    return [info.name for info in page.rooms]


def test_list_is_asked_once_and_served_in_pages():
    """RSM forwards, backwards and from the end, on one LIST."""
    server = ServerId(SERVER)
    romeo = World().client("romeo").in_room()
    ask(romeo, RoomList(server, limit=2))
    assert romeo.lines() == ["LIST"]
    listed(romeo, "#c", "#a", "#d", "#b")
    page = answer(romeo)
    assert (rooms(page), page.total, page.first_index, page.complete) == (["#a", "#b"], 4, 0, False)
    assert page.rooms[0] == RoomInfo(room=room("#a"), name="#a", description="about #a", occupants=5)
    page = answer(ask(romeo, RoomList(server, after=room("#b"), limit=2)))
    assert (rooms(page), page.first_index, page.complete) == (["#c", "#d"], 2, True)
    page = answer(ask(romeo, RoomList(server, before=room("#c"), limit=1)))
    assert (rooms(page), page.first_index) == (["#b"], 1)
    assert trouble(ask(romeo, RoomList(server, after=room("#zz")))) is Trouble.NOT_FOUND
    assert romeo.lines() == []


def test_last_page_is_asked_for_by_an_empty_before():
    """XEP-0059 §2.5."""
    romeo = World().client("romeo").in_room()
    ask(romeo, RoomList(ServerId(SERVER), before="", limit=2))
    listed(romeo, "#c", "#a", "#b")
    assert rooms(answer(romeo)) == ["#b", "#c"]


def test_pages_are_served_while_the_list_comes_in():
    """The total is told only when it is known."""
    world = World()
    romeo = world.client("romeo").in_room()
    ask(romeo, RoomList(ServerId(SERVER), limit=10))
    listed(romeo, "#b", "#a", end=False)
    world.pass_time(4)
    page = answer(romeo)
    assert (rooms(page), page.total, page.complete) == (["#a", "#b"], None, False)


def test_busy_server_and_silent_server_refuse_the_list():
    """263, and nothing at all."""
    world = World()
    romeo = world.client("romeo").in_room()
    ask(romeo, RoomList(ServerId(SERVER)))
    romeo.feed(f":{SERVER} 263 romeo LIST :Server load is temporarily too heavy")
    assert trouble(romeo) is Trouble.BUSY
    ask(romeo, RoomList(ServerId(SERVER)))
    world.pass_time(26)
    assert trouble(romeo) is Trouble.TIMED_OUT


def test_whois_becomes_particulars():
    """WHOIS in one value."""
    romeo = World().client("romeo").in_room()
    ask(romeo, ContactQuery(JULIET))
    assert romeo.lines() == ["WHOIS juliet"]
    romeo.feed(
        f":{SERVER} 311 romeo Juliet j host.example * :Juliet Capulet",
        f":{SERVER} 319 romeo Juliet :@#verona +#garden",
        f":{SERVER} 312 romeo Juliet {SERVER} :Verona",
        f":{SERVER} 301 romeo Juliet :asleep",
        f":{SERVER} 330 romeo Juliet jcap :is logged in as",
        f":{SERVER} 671 romeo Juliet :is using a secure connection",
        f":{SERVER} 317 romeo Juliet 42 1700000000 :seconds idle",
        f":{SERVER} 318 romeo juliet :End of WHOIS",
    )
    assert answer(romeo) == ContactInfo(
        nick="Juliet",
        name="Juliet Capulet",
        address="j@host.example",
        account="jcap",
        server=SERVER,
        away="asleep",
        idle=42.0,
        rooms=("#verona", "#garden"),
    )
    assert romeo.events() == []


def test_whois_of_nobody():
    """401 ends it."""
    romeo = ask(World().client("romeo").in_room(), ContactQuery(JULIET))
    romeo.feed(f":{SERVER} 401 romeo juliet :No such nick", f":{SERVER} 318 romeo juliet :End")
    assert trouble(romeo) is Trouble.NO_SUCH_NICK


def test_ban_list_and_members_list():
    """+b is the list of outcasts; the others are in the room."""
    romeo = World().client("romeo").in_room(names="@juliet +nurse")
    ask(romeo, AffiliationList(room("#chan"), Affiliation.OUTCAST))
    assert romeo.lines() == ["MODE #chan b"]
    romeo.feed(f":{SERVER} 367 romeo #chan *!*@evil op 1700000000", f":{SERVER} 368 romeo #chan :End")
    assert [each.address for each in answer(romeo)] == ["*!*@evil"]
    ask(romeo, AffiliationList(room("#chan"), Affiliation.ADMIN))
    assert [each.nick for each in answer(romeo)] == ["juliet"]


def test_ban_list_that_may_not_be_read():
    """482."""
    romeo = ask(World().client("romeo").in_room(), AffiliationList(room("#chan"), Affiliation.OUTCAST))
    romeo.feed(f":{SERVER} 482 romeo #chan :You're not channel operator")
    assert trouble(romeo) is Trouble.NO_PRIVILEGE


def test_room_query_answers_from_what_is_known():
    """The room one is in, or the name."""
    romeo = World().client("romeo").in_room(names="a b")
    assert answer(ask(romeo, RoomQuery(room("#chan")))).occupants == 3
    assert answer(ask(romeo, RoomQuery(room("#other")))) == RoomInfo(room=room("#other"), name="#other")


def test_ctcp_questions_are_answered_by_the_contact():
    """VERSION, TIME and PING."""
    romeo = World().client("romeo").in_room()
    ask(romeo, ContactVersion(JULIET))
    assert romeo.lines() == ["PRIVMSG juliet \x01VERSION\x01"]
    romeo.feed(":Juliet!j@h NOTICE romeo :\x01VERSION irssi 1.4\x01")
    assert answer(romeo) == ClientVersion(name="irssi 1.4")
    ask(romeo, ContactTime(JULIET)).feed(":Juliet!j@h NOTICE romeo :\x01TIME noon\x01")
    assert answer(romeo) == "noon"
    ask(romeo, ContactPing(JULIET)).feed(":Juliet!j@h NOTICE romeo :\x01PING 1\x01")
    assert answer(romeo) is None


def test_ctcp_question_without_answer_or_contact():
    """Twenty seconds, or 401."""
    world = World()
    romeo = ask(world.client("romeo").in_room(), ContactPing(JULIET))
    world.pass_time(21)
    assert trouble(romeo) is Trouble.TIMED_OUT
    ask(romeo, ContactPing(JULIET)).feed(f":{SERVER} 401 romeo juliet :No such nick")
    assert trouble(romeo) is Trouble.NO_SUCH_NICK


def test_questions_about_the_user():
    """VERSION goes to his client, PING and TIME are answered at once, a flood is not."""
    romeo = World().client("romeo").in_room()
    romeo.feed(":Juliet!j@h PRIVMSG romeo :\x01VERSION\x01")
    assert romeo.event(ContactNotice) == ContactNotice(contact=JULIET, nick="Juliet", question="VERSION")
    romeo.submit(ContactAnswer(contact=JULIET, question="VERSION", text="Gajim 2"))
    assert romeo.lines() == ["NOTICE juliet :\x01VERSION Gajim 2\x01"]
    for number in range(20):
        romeo.feed(f":Juliet!j@h PRIVMSG romeo :\x01PING {number}\x01")
    assert romeo.lines() == [f"NOTICE Juliet :\x01PING {number}\x01" for number in range(3)]


def test_question_about_oneself_is_answered_by_ones_own_client():
    """The server is not asked: with echo-message it would ask twice."""
    romeo = ask(World().client("romeo").in_room(caps="message-tags echo-message"), ContactVersion(ROMEO))
    assert romeo.event(ContactNotice) == ContactNotice(contact=ROMEO, nick="romeo", question="VERSION")
    romeo.submit(ContactAnswer(contact=ROMEO, question="VERSION", text="Gajim 2"))
    assert answer(romeo) == ClientVersion(name="Gajim 2")
    assert answer(ask(romeo, ContactPing(ROMEO))) is None
    assert "GMT" in answer(ask(romeo, ContactTime(ROMEO)))
    assert romeo.lines() == []


def test_every_question_ends_with_the_link():
    """Nothing waits for ever."""
    romeo = World().client("romeo").in_room()
    queries = (ContactQuery(JULIET), ContactPing(JULIET), RoomList(ServerId(SERVER)))
    for token, query in enumerate(queries):
        ask(romeo, query, token)
    romeo.session.connection_lost(None, "gone")
    romeo.collect()
    assert {each.token for each in romeo.answers} == {0, 1, 2}
    romeo.answers = []
    assert trouble(ask(romeo, ContactQuery(JULIET))) is Trouble.NOT_CONNECTED
