"""Payload types of formats that are offered again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.calls import Codec
from transports.sip.media.numbering import keep_numbers

OPUS, KEYS = (
    Codec(payload=111, name="opus", clock=48000, channels=2),
    Codec(payload=110, name="telephone-event", clock=48000),
)


def numbered(*codecs: Codec) -> list[tuple[int, str]]:
    return [(codec.payload, codec.name) for codec in codecs]


def test_known_formats_keep_their_numbers():
    """However they are numbered in the offer, and however their names are spelled."""
    offered = (
        Codec(payload=0, name="PCMU", clock=8000),
        Codec(payload=96, name="OPUS", clock=48000, channels=2),
        Codec(payload=97, name="telephone-event", clock=48000),
    )
    kept = keep_numbers(offered, (OPUS, KEYS))
    assert numbered(*kept) == [(0, "PCMU"), (111, "OPUS"), (110, "telephone-event")]


def test_new_format_gives_way_to_a_known_one():
    """Where it has that one's number."""
    offered = (
        Codec(payload=111, name="iLBC", clock=8000),
        Codec(payload=96, name="opus", clock=48000, channels=2),
    )
    assert numbered(*keep_numbers(offered, (OPUS,))) == [(96, "iLBC"), (111, "opus")]


def test_format_without_a_free_number_is_left_out():
    """Each payload type is taken."""
    known = [Codec(payload=n, name=f"x{n}", clock=8000) for n in range(96, 128)]
    assert keep_numbers((Codec(payload=100, name="new", clock=8000),), known) == ()


codecs = st.lists(
    st.builds(
        Codec,
        payload=st.integers(96, 102),
        name=st.sampled_from(["opus", "PCMU", "PCMA", "G722"]),
        clock=st.sampled_from([8000, 48000]),
    ),
    unique_by=lambda codec: codec.payload,
)


@given(codecs, codecs)
def test_numbers_mean_one_format_each(offered: list[Codec], known: list[Codec]):
    """In the result, and with what is known; nothing is lost, and what is as known stays."""
    kept = keep_numbers(offered, known)
    assert [(one.name, one.clock) for one in kept] == [(one.name, one.clock) for one in offered]
    assert len({one.payload for one in kept}) == len(kept)
    meant = {one.payload: (one.name, one.clock) for one in known}
    assert all(meant.get(one.payload, (one.name, one.clock)) == (one.name, one.clock) for one in kept)
    assert set(known).intersection(offered) <= set(kept)
