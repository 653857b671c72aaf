"""What the parts of this network share."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bridge.network import Uplink
from transports.matrix.client import Homeserver
from transports.matrix.ids import Ids
from transports.matrix.pictures import Pictures
from transports.matrix.rules import Rules


class Common(Struct, frozen=True):
    """See the module's docstring.

    `bot` is our own user, `patience` for how many seconds the homeserver may be away before what users say
    fails.
    """

    homeserver: Homeserver
    ids: Ids
    clock: Any
    uplink: Uplink
    rules: Rules
    pictures: Pictures
    bot: str
    patience: float
