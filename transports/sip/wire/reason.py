"""Why a request was sent: the Reason field (RFC 3326)."""

from __future__ import annotations

from msgspec import Struct

from transports.sip.wire.headers import Value, parse_value
from transports.sip.wire.message import Fields, Message
from transports.sip.wire.uri import Malformed

MAX_TEXT = 200
"""Characters kept of a peer's text."""
SIP, Q850 = "SIP", "Q.850"
"""Protocols whose causes are known: status codes, and those of telephone networks."""

COMPLETED_ELSEWHERE = 200
"""The cause of a CANCEL whose call somebody else has answered (RFC 3326 §3.1)."""


class Reason(Struct, frozen=True):
    """One reason: `cause` is a code of `protocol`, None if there is none."""

    protocol: str
    cause: int | None = None
    text: str = ""


def reasons(message: Message) -> list[Reason]:
    """Return the reasons of a message; what cannot be read is left out, since nothing depends on it."""
    try:
        values = [parse_value(item) for item in message.values("Reason")]
    except Malformed:
        return []
    return [_reason(value) for value in values if value.value]


def _reason(value: Value) -> Reason:
    cause = value.params.get("cause", "")
    is_code = cause.isascii() and cause.isdecimal() and len(cause) <= 3
    return Reason(
        protocol=SIP if value.value.upper() == SIP else value.value,
        cause=int(cause) if is_code else None,
        text=value.params.get("text", "")[:MAX_TEXT],
    )


def reason_fields(reason: Reason | None) -> Fields:
    """Make the field of a BYE or CANCEL; none without a reason."""
    if reason is None:
        return ()
    params = {"cause": str(reason.cause)} if reason.cause is not None else {}
    if reason.text:
        params["text"] = reason.text
    return (("Reason", str(Value(value=reason.protocol, params=params))),)
