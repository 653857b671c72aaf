"""What SIP carries: plain words, to one person or in a conference, calls, and how he is."""

from __future__ import annotations

from msgspec.structs import replace

from bridge.capabilities import Capabilities, Level

WRITER = Capabilities(
    rooms=Level.REJECTED,
    archive=Level.REJECTED,
    direct_messages=Level.PARTIAL,
    typing=Level.PARTIAL,
    presence=Level.PARTIAL,
    subscriptions=Level.PARTIAL,
    subjects=Level.PARTIAL,
    attachments=Level.FALLBACK,
)
"""Messages are short ones; who writes is shown to those who show it themselves."""
CHATTER = replace(
    WRITER, receipts=Level.PARTIAL, rooms=Level.PARTIAL, guests=Level.PARTIAL, threads=Level.PARTIAL
)
"""And sessions of messages, with one person or in a conference, where MSRP is spoken."""
PERSON = replace(CHATTER, calls=Level.PARTIAL)
"""And calls, where there is something that carries their media."""


def carried(*, has_calls: bool, has_sessions: bool) -> Capabilities:
    """Return what a gateway carries that has these."""
    levels = CHATTER if has_sessions else WRITER
    return replace(levels, calls=PERSON.calls) if has_calls else levels
