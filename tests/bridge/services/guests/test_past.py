"""What was said while nobody listened."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import Message, Reaction, Retraction
from bridge.services.guests.past import KEPT, PAGE, PAGES, PATIENCE
from bridge.xmpp.payloads.delay import parse_time
from bridge.xmpp.payloads.forms import find_form, parse_values
from bridge.xmpp.payloads.mam import NS_MAM
from bridge.xmpp.payloads.rsm import parse_page_request
from tests.bridge.services.guests.desk import ALICE, ROOM, WALL, Desk, jid_of, parsed

PAST = "<delay xmlns='urn:xmpp:delay' stamp='2023-11-14T22:00:00Z'/>"


class Archive(Desk):
    """A desk whose room has an archive: Alice comes in again, and wants to know what was said since WALL."""

    def __init__(self) -> None:
        super().__init__()
        self.enter(ALICE, since=WALL)
        self.let_in(ALICE)
        self.query = self.after = ""

    def subject(self) -> None:
        self.groupchat(ALICE, "", extra="<subject/>")

    def result(
        self, id: str, inside: str, nick: str = "romeo", query: str | None = None, room: str = ROOM
    ) -> None:
        """Have the archive send a message in answer to the question that is open, or another."""
        iq = next(iq for iq, _ in self.asked if iq.child("query", NS_MAM) is not None)
        asked = iq.child("query", NS_MAM)
        sender = f"{room}/{nick}" if nick else room
        self.receive(
            ALICE,
            f"<message from='{ROOM}'><result xmlns='{NS_MAM}' id='{id}' queryid='{query or asked.get('queryid')}'>"
            f"<forwarded xmlns='urn:xmpp:forward:0'>{PAST}<message xmlns='jabber:client' type='groupchat'"
            f" from='{sender}' id='m{id}'>{inside}</message></forwarded></result></message>",
        )

    def fin(self, last: str = "", complete: bool = True) -> None:
        """End the answer to the question that is open."""
        end = f"<last>{last}</last>" if last else ""
        _, asked = self.asked_archive()
        fin = (
            f"<fin xmlns='{NS_MAM}' complete='{str(complete).lower()}'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'>{end}</set></fin>"
        )
        asked.callback(parsed(f"<iq type='result' from='{ROOM}' to='{jid_of(ALICE)}'>{fin}</iq>"))

    def words(self) -> list[str]:
        return [event.body.plain for event in self.heard() if isinstance(event, Message)]


def test_archive_is_asked_for_all_since_he_listened_last():
    """XEP-0313 §4.1.2: page by page, in the name of the guest."""
    desk = Archive()
    assert desk.asked == []
    desk.subject()
    for after in (None, "a2"):
        iq = desk.asked[0][0]
        query = iq.child("query", NS_MAM)
        assert (iq.get("type"), iq.get("from"), iq.get("to")) == ("set", jid_of(ALICE), ROOM)
        [start] = parse_values(find_form(query))["start"]
        assert parse_time(start) == WALL
        page = parse_page_request(query)
        assert (page.limit, page.after) == (PAGE, after)
        desk.fin("a2", complete=False)


def test_all_that_was_said_and_done_is_told_once_and_in_order():
    """The archive's first, what the room told on entering after it, what is said now at last."""
    desk = Archive()
    desk.heard()
    desk.groupchat(ALICE, "romeo", "three", sid="a3", extra=PAST)
    desk.groupchat(ALICE, "romeo", "five", sid="a5", extra=PAST)
    desk.subject()
    desk.groupchat(ALICE, "romeo", "now", sid="a6")
    desk.result("a1", "<body>one</body>")
    desk.fin("a1", complete=False)
    desk.result("a2", "<reactions xmlns='urn:xmpp:reactions:0' id='a1'><reaction>x</reaction></reactions>")
    desk.result("a3", "<body>three</body>")
    desk.result("a4", "<retract xmlns='urn:xmpp:message-retract:1' id='a1'/>")
    desk.result("a4", "<subject>not told</subject>")
    desk.fin()
    events = desk.heard()
    assert [type(event) for event in events] == [Message, Reaction, Message, Retraction, Message, Message]
    words = [event.body.plain for event in events if isinstance(event, Message)]
    assert words == ["one", "three", "five", "now"]
    first = events[0]
    assert (first.id, first.origin, first.nick, first.time) == ("a1", "ma1", "romeo", 1_700_000_000 - 800)


def test_results_of_others_are_none():
    """Of another question, from another room, or after all was told."""
    desk = Archive()
    desk.subject()
    desk.result("a1", "<body>forged</body>", query="other")
    desk.result("a1", "<body>forged</body>", room="elsewhere@muc.example")
    open_question = list(desk.asked)
    desk.fin()
    desk.asked += open_question
    desk.result("a1", "<body>late</body>")
    assert desk.words() == []


@pytest.mark.parametrize("trouble", [Trouble.UNSUPPORTED, Trouble.NOT_ALLOWED, Trouble.LOST])
def test_room_without_an_archive_has_told_what_it_tells(trouble):
    """Or that does not let guests read it."""
    desk = Archive()
    desk.groupchat(ALICE, "romeo", "one", sid="a1", extra=PAST)
    desk.subject()
    assert desk.words() == []
    desk.asked_archive()[1].errback(BridgeError(trouble))
    assert desk.words() == ["one"]


def test_archive_that_does_not_answer_is_not_waited_for():
    """What comes then is told as it comes."""
    desk = Archive()
    desk.groupchat(ALICE, "romeo", "one", sid="a1", extra=PAST)
    desk.subject()
    desk.groupchat(ALICE, "romeo", "now", sid="a2")
    desk.wait(PATIENCE)
    assert desk.words() == ["one", "now"]
    desk.fin("a9", complete=False)
    assert desk.asked == []


def test_endless_archive_is_read_so_far_only():
    """And what the room tells on entering is kept up to a bound."""
    desk = Archive()
    for number in range(KEPT + 1):
        desk.groupchat(ALICE, "romeo", f"{number}", sid=f"k{number}", extra=PAST)
    desk.subject()
    for page in range(PAGES):
        desk.result(f"a{page}", f"<body>page {page}</body>")
        desk.fin(f"a{page}", complete=False)
    assert desk.asked == []
    words = desk.words()
    assert words[:PAGES] == [f"page {page}" for page in range(PAGES)]
    assert words[PAGES:] == [f"{number}" for number in range(1, KEPT + 1)]
