"""What a room remembers of its latest events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transports.matrix.timeline import (
    MAX_REACTIONS,
    MAX_REACTIONS_OF_ONE,
    MAX_SAID,
    Said,
    Timeline,
)

from .raw import ALICE, BOB, ROMEO


def test_author_of_a_message_is_remembered():
    """By event, and by the stanza of which it was made."""
    timeline = Timeline()
    timeline.learn("$1", ALICE)
    timeline.learn("$2", ROMEO, "stanza")
    assert timeline.said("$1") == Said(ALICE)
    assert timeline.event(ROMEO, "stanza") == "$2"
    assert timeline.event(ALICE, "stanza") is None
    assert timeline.said("$3") is None


def test_oldest_messages_are_forgotten():
    """A busy room keeps no more than its share."""
    timeline = Timeline()
    for number in range(MAX_SAID + 1):
        timeline.learn(f"${number}", ROMEO, f"s{number}")
    assert timeline.said("$0") is None and timeline.event(ROMEO, "s0") is None
    assert timeline.event(ROMEO, "s1") == "$1"


def test_reused_stanza_id_means_the_newer_event():
    """Clients count from one after a restart; the older event being forgotten does not matter."""
    timeline = Timeline()
    timeline.learn("$old", ROMEO, "1")
    timeline.learn("$new", ROMEO, "1")
    for number in range(MAX_SAID - 1):
        timeline.learn(f"${number}", ALICE)
    assert timeline.said("$old") is None
    assert timeline.event(ROMEO, "1") == "$new"


def test_reactions_add_up_and_are_taken_back_one_by_one():
    """Each is an event of its own in Matrix, XMPP sees the whole set."""
    timeline = Timeline()
    assert timeline.react("$m", ALICE, "👍", "$1") == ("👍",)
    assert timeline.react("$m", ALICE, "🌹", "$2") == ("👍", "🌹")
    assert timeline.react("$m", BOB, "👍", "$3") == ("👍",)
    assert timeline.react("$m", BOB, "👍", "$3") == ("👍",)
    assert timeline.unreact("$1") == ("$m", ALICE, ("🌹",))
    # who takes back once more what is gone changes nothing
    assert timeline.unreact("$1") == ("$m", ALICE, ("🌹",))
    assert timeline.unreact("$2") == ("$m", ALICE, ())
    assert timeline.unreact("$3") == ("$m", BOB, ())


keys = st.lists(st.sampled_from("abcd"), max_size=6)


@given(keys, keys)
def test_difference_leads_to_what_is_wanted(had, wanted):
    """What is sent and redacted leaves exactly the wanted reactions, each once."""
    timeline = Timeline()
    for number, key in enumerate(had):
        timeline.react("$m", ROMEO, key, f"${number}")
    timeline.react("$m", ALICE, "a", "$alice")
    missing, surplus = timeline.difference("$m", ROMEO, wanted)
    assert "$alice" not in surplus
    for event_id in surplus:
        timeline.unreact(event_id)
    for key in missing:
        timeline.react("$m", ROMEO, key, f"$new{key}")
    assert set(timeline.react("$m", ROMEO, "z", "$z")) - {"z"} == set(wanted)
    assert timeline.difference("$m", ROMEO, [*wanted, "z"]) == ((), ())


def test_reactions_are_bounded():
    """Neither one message nor a room keeps any number."""
    timeline = Timeline()
    for number in range(MAX_REACTIONS_OF_ONE + 5):
        timeline.react("$m", ALICE, str(number), f"$m{number}")
    assert len(timeline.react("$m", ALICE, "x", "$x")) == MAX_REACTIONS_OF_ONE
    for number in range(MAX_REACTIONS):
        timeline.react(f"$o{number}", ALICE, "x", f"$r{number}")
    assert timeline.unreact("$m0") is None
    assert timeline.unreact(f"$r{MAX_REACTIONS - 1}") is not None
    for number in range(MAX_REACTIONS):
        timeline.react("$n", ALICE, "x", f"$n{number}")
        timeline.unreact(f"$n{number}")
    assert timeline.reacted(f"$r{MAX_REACTIONS - 1}") is None


def test_reaction_that_was_taken_back_is_still_known():
    """Nobody else can tell any more what it was on."""
    timeline = Timeline()
    timeline.react("$m", ALICE, "x", "$x")
    assert timeline.reacted("$x") == ("$m", ALICE)
    timeline.unreact("$x")
    assert (timeline.reacted("$x"), timeline.keys("$m", ALICE)) == (("$m", ALICE), ())
    assert timeline.reacted("$never") is None
