"""Chat states."""

from __future__ import annotations

import pytest

from bridge.events import TypingState
from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    chatstates,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


@pytest.mark.parametrize("state", TypingState)
def test_chat_state_survives_writing(state):
    """XEP-0085 §5."""
    assert chatstates.parse_chat_state(message(chatstates.build_chat_state(state))) is state


def test_unknown_chat_state_is_none():
    """A chat state nobody defined says nothing."""
    assert chatstates.parse_chat_state(message(Element("dancing", chatstates.NS_CHATSTATES))) is None
    assert chatstates.parse_chat_state(message()) is None
