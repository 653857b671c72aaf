"""What a server carries."""

from __future__ import annotations

from bridge.capabilities import Level
from transports.irc.capabilities import IRCV3, PLAIN, carried


def test_server_with_ircv3_carries_more():
    """Replies, reactions, typing and redaction as what they are."""
    assert IRCV3.carried - PLAIN.carried == {"replies", "reactions", "typing", "retractions", "moderation"}


def test_each_capability_stands_alone():
    """A server may relay replies, and no reactions."""
    found = carried(replies=True, reactions=False, redaction=False, typing=False)
    assert found.replies is Level.NATIVE
    assert (found.reactions, found.retractions, found.typing) == (
        Level.FALLBACK,
        Level.REJECTED,
        Level.DROPPED,
    )
