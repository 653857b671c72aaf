"""What each user of a SIP gateway sets for himself."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from bridge.forms import Settings


class GatewaySettings(Settings, frozen=True, kw_only=True):
    """How he shows himself."""

    title: ClassVar[str] = "Configure {name}"
    instructions: ClassVar[str] = "How you show yourself to those whom you call and write to."

    display_name: Annotated[
        str,
        Meta(
            title="Your name",
            description="Shown beside your address or number; empty: the first part of your address, and "
            "nothing beside a number",
            max_length=64,
        ),
    ] = ""
    hide_identity: Annotated[
        bool,
        Meta(
            title="Call anonymously",
            description="Do not show your number or address to those whom you call over a telephone system",
        ),
    ] = False


class NoSettings(Settings, frozen=True, kw_only=True):
    """Nothing depends on a server or a room."""

    title: ClassVar[str] = "Configure {name}"
    instructions: ClassVar[str] = "There is nothing to configure."
