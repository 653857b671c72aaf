"""Polls as words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transports.matrix.polls import MAX_POLLS, Polls

from .raw import json


def vote(poll, *chosen):
    return {"m.selections": list(chosen), "m.relates_to": {"event_id": poll}}


def test_oldest_poll_is_forgotten_first():
    """What is remembered is bounded."""
    polls = Polls()
    for number in range(MAX_POLLS + 1):
        polls.begin(f"${number}", {"m.poll.start": {"answers": [{"m.id": "a", "m.text": "A"}]}})
    assert polls.vote(vote("$0", "a")) == ""
    assert polls.vote(vote("$1", "a")) == "votes for 1. A"


def test_poll_is_read_in_its_final_form():
    """MSC3381 as it was accepted: the poll by its own key, its words as text blocks."""
    words = {"question": {"m.text": [{"body": "Q?"}]}, "answers": [{"m.id": "a", "m.text": [{"body": "A"}]}]}
    polls = Polls()
    assert polls.begin("$1", {"m.text": [{"body": "Q? 1. A"}], "m.poll": words}) == "[poll] Q?\n1. A"
    assert polls.vote(vote("$1", "a")) == "votes for 1. A"


@given(json, json, st.dictionaries(st.sampled_from(["m.selections", "m.relates_to", "m.text"]), json))
def test_any_poll_is_read(poll, answers, content):
    """Whatever it is made of."""
    polls = Polls()
    assert polls.begin("$1", {"m.poll.start": poll}).startswith("[poll]")
    polls.begin("$2", {"org.matrix.msc3381.poll.start": {"answers": answers}})
    assert isinstance(polls.vote(content), str) and polls.end(content)
