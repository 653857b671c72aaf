"""What changes between two descriptions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bridge.calls import Content, Flow, SessionDescription
from bridge.errors import BridgeError
from bridge.services.calls.steps import NOTHING, Step, after, merge, mirror, names_of, only, steps, without
from bridge.xmpp.payloads.jingle import Action
from tests.bridge.services.calls.desk import ANSWERING, BOTH, ENDPOINT, FILM, OFFER, VOICE, content

FLOWS = st.sampled_from(Flow)
ENDPOINTS = st.builds(
    lambda ufrag, certificate: structs.replace(ENDPOINT, ufrag=ufrag, fingerprint=certificate),
    st.sampled_from(["aaaa", "bbbb"]),
    st.sampled_from([ENDPOINT.fingerprint, ANSWERING.fingerprint]),
)
CONTENTS = st.lists(
    st.builds(content, st.sampled_from(["a", "b", "c"]), flow=FLOWS, endpoint=ENDPOINTS),
    unique_by=lambda one: one.name,
    min_size=1,
)
DESCRIPTIONS = st.builds(lambda contents: SessionDescription(contents=tuple(contents)), CONTENTS)


def by_name(description: SessionDescription) -> list[Content]:
    return sorted(description.contents, key=lambda one: one.name)


@given(DESCRIPTIONS, DESCRIPTIONS)
def test_steps_lead_from_one_description_to_the_other(
    old: SessionDescription, new: SessionDescription
) -> None:
    """Whatever changes is told, and what does not is not."""
    now = old
    taken = steps(old, new)
    for step in taken:
        now = after(now, step)
    assert by_name(now) == by_name(new)
    assert steps(now, new) == []
    assert len({step.action for step in taken}) == len(taken)


def test_each_change_is_its_own_step() -> None:
    """Contents go, come, are elsewhere, begin again, are said more of, turn round."""
    stranger = structs.replace(ENDPOINT, fingerprint=ANSWERING.fingerprint)
    again = structs.replace(ENDPOINT, ufrag="again")
    old = SessionDescription(contents=tuple(content(name) for name in "abcde"))
    new = SessionDescription(
        contents=(
            content("b", endpoint=stranger),
            content("c", endpoint=again),
            content("d", codecs=VOICE.codecs[:1]),
            content("e", flow=Flow.NONE),
            content("f"),
        )
    )
    assert [step.action for step in steps(old, new)] == [
        Action.CONTENT_REMOVE,
        Action.CONTENT_ADD,
        Action.TRANSPORT_REPLACE,
        Action.TRANSPORT_INFO,
        Action.DESCRIPTION_INFO,
        Action.CONTENT_MODIFY,
    ]


def test_role_in_the_handshake_is_no_change() -> None:
    """An answer is passive, the next offer open again (RFC 5763 §5)."""
    shown = ENDPOINT.fingerprint
    assert shown is not None
    other = structs.replace(ENDPOINT, fingerprint=structs.replace(shown, setup=ANSWERING.fingerprint.setup))  # type: ignore[union-attr]
    assert steps(OFFER, SessionDescription(contents=(structs.replace(VOICE, endpoint=other),))) == []


def test_address_counts_where_there_is_no_ice() -> None:
    """Raw UDP has one, and nothing else to know it by."""
    here = content("voice", endpoint=structs.replace(ENDPOINT, ufrag="", password="", fingerprint=None))
    there = structs.replace(here, endpoint=structs.replace(here.endpoint, candidates=()))
    (step,) = steps(SessionDescription(contents=(here,)), SessionDescription(contents=(there,)))
    assert step.action is Action.TRANSPORT_REPLACE
    (step,) = steps(SessionDescription(contents=(here,)), OFFER)
    assert step.action is Action.TRANSPORT_REPLACE


@pytest.mark.parametrize(
    "step",
    [
        Step(action=Action.CONTENT_ADD, description=OFFER),
        Step(action=Action.CONTENT_ADD),
        Step(action=Action.CONTENT_REMOVE, names=("film",)),
        Step(action=Action.CONTENT_REMOVE),
        Step(action=Action.CONTENT_MODIFY, flows={"film": Flow.NONE}),
        Step(action=Action.TRANSPORT_REPLACE, endpoints={"film": ENDPOINT}),
    ],
)
def test_step_of_what_is_not_there_is_out_of_order(step: Step) -> None:
    """Nor is what is there added."""
    with pytest.raises(BridgeError):
        after(OFFER, step)


def test_flow_of_one_side_is_the_reverse_of_the_others() -> None:
    """Who sends is received from."""
    heard = SessionDescription(contents=(content("voice", flow=Flow.SENDS),))
    assert mirror(BOTH, heard).contents[0].flow is Flow.RECEIVES
    assert mirror(BOTH, heard).contents[1].flow is Flow.BOTH


def test_contents_that_share_a_place_share_a_bundle() -> None:
    """RFC 9143: what is added there belongs to it, what is taken away does not."""
    one = SessionDescription(contents=(VOICE,), bundles=(("voice",),))
    two = merge(one, SessionDescription(contents=(FILM,), bundles=(("film",),)))
    assert two.bundles == (("voice", "film"),)
    assert without(two, ("voice",)).bundles == (("film",),)
    apart = SessionDescription(contents=(structs.replace(FILM, endpoint=ANSWERING),), bundles=(("film",),))
    assert merge(one, apart).bundles == (("voice",), ("film",))
    moved = after(two, Step(action=Action.TRANSPORT_INFO, endpoints={"voice": ANSWERING}))
    assert [one.endpoint for one in moved.contents] == [ANSWERING, ANSWERING]


def test_part_of_a_description_has_those_contents_alone() -> None:
    """An answer has contents of its offer."""
    assert names_of(only(BOTH, ("film", "what"))) == ("film",)
    assert only(BOTH, ()) == NOTHING
