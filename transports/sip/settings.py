"""What each user of a SIP gateway sets for himself: nothing yet."""

from __future__ import annotations

from typing import ClassVar

from bridge.forms import Settings


class NoSettings(Settings, frozen=True, kw_only=True):
    """There is nothing to choose."""

    title: ClassVar[str] = "Configure {name}"
    instructions: ClassVar[str] = "There is nothing to configure."
