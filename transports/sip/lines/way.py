"""How a user reaches a contact."""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from transports.sip.address import digits_of
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import MAX_DATAGRAM
from transports.sip.lines.callerid import Shown
from transports.sip.lines.line import Line
from transports.sip.lines.routes import NOT_YOURS, Route
from transports.sip.wire.digest import DigestClient
from transports.sip.wire.message import Fields
from transports.sip.wire.uri import Uri


class Way:
    """The URI and its trunk, whom requests come from, who answers challenges, the longest MESSAGE.

    `sender` is the user's own address there, `author` and `caller` are how he shows in what he writes and
    when he calls, beside which `author_fields` and `caller_fields` are sent; `route` is what other
    requests outside of dialogs have. `is_open` tells whether the way can be gone now, as far as is known,
    `has_presence` whether those at its end may be asked how they are. `is_trunks` tells of an address whether
    it is one of the operator's trunks'.
    """

    def __init__(
        self,
        route: Route,
        shown: Shown,
        line: Line | None,
        means: Means,
        is_trunks: Callable[[str], bool] = lambda host: False,
    ) -> None:
        self.uri = route.uri
        self.trunk = route.trunk
        self.sender = shown.author.uri
        self.author, self.caller = shown.author, shown.caller
        self.route: Fields = () if line is None else line.route
        self.author_fields = (*self.route, *shown.author_fields)
        self.caller_fields = (*self.route, *shown.caller_fields)
        self._is_hidden = shown.is_hidden
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

    def contact(self, hop: Hop, *, is_call: bool = False) -> Uri:
        """Return under which URI the peer in a dialog reaches the user; one who hides shows none in calls."""
        user = self.sender.user
        if self._line is None:
            return self._contact_of(user, hop)
        return self._line.contact(user, hop, is_private=is_call and self._is_hidden)


MakeWay = Callable[[UserId, ContactId], Way]
"""Tells how a user reaches a contact, or raises BridgeError."""
Through = Callable[[UserId, Route], Way]
"""Tells how a user goes by a given route."""
