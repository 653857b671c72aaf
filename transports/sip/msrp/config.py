"""What the operator sets for chats by MSRP: ``[gateways."<domain>".sip.msrp]``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_RESTART = {"restart": True}
Listen = Annotated[str, Meta(pattern=r"^(tcp|tls) ([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]
"""A transport, an IP address and a port."""


class MsrpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Chats by MSRP; without this table people are written to by MESSAGE only."""

    listen: Annotated[
        tuple[Listen, ...],
        Meta(
            min_length=1,
            description="Transports, addresses and ports on which who has begun a chat connects.",
            extra=_RESTART,
        ),
    ] = ("tcp 0.0.0.0:2855",)
    max_message: Annotated[
        int,
        Meta(
            ge=2048,
            le=65536,
            description="Longest message that is taken; no longer than what XMPP servers take as a stanza.",
            extra={"unit": "bytes", **_RESTART},
        ),
    ] = 65536
    idle: Annotated[
        int,
        Meta(
            ge=30,
            le=86400,
            description="After how long without a word a chat is ended; the next word begins another.",
            extra={"unit": "seconds", **_RESTART},
        ),
    ] = 600
    max_chats: Annotated[int, Meta(ge=1, description="Chats at a time.", extra=_RESTART)] = 5000
    max_chats_per_user: Annotated[
        int, Meta(ge=1, description="Chats of one XMPP user at a time.", extra=_RESTART)
    ] = 100
