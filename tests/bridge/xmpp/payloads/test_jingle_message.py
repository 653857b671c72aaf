"""Calls that are proposed to all devices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls import Ending, MediaKind
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import Reason
from bridge.xmpp.payloads.jingle_message import (
    NS_JINGLE_MESSAGE,
    JingleMessage,
    Step,
    build_jingle_message,
    parse_jingle_message,
)
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import read_stanzas
from tests.bridge.xmpp.descriptions import HOSTILE, TOKENS

STEPS = st.builds(
    JingleMessage,
    step=st.sampled_from(Step),
    sid=TOKENS,
    kinds=st.lists(st.sampled_from(MediaKind), unique=True).map(tuple),
    reason=st.none() | st.builds(Reason, st.sampled_from(Ending), st.just("") | TOKENS),
    tie_break=st.booleans(),
    migrated=st.just("") | TOKENS,
)


def message(*children: Element) -> Element:
    return Element("message", NS_COMPONENT, {"type": "chat"}, *children)


@given(STEPS)
def test_step_is_read_as_it_was_written(told: JingleMessage) -> None:
    """Whichever it is."""
    assert parse_jingle_message(message(build_jingle_message(told))) == told


@given(HOSTILE)
def test_no_message_does_more_than_be_refused(element: Element) -> None:
    """Whatever a peer sends, its step is read, or it is malformed."""
    try:
        told = parse_jingle_message(message(*element.elements()))
    except BridgeError as refusal:
        assert refusal.trouble is Trouble.BAD_REQUEST
    else:
        assert told is None or told.sid


def test_steps_of_the_specification_are_read() -> None:
    """XEP-0353 §3.1 and §4.2."""
    proposed, finished = read_stanzas(
        b"""<message type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='ca3cf894-5325'>
        <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose>
        <store xmlns='urn:xmpp:hints'/></message>
        <message type='chat'><finish xmlns='urn:xmpp:jingle-message:0' id='ca3cf894-5325'>
        <reason xmlns='urn:xmpp:jingle:1'><expired/><text>Session migrated</text></reason>
        <migrated to='989a46a6-f202'/></finish><store xmlns='urn:xmpp:hints'/></message>"""
    )
    assert parse_jingle_message(proposed) == JingleMessage(
        step=Step.PROPOSE, sid="ca3cf894-5325", kinds=(MediaKind.AUDIO,)
    )
    assert parse_jingle_message(finished) == JingleMessage(
        step=Step.FINISH,
        sid="ca3cf894-5325",
        reason=Reason(Ending.EXPIRED, "Session migrated"),
        migrated="989a46a6-f202",
    )


def test_proposal_of_something_else_has_no_media() -> None:
    """Nobody here can send files that way: who proposes it can be told."""
    files = Element("description", "urn:xmpp:jingle:apps:file-transfer:5")
    proposal = Element("propose", NS_JINGLE_MESSAGE, {"id": "a"}, files)
    assert parse_jingle_message(message(proposal)) == JingleMessage(step=Step.PROPOSE, sid="a")


@pytest.mark.parametrize("sid", [None, "", "a\nb", "a" * 257])
def test_step_of_no_session_is_malformed(sid: str | None) -> None:
    """Without a name, nothing can be said of it."""
    with pytest.raises(BridgeError) as caught:
        parse_jingle_message(message(Element("propose", NS_JINGLE_MESSAGE, {"id": sid})))
    assert caught.value.trouble is Trouble.BAD_REQUEST


def test_other_messages_are_no_steps() -> None:
    """Nor is what the old protocol had devices of one user tell each other."""
    assert parse_jingle_message(message(Element("body", NS_COMPONENT, None, "hi"))) is None
    assert parse_jingle_message(message(Element("accept", NS_JINGLE_MESSAGE, {"id": "a"}))) is None
