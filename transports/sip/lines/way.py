"""How a user reaches a contact."""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from transports.sip.address import digits_of
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import MAX_DATAGRAM
from transports.sip.lines.line import Line
from transports.sip.lines.routes import NOT_YOURS, Route
from transports.sip.wire.digest import DigestClient
from transports.sip.wire.message import Fields
from transports.sip.wire.uri import Uri


class Way:
    """The URI and its trunk, whom requests come from, who answers challenges, the longest MESSAGE.

    `route` is a field for requests outside of dialogs, `fields` are that and those that tell a trunk by which
    number the user shows. `is_open` tells whether the way can
    be gone now, as far as is known, `has_presence` whether those at its end may be asked how they are.
    `is_trunks` tells of an address whether it is one of the operator's trunks'.
    """

    def __init__(
        self,
        route: Route,
        sender: Uri,
        line: Line | None,
        means: Means,
        fields: Fields = (),
        is_trunks: Callable[[str], bool] = lambda host: False,
    ) -> None:
        self.uri = route.uri
        self.trunk = route.trunk
        self.sender = sender
        self.route = () if line is None else line.route
        self.fields = (*self.route, *fields)
        self.client: DigestClient | None = None if line is None else line.client
        self.limit = MAX_DATAGRAM if route.trunk is None else route.trunk.config.max_message
        self.is_open = line is None or line.is_up is not False
        self.has_presence = route.trunk is None or route.trunk.config.presence
        self._line = line
        self._locator, self._contact_of = means.locator, means.contact_of
        self._is_trunks = is_trunks

    async def hops(self) -> list[Hop]:
        """Return where requests go. Raises BridgeError.

        Nobody dials a trunk that knows us by our address as if it were a stranger: no rule would count.
        """
        if self._line is not None:
            return await self._line.hops()
        found = await self._locator.locate(self.uri)
        if digits_of(ContactId(self.uri.user)):
            found = [hop for hop in found if not self._is_trunks(hop.host)]
            if not found:
                raise BridgeError(Trouble.NOT_ALLOWED, NOT_YOURS)
        return found

    def contact(self, hop: Hop) -> Uri:
        """Return under which URI a dialog's peer reaches the user who goes by `hop`."""
        user = self.sender.user
        return self._contact_of(user, hop) if self._line is None else self._line.contact(user, hop)


MakeWay = Callable[[UserId, ContactId], Way]
"""Tells how a user reaches a contact, or raises BridgeError."""
Through = Callable[[UserId, Route], Way]
"""Tells how a user goes by a given route."""
