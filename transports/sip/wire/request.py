"""Requests of ours outside of dialogs (RFC 3261 §8.1.1)."""

from __future__ import annotations

from collections.abc import Callable

from transports.sip.wire.headers import CSeq, NameAddr
from transports.sip.wire.message import Fields, Request
from transports.sip.wire.uri import Uri

Token = Callable[[], str]
"""Makes words that nobody can guess."""


def make(
    method: str,
    uri: Uri,
    from_: NameAddr,
    to: NameAddr,
    token: Token,
    *,
    fields: Fields = (),
    body: bytes = b"",
    call_id: str = "",
    number: int = 1,
) -> Request:
    """Make one without Via; of another Call-ID than any before if none is given."""
    return Request(
        uri=uri,
        via=(),
        from_=from_.with_tag(token()),
        to=to,
        call_id=call_id or token(),
        cseq=CSeq(number=number, method=method),
        fields=fields,
        body=body,
    )
