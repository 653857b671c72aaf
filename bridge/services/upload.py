"""HTTP File Upload (XEP-0363) for the users of a gateway: their files go straight to its network."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.router import Request, Route, Target, iq_get
from bridge.services.contacts import user_of
from bridge.web.sharing import Sharing, TooLarge
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import format_time
from bridge.xmpp.payloads.upload import (
    NS_UPLOAD,
    build_retry,
    build_slot,
    build_too_large,
    parse_request,
)
from bridge.xmpp.stanza import DetailedError


class Upload:
    """See the module's docstring."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [iq_get(NS_UPLOAD, "request", self.request, Target.GATEWAY)]

    def request(self, request: Request) -> Deferred[Element]:
        """§5: give leave to upload one file."""
        return Deferred.fromCoroutine(self._slot(request))

    async def _slot(self, request: Request) -> Element:
        wanted = parse_request(request.payload)
        try:
            slot = await self._sharing.slot(user_of(request), wanted.filename, wanted.size, wanted.type)
        except TooLarge as error:
            raise DetailedError(error, build_too_large(error.limit)) from None
        except BridgeError as error:
            if error.trouble is not Trouble.TOO_MANY:
                raise
            raise DetailedError(error, build_retry(format_time(self._sharing.renewed))) from None
        return build_slot(slot.put, slot.authorization, slot.get)
