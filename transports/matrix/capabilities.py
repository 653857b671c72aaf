"""What a Matrix room carries."""

from __future__ import annotations

from bridge.capabilities import Capabilities, Level

ROOM = Capabilities(
    formatting=Level.NATIVE,
    replies=Level.NATIVE,
    corrections=Level.NATIVE,
    retractions=Level.NATIVE,
    reactions=Level.NATIVE,
    typing=Level.NATIVE,
    threads=Level.PARTIAL,
    mentions=Level.NATIVE,
    search=Level.NATIVE,
    presence=Level.PARTIAL,
    attachments=Level.NATIVE,
    profiles=Level.NATIVE,
    moderation=Level.NATIVE,
    memberships=Level.NATIVE,
    configuration=Level.NATIVE,
    direct_messages=Level.NATIVE,
    receipts=Level.NATIVE,
    subscriptions=Level.NATIVE,
    guests=Level.NATIVE,
)
"""A room without end-to-end encryption. What power levels allow, the homeserver says. Threads: those that
begin with a message of the room."""
