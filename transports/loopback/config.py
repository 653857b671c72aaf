"""What an operator sets: nothing but the network's name."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class LoopbackConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network in memory."""

    server: Annotated[str, Meta(description="Name of the one server.")] = "memory.example"
