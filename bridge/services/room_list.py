"""A server's rooms as disco#items, in pages (XEP-0045 §6.3, XEP-0059)."""

from __future__ import annotations

from msgspec import structs
from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId
from bridge.network import Network, RoomAddress, RoomList, RoomPage, ServerAddress
from bridge.router import Request
from bridge.services.contacts import user_of
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError, escape, unescape
from bridge.xmpp.payloads.disco import Item, build_items
from bridge.xmpp.payloads.rsm import build_result_set, parse_page_request

PAGE = 100
"""Most rooms in one answer, and how many an answer has if the request does not say."""


class RoomLists:
    """Asks the network for pages; in the result sets rooms are named by their JIDs."""

    def __init__(self, domain: str, network: Network) -> None:
        self._domain = domain
        self._network = network

    def answer(self, request: Request, address: ServerAddress) -> Deferred[Element]:
        """Return the page that is asked for; NOT_FOUND for a place in the list that cannot be."""
        query = self.query(request, RoomList(server=address.server))
        return self._network.ask(user_of(request), query).addCallback(self._items)

    def query(self, request: Request, query: RoomList) -> RoomList:
        """Return the question for the page that the request wants; NOT_FOUND."""
        page = parse_page_request(request.payload)
        if page.index is not None:
            raise BridgeError(Trouble.UNSUPPORTED)
        return structs.replace(
            query,
            after=self._room(page.after) if page.after else None,
            before=None if page.before is None else self._room(page.before),
            limit=PAGE if page.limit is None else min(page.limit, PAGE),
        )

    def jid(self, room: RoomId) -> str:
        """Return the address of a room."""
        return f"{escape(room)}@{self._domain}"

    def bounds(self, page: RoomPage) -> Element:
        """Tell which part of the list a page is."""
        if not page.rooms:
            return build_result_set(count=page.total)
        return build_result_set(
            first=self.jid(page.rooms[0].room),
            last=self.jid(page.rooms[-1].room),
            index=page.first_index,
            count=page.total,
        )

    def _room(self, text: str) -> RoomId:
        if not text:
            return RoomId("")
        try:
            jid = Jid.parse(text)
            address = self._network.address(unescape(jid.local))
        except (JidError, BridgeError):
            raise BridgeError(Trouble.NOT_FOUND) from None
        if jid.domain != self._domain or not isinstance(address, RoomAddress):
            raise BridgeError(Trouble.NOT_FOUND)
        return address.room

    def _items(self, page: RoomPage) -> Element:
        items = [Item(jid=self.jid(one.room), name=one.name or one.room) for one in page.rooms]
        return build_items(items, page=self.bounds(page))
