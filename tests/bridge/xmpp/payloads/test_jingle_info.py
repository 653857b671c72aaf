"""What is told in a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import Action, Jingle
from bridge.xmpp.payloads.jingle_info import (
    NS_DTMF,
    NS_INFO,
    Info,
    Press,
    State,
    build_info,
    build_press,
    parse_info,
    parse_press,
)


def told(*payloads: Element) -> Jingle:
    return Jingle(action=Action.SESSION_INFO, sid="a", payloads=payloads)


@given(
    st.builds(
        Info, st.sampled_from(State), st.sampled_from(["", "initiator"]), st.sampled_from(["", "voice"])
    )
)
def test_state_is_read_as_it_was_written(info: Info) -> None:
    """XEP-0167 §8."""
    assert parse_info(told(build_info(info))) == info


@given(st.builds(Press, st.sampled_from("0123456789*#ABCD"), st.integers(0, 60_000)))
def test_key_is_read_as_it_was_pressed(press: Press) -> None:
    """XEP-0181 §2."""
    assert parse_press(told(build_press(press))) == press


def test_key_is_pressed_for_a_usual_time() -> None:
    """XEP-0181 §2: 100 ms."""
    assert parse_press(told(Element("dtmf", NS_DTMF, {"code": "d"}))) == Press("D", 100)


@pytest.mark.parametrize(
    ("facts", "trouble"),
    [
        ({}, Trouble.UNSUPPORTED),
        ({"code": "E"}, Trouble.UNSUPPORTED),
        ({"code": "12"}, Trouble.UNSUPPORTED),
        ({"code": "1", "duration": "-1"}, Trouble.BAD_REQUEST),
        ({"code": "1", "duration": "60001"}, Trouble.BAD_REQUEST),
    ],
)
def test_key_that_there_is_not_is_refused(facts: dict[str, str], trouble: Trouble) -> None:
    """XEP-0181 §2: by the error that says so."""
    with pytest.raises(BridgeError) as caught:
        parse_press(told(Element("dtmf", NS_DTMF, facts)))
    assert caught.value.trouble is trouble


def test_other_infos_are_none() -> None:
    """XEP-0166 §6.8: their author is told that nobody here knows them."""
    strange = told(Element("dancing", NS_INFO), Element("ringing", "urn:x"))
    assert parse_info(strange) is None
    assert parse_press(strange) is None
