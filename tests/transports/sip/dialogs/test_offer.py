"""Offers and answers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from transports.sip.dialogs.offer import (
    Negotiation,
    OfferState,
    OutOfTurn,
    hold,
    is_held,
    resume,
    unheld,
)
from transports.sip.wire.sdp import Description, Direction, Media, Origin
from transports.sip.wire.uri import Malformed

AUDIO = Media(kind="audio", port=4000, protocol="RTP/AVP", formats=("0", "8"))
VIDEO = Media(
    kind="video", port=4002, protocol="RTP/AVP", formats=("96",), attributes=(("rtpmap", "96 VP8/90000"),)
)


def description(*media: Media, version: int = 1, session: int = 1) -> Description:
    return Description(origin=Origin("-", session, version, "192.0.2.1"), media=media, address="192.0.2.1")


OFFER, ANSWER = description(AUDIO), description(AUDIO, session=2)


def agreed() -> Negotiation:
    negotiation = Negotiation()
    negotiation.offer(OFFER)
    negotiation.receive_answer(ANSWER)
    return negotiation


@pytest.mark.spec("RFC 3264 §4")
def test_an_offer_and_its_answer_hold():
    """From either end."""
    ours = agreed()
    assert (ours.state, ours.local, ours.remote) == (OfferState.STABLE, OFFER, ANSWER)
    theirs = Negotiation()
    theirs.receive_offer(OFFER)
    assert theirs.state is OfferState.ASKED
    assert theirs.answer(ANSWER) == ANSWER
    assert (theirs.state, theirs.local, theirs.remote) == (OfferState.STABLE, ANSWER, OFFER)


@pytest.mark.spec("RFC 3264 §8")
def test_versions_count_what_changes():
    """Whatever the author of the media writes there; the origin stays."""
    negotiation = agreed()
    assert negotiation.offer(description(AUDIO, version=77, session=99)).origin == OFFER.origin
    negotiation.receive_answer(ANSWER)
    for version in (2, 3):
        other = description(replace(AUDIO, port=4000 + 2 * version), session=5)
        assert negotiation.offer(other).origin == replace(OFFER.origin, version=version)
        negotiation.receive_answer(ANSWER)


def test_a_refused_offer_changes_nothing():
    """What was agreed holds on, and the next offer may come."""
    negotiation = agreed()
    negotiation.offer(description(AUDIO, VIDEO))
    negotiation.refuse()
    assert (negotiation.state, negotiation.local, negotiation.remote) == (OfferState.STABLE, OFFER, ANSWER)
    negotiation.receive_offer(description(AUDIO, VIDEO))
    negotiation.refuse()
    assert negotiation.remote == ANSWER
    assert negotiation.offer(description(AUDIO, VIDEO)).origin.version == 2


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("offer", "offer", 491),
        ("offer", "receive_offer", 491),
        ("offer", "answer", 500),
        ("receive_offer", "offer", 491),
        ("receive_offer", "receive_offer", 500),
        ("receive_offer", "receive_answer", 500),
        ("", "answer", 500),
        ("", "receive_answer", 500),
    ],
)
@pytest.mark.spec("RFC 3261 §14")
def test_what_is_out_of_turn_is_refused(first, second, status):
    """Offers that cross, and answers to nothing; the state stays."""
    negotiation = Negotiation()
    if first:
        getattr(negotiation, first)(OFFER)
    before = negotiation.state
    with pytest.raises(OutOfTurn) as caught:
        getattr(negotiation, second)(ANSWER)
    assert (caught.value.status, negotiation.state) == (status, before)


@pytest.mark.parametrize(
    "answer",
    [
        description(),
        description(AUDIO),
        description(VIDEO, AUDIO),
        description(AUDIO, VIDEO, AUDIO),
    ],
)
@pytest.mark.spec("RFC 3264 §6")
def test_an_answer_fits_its_offer(answer):
    """Medium for medium; both ends look."""
    for begin, end in (("offer", "receive_answer"), ("receive_offer", "answer")):
        negotiation = Negotiation()
        getattr(negotiation, begin)(description(AUDIO, VIDEO))
        with pytest.raises(Malformed):
            getattr(negotiation, end)(answer)
        getattr(negotiation, end)(description(AUDIO, VIDEO.refused()))
        assert negotiation.state is OfferState.STABLE


def test_a_medium_that_was_ended_is_not_answered():
    """It has no port on either side."""
    negotiation = Negotiation()
    negotiation.receive_offer(description(AUDIO.refused()))
    with pytest.raises(Malformed):
        negotiation.answer(description(AUDIO))


@pytest.mark.parametrize("method", ["offer", "receive_offer"])
@pytest.mark.spec("RFC 3264 §8")
def test_media_are_never_left_out_later(method):
    """They are ended by a port of zero."""
    negotiation = Negotiation()
    negotiation.offer(description(AUDIO, VIDEO))
    negotiation.receive_answer(description(AUDIO, VIDEO))
    with pytest.raises(Malformed):
        getattr(negotiation, method)(description(AUDIO))
    assert negotiation.state is OfferState.STABLE
    getattr(negotiation, method)(description(AUDIO, VIDEO.refused()))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(Direction), min_size=1, max_size=3))
def test_hold_and_resume_are_each_others_undoing(directions):
    """What is sent goes on, what comes in stops (RFC 3264 §8.4); ended media stay ended."""
    ours = description(*(AUDIO.with_direction(direction) for direction in directions), VIDEO.refused())
    held = hold(ours)
    assert is_held(held)
    assert not is_held(resume(held))
    assert held.media[-1] == ours.media[-1]
    for before, after, again in zip(ours.media[:-1], held.media[:-1], resume(held).media[:-1], strict=True):
        assert held.direction(after).sends is ours.direction(before).sends
        assert resume(held).direction(again) is Direction.of(ours.direction(before).sends, True)
    assert not is_held(description(VIDEO.refused()))


@pytest.mark.parametrize(("holds", "direction"), [(False, "sendrecv"), (True, "sendonly")])
def test_what_the_peer_held_is_offered_anew(holds, direction):
    """Only who holds himself goes on holding; ended media stay ended."""
    held = description(AUDIO.with_direction(Direction.INACTIVE), VIDEO.refused())
    ours = unheld(held, holds)
    assert ours.direction(ours.media[0]).value == direction and ours.media[1] == held.media[1]
