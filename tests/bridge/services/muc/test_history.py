"""Messages as the archive keeps them."""

import pytest
from msgspec.structs import replace

from bridge.events import Kind, Message, MessageId, Reply, RoomId, Span, Style, Text
from bridge.services.muc.history import from_archive, to_archive

NOW = 1_700_000_000_000_000


@pytest.mark.parametrize("id", [MessageId(f"{NOW:x}"), MessageId("$event:of.matrix")])
def test_archived_message_comes_back_as_it_was(id: MessageId) -> None:
    """Also by the name that the network itself gave it; when it was said, the archive's own id tells."""
    span = Span(start=0, end=4, style=Style.BOLD)
    message = Message(
        room=RoomId("#verona"),
        nick="Juliet",
        body=Text(plain="soft", spans=(span,)),
        id=id,
        origin="m1",
        kind=Kind.EMOTE,
        reply=Reply(id=MessageId("$other"), nick="Romeo"),
        identity="juliet",
    )
    kept = to_archive(message, lambda: NOW)
    assert kept.id == NOW
    assert from_archive(kept) == replace(message, time=NOW / 1_000_000)
    plain = Message(room=RoomId("#verona"), body=Text(plain="x"), id=id)
    assert from_archive(to_archive(plain, lambda: NOW)).id == id
