"""What each user of a Matrix gateway sets for himself."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from bridge.forms import Settings


class GatewaySettings(Settings, frozen=True, kw_only=True):
    """A user's defaults."""

    title: ClassVar[str] = "Configure the gateway"
    instructions: ClassVar[str] = "Your defaults for all rooms."

    max_history_length: Annotated[
        int,
        Meta(title="Max history length", description="Messages shown when you join a room", ge=0, le=1000),
    ] = 20
    persistent: Annotated[
        bool,
        Meta(title="Make all rooms persistent", description="Stay in rooms when your last client leaves"),
    ] = False


class ServerSettings(Settings, frozen=True, kw_only=True):
    """Nothing depends on the server: there is one."""

    title: ClassVar[str] = "Configure the server {server}"
    instructions: ClassVar[str] = ""


class RoomSettings(Settings, frozen=True, kw_only=True):
    """A user's settings for one room; None leaves it to his defaults."""

    title: ClassVar[str] = "Configure the room {room}"
    instructions: ClassVar[str] = ""

    persistent: Annotated[
        bool, Meta(title="Persistent", description="Stay in the room when your last client leaves")
    ] = False
