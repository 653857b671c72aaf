"""XEP-0085 Chat State Notifications 2.1."""

from __future__ import annotations

from bridge.events import TypingState
from bridge.xmpp.element import Element

NS_CHATSTATES = "http://jabber.org/protocol/chatstates"

_STATES = {
    "composing": TypingState.COMPOSING,
    "paused": TypingState.PAUSED,
    "active": TypingState.DONE,
    "inactive": TypingState.DONE,
    "gone": TypingState.GONE,
}
_NAMES = {
    TypingState.COMPOSING: "composing",
    TypingState.PAUSED: "paused",
    TypingState.DONE: "active",
    TypingState.GONE: "gone",
}


def build_chat_state(state: TypingState) -> Element:
    """Write a chat state."""
    return Element(_NAMES[state], NS_CHATSTATES)


def parse_chat_state(message: Element) -> TypingState | None:
    """Return the chat state that the message carries."""
    for child in message.elements():
        if child.namespace == NS_CHATSTATES:
            return _STATES.get(child.name)
    return None
