"""Requests that tell where their answers' answers go: SUBSCRIBE, NOTIFY and PUBLISH of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from bridge.errors import BridgeError
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.wire.digest import DigestClient
from transports.sip.wire.message import Request, Response
from transports.sip.wire.uri import Uri

Find = Callable[[], Awaitable[list[Hop]]]
"""Finds where a request goes, or raises BridgeError."""


ContactFor = Callable[[Hop], Uri]
"""Makes our Contact for what goes to a hop."""


class Errands:
    """Sends them."""

    def __init__(self, means: Means) -> None:
        self._agent, self._locator, self._contact_of = means.agent, means.locator, means.contact_of

    def run(
        self,
        request: Request,
        contact: ContactFor,
        find: Find | Uri,
        client: DigestClient | None = None,
        *,
        is_once: bool = False,
    ) -> Deferred[Response | None]:
        """Send a request without Contact; fires with the final response, None if nobody answers.

        What `is_once` is not sent again.
        """
        return Deferred.fromCoroutine(self._run(request, contact, find, client, is_once))

    async def _run(
        self,
        request: Request,
        contact: ContactFor,
        find: Find | Uri,
        client: DigestClient | None,
        is_once: bool,
    ) -> Response | None:
        try:
            hops = await (self._locator.locate(find) if isinstance(find, Uri) else find())
            fields = (("Contact", f"<{contact(hops[0])}>"), *request.fields)
            request = replace(request, fields=fields)
            return await self._agent.request(request, hops, client, is_once=is_once)
        except BridgeError:
            return None

    def contact_for(self, user: str) -> ContactFor:
        """Return what makes the Contact of a user."""
        return partial(self._contact_of, user)
