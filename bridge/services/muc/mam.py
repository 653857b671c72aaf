"""Message Archive Management of rooms (XEP-0313 §4, XEP-0059)."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred

from bridge.events import Message
from bridge.network import HistoryPage, PastEvent
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.services.muc.acts import act, place_of
from bridge.services.muc.context import Context, room_of, user_of
from bridge.services.muc.render import GAP
from bridge.xmpp.element import Element, quote
from bridge.xmpp.payloads.delay import format_time
from bridge.xmpp.payloads.mam import NS_MAM, MamQuery, build_fin, build_form, build_metadata, parse_query
from bridge.xmpp.payloads.rsm import PageRequest


class Mam:
    """Answers archive queries; what a user may read is the archive's affair."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_MAM, "query", self.form, Target.ROOM),
            iq_set(NS_MAM, "query", self.query, Target.ROOM),
            iq_get(NS_MAM, "metadata", self.metadata, Target.ROOM),
        ]

    def form(self, _request: Request) -> Element:
        """§4.1.5: which fields a query may have."""
        return build_form()

    def query(self, request: Request) -> Deferred[Element | None]:
        """§4.2: send the matching messages, then the fin."""
        query = parse_query(request.payload)
        found = self._page(request, query)
        return found.addCallback(lambda page: self._answer(request, query, page))

    def _page(self, request: Request, query: MamQuery) -> Deferred[HistoryPage]:
        return self._context.archive.page(user_of(request), room_of(request), query)

    def _answer(self, request: Request, query: MamQuery, page: HistoryPage) -> Element:
        to = quote(str(request.sender)).encode()
        results = [self._result(query.query_id, one).replace(GAP, to) for one in page.entries]
        if query.flip:
            results.reverse()
        if results:
            self._context.router.write(b"".join(results), request.sender.domain)
        ids = [place_of(one)[0] for one in page.entries]
        return build_fin(ids, complete=page.complete, total=page.total, index=page.first_index)

    def _result(self, query_id: str | None, entry: PastEvent) -> bytes:
        room, (id, time) = self._context.render.room(entry.room), place_of(entry)
        queryid = f" queryid='{quote(query_id)}'" if query_id else ""
        sender, ident, inner = self._told(entry)
        return (
            f"<message from='{room}' to='\0'><result xmlns='{NS_MAM}'{queryid} id='{quote(id)}'>"
            "<forwarded xmlns='urn:xmpp:forward:0'>"
            f"<delay xmlns='urn:xmpp:delay' stamp='{format_time(time)}'/>"
            f"<message xmlns='jabber:client' from='{sender}' type='groupchat' id='{ident}'>"
            f"{inner}</message></forwarded></result></message>"
        ).encode()

    def _told(self, entry: PastEvent) -> tuple[str, str, str]:
        """Return who tells of it, by which id, both quoted, and what the message holds."""
        render = self._context.render
        if isinstance(entry, Message):
            room = render.room(entry.room)
            sender = f"{room}/{quote(entry.nick)}" if entry.nick else room
            return sender, quote(entry.origin or entry.id), render.payload(entry, timed=False)
        told = act(render, entry)
        return quote(told.sender), quote(told.id), "".join(one.to_xml() for one in told.payloads)

    def metadata(self, request: Request) -> Deferred[Element | None]:
        """§5: the ids and times of the first and the last entry."""
        return Deferred.fromCoroutine(self._metadata(request))

    async def _metadata(self, request: Request) -> Element:
        first = await self._page(request, MamQuery(rsm=PageRequest(limit=1)))
        last = await self._page(request, MamQuery(rsm=PageRequest(limit=1, before="")))
        return build_metadata(next(_ends(first), None), next(_ends(last), None))


def _ends(page: HistoryPage) -> Iterator[tuple[str, float]]:
    return map(place_of, page.entries)
