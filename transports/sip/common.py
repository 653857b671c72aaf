"""What the parts of this network share."""

from __future__ import annotations

from collections.abc import Callable

from bridge.events import ContactId, UserId
from bridge.network import Uplink
from transports.sip.address import Spellings
from transports.sip.agent.means import Means
from transports.sip.lines.routes import Route
from transports.sip.lines.way import Way


class Common(Means, frozen=True):
    """See the module's docstring.

    `way` tells how a user reaches a contact, or raises BridgeError; `through` how he goes a given route.
    """

    uplink: Uplink
    spellings: Spellings
    way: Callable[[UserId, ContactId], Way]
    through: Callable[[UserId, Route], Way]
