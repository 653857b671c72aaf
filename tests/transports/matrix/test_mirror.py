"""Messages by the ids that they have on the other side."""

from __future__ import annotations

from bridge.events import MessageId
from tests.transports.matrix.raw import IDS
from transports.matrix import mirror
from transports.matrix.mirror import Links


def test_links_lead_both_ways_and_forget_the_oldest(monkeypatch):
    """A message that became several events is its first; what has no id is not remembered."""
    monkeypatch.setattr(mirror, "MAX_LINKS", 2)
    links = Links()
    for event_id, message_id in (("$1", "a"), ("$1b", "a"), ("", "x"), ("$2", "b"), ("$3", "c")):
        links.join(event_id, MessageId(message_id))
    assert (links.message("$2"), links.event(MessageId("c"))) == ("b", "$3")
    assert (links.message("$1"), links.event(MessageId("a")), links.message("$1b")) == (None, None, None)
    assert links.newest(1) == [("$3", "c")]


def test_events_of_ghosts_tell_which_messages_they_are():
    """The first of several is the message; what others claim is nothing to us."""
    links = Links()
    marker = {"xmppbridge.origin": {"message": "s1"}}
    ghost, mallory = IDS.ghost("romeo@montague.example"), "@mallory:hs.example"
    links.learn(
        [
            {"event_id": "$2", "sender": ghost, "content": marker},
            {"event_id": "$1", "sender": ghost, "content": marker},
            {"event_id": "$0", "sender": mallory, "content": marker},
            {"event_id": "$x", "sender": ghost, "content": {}},
            "nonsense",
        ],
        IDS,
    )
    assert (links.event("s1"), links.newest(9)) == ("$1", [("$1", "s1")])
