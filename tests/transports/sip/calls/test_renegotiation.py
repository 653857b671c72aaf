"""What later offers mean to XMPP."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.calls import Codec, Flow, SessionDescription, Setup
from tests.transports.sip.calling import AUDIO, BOTH, described
from transports.sip.calls.renegotiation import (
    agreed,
    answer_as_before,
    flow_of,
    is_held,
    is_unchanged,
    with_hold,
)

flows = st.sampled_from(Flow)


def with_codecs(*codecs: Codec) -> SessionDescription:
    return SessionDescription(contents=(replace(AUDIO.contents[0], codecs=codecs),))


@given(flows)
def test_hold_is_seen_and_taken_back(flow: Flow) -> None:
    """Who holds takes nothing; what he sends he goes on sending."""
    description = described("audio", "video", flow=flow)
    held = with_hold(description, True)
    assert is_held(held) and not is_held(with_hold(held, False))
    assert (flow in (Flow.BOTH, Flow.SENDS)) is (held.contents[0].flow is Flow.SENDS)
    assert not is_held(SessionDescription(contents=()))


@given(flows, st.booleans())
def test_answer_as_before_never_does_what_was_not_offered(flow: Flow, held: bool) -> None:
    """RFC 3264 §6.1; and who holds goes on holding."""
    offered = described("audio", flow=flow, ufrag="gw")
    answer = answer_as_before(offered, AUDIO, offered, held).contents[0]
    assert answer.flow is flow_of(
        flow in (Flow.BOTH, Flow.RECEIVES), flow in (Flow.BOTH, Flow.SENDS) and not held
    )
    assert answer.endpoint.ufrag == "user"
    assert answer.endpoint.fingerprint is not None and answer.endpoint.fingerprint.setup is Setup.ACTIVE


def test_other_media_other_ends_and_other_formats_are_a_change() -> None:
    """A direction, or formats more or less, are none."""
    opus, event = (
        Codec(payload=96, name="opus", clock=48000, channels=2),
        Codec(payload=101, name="telephone-event", clock=8000),
    )
    pcmu = AUDIO.contents[0].codecs[0]
    known = with_codecs(opus, pcmu, event)
    assert is_unchanged(known, with_codecs(pcmu))
    assert is_unchanged(AUDIO, described("audio", flow=Flow.NONE))
    assert not is_unchanged(known, with_codecs(event))
    assert not is_unchanged(known, with_codecs(replace(opus, payload=97)))
    assert not is_unchanged(AUDIO, BOTH) and not is_unchanged(BOTH, AUDIO)
    assert not is_unchanged(AUDIO, described("audio", ufrag="other"))


def test_answer_has_only_formats_that_are_known() -> None:
    """By the numbers that the other side uses for them."""
    pcmu, other = AUDIO.contents[0].codecs[0], Codec(payload=8, name="PCMA", clock=8000)
    answer = answer_as_before(with_codecs(other, pcmu), AUDIO, AUDIO, held=False)
    assert answer.contents[0].codecs == (pcmu,)


def test_of_an_offer_that_was_taken_in_part_the_part_is_known() -> None:
    """The rest was refused."""
    assert agreed(BOTH, AUDIO) == AUDIO
