"""Search for rooms."""

from __future__ import annotations

import pytest

from bridge.capabilities import Capabilities, Level
from bridge.network import RoomInfo, RoomList, RoomPage
from bridge.services.search import MAX_TERM, Search
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import NS_FORMS, build_submit, parse_form
from bridge.xmpp.payloads.rsm import NS_RSM
from bridge.xmpp.payloads.search import COLUMNS, NS_SEARCH
from tests.bridge.services.scene import DOMAIN, ROOM, Scene, condition


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.network.levels = Capabilities(search=Level.NATIVE)
    return scene.add(Search(DOMAIN, scene.network))


def query(*payloads: Element) -> Element:
    return Element("query", NS_SEARCH, None, *payloads)


def submit(**values: str) -> Element:
    return query(build_submit(NS_SEARCH, list(values.items())))


def test_form_asks_for_term_and_server(scene):
    """XEP-0055 §3."""
    form = next(scene.get(DOMAIN, query()).all("x", NS_FORMS))
    assert [field.var for field in parse_form(form).fields] == ["term", "server"]


def test_found_rooms_are_rows_with_their_addresses(scene):
    """What is searched for is the network's business; the page is told (XEP-0059)."""
    scene.network.answers[RoomList] = RoomPage(
        rooms=[RoomInfo(room="#verona%irc.example", name="Verona", description="roses", occupants=3)],
        first_index=4,
        total=9,
    )
    paged = submit(term=" rose ", server="Other.Example")
    paged.add(Element("set", NS_RSM, None, Element("max", NS_RSM, None, "5")))
    answer = scene.iq("set", DOMAIN, paged)
    assert scene.network.asked[-1][1] == RoomList(server="other.example", search="rose", limit=5)
    x = next(next(answer.elements()).all("x", NS_FORMS))
    (item,) = x.all("item")
    assert [field.child_text("value") for field in item.all("field")] == [ROOM, "Verona", "roses", "3"]
    assert [field.get("var") for field in x.child("reported").all("field")] == [var for var, *_ in COLUMNS]
    bounds = next(answer.elements()).child("set", NS_RSM)
    assert (bounds.child_text("first"), bounds.child_text("count")) == (ROOM, "9")


def test_search_that_makes_no_sense_is_refused(scene):
    """Without a form, and for too much."""
    assert condition(scene.iq("set", DOMAIN, query()))[1] == "bad-request"
    assert condition(scene.iq("set", DOMAIN, submit(term="x" * (MAX_TERM + 1))))[1] == "not-acceptable"


def test_network_that_cannot_search_offers_no_search(scene):
    """As if there were no such service."""
    scene.network.levels = Capabilities()
    for type, payload in (("get", query()), ("set", submit(term="x"))):
        assert condition(scene.iq(type, DOMAIN, payload))[1] == "service-unavailable"
