"""Netsplits as one event."""

from __future__ import annotations

from bridge.events import Join, Leave, Rejoin, Split
from transports.irc.splits import is_split

from .script import World, room
from .test_roster import members

TEXT = "irc.hub.example other.example"


def split(client, *nicks: str) -> None:
    """Have people vanish in a split."""
    client.feed(*(f":{nick}!u@h QUIT :{TEXT}" for nick in nicks))


def test_texts_of_splits_are_told_from_words():
    """Two different host names, and nothing else."""
    assert is_split(TEXT)
    assert is_split("*.net *.split")
    for words in (
        "good night",
        "a.b a.b",
        "Ping timeout: 240 seconds",
        "irc.hub.example",
        "see example.org bye",
    ):
        assert not is_split(words)


def test_split_is_one_event_after_a_quiet_second():
    """Not hundreds of leaves."""
    world = World()
    romeo = world.client("romeo").in_room(names="juliet nurse peter")
    split(romeo, "juliet", "nurse")
    assert romeo.events() == []
    world.pass_time(1.5)
    assert romeo.events() == [Split(room=room("#chan"), gone=("juliet", "nurse"), text=TEXT)]


def test_split_is_one_object_for_all_sessions():
    """All users see the same split."""
    world = World()
    one = world.client("one").in_room(names="two juliet nurse")
    two = world.client("two").in_room(names="one juliet nurse")
    for client in (one, two):
        client.tuples.clear()
        split(client, "juliet", "nurse")
    world.pass_time(2)
    assert one.tuples[0] is two.tuples[0]
    assert members(one) is members(two)


def test_healed_split_is_one_event():
    """Those who come back do not join."""
    world = World()
    romeo = world.client("romeo").in_room(names="juliet nurse peter")
    split(romeo, "juliet", "nurse")
    world.pass_time(40)
    romeo.events()
    romeo.feed(":x PONG x :y", ":juliet!u@h JOIN #chan", ":nurse!u@h JOIN #chan", ":new!u@h JOIN #chan")
    romeo.feed(":irc.hub.example MODE #chan +o juliet")
    events = romeo.events()
    assert [type(event) for event in events[:2]] == [Join, Rejoin]
    assert [each.nick for each in events[1].back] == ["juliet", "nurse"]


def test_those_who_stay_away_have_left():
    """After ten minutes nobody is expected any more."""
    world = World()
    romeo = world.client("romeo").in_room(names="juliet nurse")
    split(romeo, "juliet", "nurse")
    world.pass_time(2)
    romeo.feed(":juliet!u@h JOIN #chan")
    for _ in range(40):
        world.pass_time(20)
        romeo.feed(":x PONG x :y")
    events = [event for event in romeo.events() if not isinstance(event, (Split, Rejoin))]
    assert events == [Leave(room=room("#chan"), nick="nurse", reason=TEXT)]


def test_batch_tells_a_split_by_any_text():
    """IRCv3 netsplit: the batch says so, and when it is complete."""
    romeo = World().client("romeo").in_room(names="juliet nurse", caps="batch message-tags")
    romeo.feed(
        ":s BATCH +b1 netsplit irc.hub.example other.example",
        "@batch=b1 :juliet!u@h QUIT :lost",
        "@batch=b1 :nurse!u@h QUIT :lost",
        ":s BATCH -b1",
    )
    assert romeo.event(Split).gone == ("juliet", "nurse")
