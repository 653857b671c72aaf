"""Messages by the ids that they have on the other side."""

from __future__ import annotations

from bridge.events import MessageId
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
