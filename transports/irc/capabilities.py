"""What an IRC server carries, by what it has of IRCv3."""

from __future__ import annotations

from bridge.capabilities import Capabilities, Level


def carried(*, replies: bool, reactions: bool, redaction: bool, typing: bool) -> Capabilities:
    """Return what a server carries that relays these."""
    return Capabilities(
        formatting=Level.NATIVE,
        replies=Level.NATIVE if replies else Level.FALLBACK,
        reactions=Level.NATIVE if reactions else Level.FALLBACK,
        retractions=Level.NATIVE if redaction else Level.REJECTED,
        moderation=Level.NATIVE if redaction else Level.REJECTED,
        typing=Level.NATIVE if typing else Level.DROPPED,
        presence=Level.NATIVE,
    )


PLAIN = carried(replies=False, reactions=False, redaction=False, typing=False)
"""Any server, and one that is not connected yet."""
IRCV3 = carried(replies=True, reactions=True, redaction=True, typing=True)
"""A server that has all of IRCv3 that we know."""
