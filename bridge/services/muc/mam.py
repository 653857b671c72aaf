"""Message Archive Management of rooms (XEP-0313 §4, XEP-0059)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.services.muc.context import Context, room_of, user_of
from bridge.services.muc.history import from_archive
from bridge.services.muc.render import GAP
from bridge.store import ArchivedMessage, Page
from bridge.xmpp.element import Element, quote
from bridge.xmpp.payloads.delay import format_time
from bridge.xmpp.payloads.mam import NS_MAM, MamQuery, build_fin, build_form, build_metadata, parse_query

PAGE = 100
"""The most messages in one page."""


class Mam:
    """Answers archive queries; a user reads what was said while he was inside."""

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
        limit = PAGE if query.rsm.limit is None else min(query.rsm.limit, PAGE)
        found = self._page(request, query, limit)
        return found.addCallback(lambda page: self._answer(request, query, page))

    def _page(self, request: Request, query: MamQuery, limit: int) -> Deferred[Page]:
        return self._context.store.page(
            self._context.domain,
            room_of(request),
            user_of(request),
            start=_micros(query.start),
            end=_micros(query.end),
            after_id=_number(query.after_id),
            before_id=_number(query.before_id),
            after=_number(query.rsm.after),
            before=_number(query.rsm.before),
            last_page=query.rsm.before is not None,
            limit=limit,
            with_nick=self._with_nick(query),
        )

    def _with_nick(self, query: MamQuery) -> str | None:
        """§4.1.1: in a room, `with` is an occupant's JID."""
        if not query.with_jid:
            return None
        _, slash, nick = query.with_jid.partition("/")
        return nick if slash else None

    def _answer(self, request: Request, query: MamQuery, page: Page) -> Element:
        to = quote(str(request.sender)).encode()
        results = [self._result(request, query.query_id, kept).replace(GAP, to) for kept in page.messages]
        if results:
            self._context.router.write(b"".join(results), request.sender.domain)
        ids = [f"{kept.id:x}" for kept in page.messages]
        return build_fin(ids, complete=page.complete, total=page.total, index=page.first_index)

    def _result(self, request: Request, query_id: str | None, kept: ArchivedMessage) -> bytes:
        message = from_archive(kept)
        render = self._context.render
        room = render.room(message.room)
        queryid = f" queryid='{quote(query_id)}'" if query_id else ""
        sender = f"{room}/{quote(message.nick)}" if message.nick else room
        stamp = format_time(message.time or 0.0)
        ident = quote(message.origin or message.id)
        inner = render.payload(message, timed=False)
        return (
            f"<message from='{room}' to='\0'><result xmlns='{NS_MAM}'{queryid} id='{quote(message.id)}'>"
            f"<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>"
            f"<message xmlns='jabber:client' from='{sender}' type='groupchat' id='{ident}'>"
            f"{inner}</message></forwarded></result></message>"
        ).encode()

    def metadata(self, request: Request) -> Deferred[Element | None]:
        """§4.3: the ids and times of the first and the last message."""
        user, room = user_of(request), room_of(request)
        first = self._context.store.page(self._context.domain, room, user, limit=1)

        def ends(page: Page) -> Deferred[Element | None]:
            last = self._context.store.page(self._context.domain, room, user, limit=1, last_page=True)
            return last.addCallback(lambda tail: _metadata(page, tail))

        return first.addCallback(ends)


def _metadata(first: Page, last: Page) -> Element:
    if not first.messages or not last.messages:
        return build_metadata(None, None)
    ends = [(f"{page.messages[0].id:x}", page.messages[0].id / 1_000_000) for page in (first, last)]
    return build_metadata(*ends)


def _micros(time: float | None) -> int | None:
    return None if time is None else int(time * 1_000_000)


def _number(ident: str | None) -> int | None:
    """§4.1.2: an id that is none of ours cannot be in the archive."""
    if not ident:
        return None
    try:
        number = int(ident, 16)
    except ValueError:
        raise BridgeError(Trouble.NOT_FOUND) from None
    if not 0 < number < 1 << 63:
        raise BridgeError(Trouble.NOT_FOUND)
    return number
