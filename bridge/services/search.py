"""Search for rooms by words (XEP-0055), where the network can."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import ServerId, UserId
from bridge.network import Network, RoomList, RoomPage
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.services.contacts import user_of
from bridge.services.room_list import RoomLists
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import Field, FieldType, Form, build_form, find_form, parse_values
from bridge.xmpp.payloads.search import NS_SEARCH, Found, build_found, build_search

MAX_TERM = 200
"""Code points of what is searched for."""
FORM = Form(
    title="Search for rooms",
    instructions="Words of a room's name or description; with a server, among the rooms that it shows.",
    fields=(
        Field(var="term", type=FieldType.TEXT_SINGLE, label="Term"),
        Field(var="server", type=FieldType.TEXT_SINGLE, label="Server"),
    ),
)


class Search:
    """Answers with a form, and with what was found."""

    def __init__(self, domain: str, network: Network) -> None:
        self._network = network
        self._lists = RoomLists(domain, network)

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_SEARCH, "query", self.form, Target.GATEWAY),
            iq_set(NS_SEARCH, "query", self.found, Target.GATEWAY),
        ]

    def form(self, request: Request) -> Element:
        """§2.1, with a data form (§3): what can be searched for."""
        self._check()
        return build_search(FORM.instructions, build_form(FORM, form_type=NS_SEARCH))

    def found(self, request: Request) -> Deferred[Element]:
        """§2.2: the rooms, in pages (XEP-0059) if the request says so."""
        self._check()
        form = find_form(request.payload, NS_SEARCH)
        if form is None:
            raise BridgeError(Trouble.BAD_REQUEST)
        values = parse_values(form)
        term, server = (next(iter(values.get(var, ())), "").strip() for var in ("term", "server"))
        if len(term) > MAX_TERM:
            raise BridgeError(Trouble.NOT_ACCEPTABLE)
        query = self._lists.query(request, RoomList(server=ServerId(server.lower()), search=term))
        asked: Deferred[RoomPage] = self._network.ask(user_of(request), query)
        return asked.addCallback(self._answer)

    def _check(self) -> None:
        if "search" not in self._network.capabilities(UserId(""), None).carried:
            raise BridgeError(Trouble.NO_SERVICE)

    def _answer(self, page: RoomPage) -> Element:
        rows = [
            Found(
                jid=self._lists.jid(one.room),
                name=one.name,
                description=one.description,
                occupants="" if one.occupants is None else str(one.occupants),
            )
            for one in page.rooms
        ]
        return build_found(rows, self._lists.bounds(page))
