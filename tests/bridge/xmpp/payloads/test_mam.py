"""Message archive payloads."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import build_delay
from bridge.xmpp.payloads.forms import NS_VALIDATE, build_submit, find_form, parse_form, parse_form_type
from bridge.xmpp.payloads.mam import (
    NS_FORWARD,
    NS_MAM,
    PAGE,
    MamQuery,
    build_fin,
    build_form,
    build_metadata,
    build_query,
    parse_fin,
    parse_query,
    parse_result,
)
from bridge.xmpp.payloads.rsm import NS_RSM, PageRequest
from bridge.xmpp.stanza import NS_COMPONENT


def query(*children: Element) -> Element:
    return Element("query", NS_MAM, {"queryid": "q"}, *children)


def test_plain_query_asks_for_everything():
    """XEP-0313 §4.1: without a form there are no limits."""
    assert parse_query(query()) == MamQuery(query_id="q")


def test_query_with_form_and_page_is_read():
    """Time, person, ids and page are read."""
    form = build_submit(
        NS_MAM,
        [
            ("with", "room@gw/nick"),
            ("start", "1970-01-01T00:00:10Z"),
            ("end", "1970-01-01T00:00:20Z"),
            ("after-id", "a"),
            ("before-id", "b"),
        ],
    )
    page = Element("set", NS_RSM, None, Element("max", NS_RSM, None, "5"), Element("before", NS_RSM))
    assert parse_query(query(form, page)) == MamQuery(
        query_id="q",
        with_jid="room@gw/nick",
        start=10,
        end=20,
        after_id="a",
        before_id="b",
        rsm=PageRequest(limit=5, before=""),
    )


@pytest.mark.parametrize(
    ("form", "trouble"),
    [
        (build_submit(NS_MAM, [("start", "yesterday")]), Trouble.BAD_REQUEST),
        (build_submit("urn:other", []), Trouble.BAD_REQUEST),
        (build_submit(NS_MAM, [("colour", "red")]), Trouble.UNSUPPORTED),
    ],
)
def test_query_that_cannot_be_answered_as_asked_is_refused(form, trouble):
    """XEP-0313 §4.1.5: an unknown field is an error rather than ignored."""
    with pytest.raises(BridgeError) as caught:
        parse_query(query(form))
    assert caught.value.trouble is trouble


def test_query_for_certain_messages_and_a_flipped_page_is_read():
    """XEP-0313 §4.1.4 and §4.3.4: each message is wanted once, and no more than fit on a page."""
    form = build_submit(NS_MAM, [("ids", ["b", "a", "b", ""])])
    assert parse_query(query(form, Element("flip-page", NS_MAM))) == MamQuery(
        query_id="q", ids=("b", "a"), flip=True
    )
    with pytest.raises(BridgeError) as caught:
        parse_query(query(build_submit(NS_MAM, [("ids", [str(number) for number in range(PAGE + 1)])])))
    assert caught.value.trouble is Trouble.NOT_ACCEPTABLE


def test_form_names_what_may_be_asked():
    """The fields that are read are the ones offered."""
    form = find_form(build_form())
    assert form is not None and parse_form_type(form) == NS_MAM
    assert [field.var for field in parse_form(form).fields] == [
        "with",
        "start",
        "end",
        "before-id",
        "after-id",
        "ids",
    ]
    ids = next(one for one in form.all("field") if one.get("var") == "ids")
    assert ids.child("validate", NS_VALIDATE).child("open") is not None


def test_end_of_an_answer_names_its_page():
    """XEP-0313 §4.3: first, last, count and whether there is more."""
    fin = build_fin(["a", "b"], complete=True, total=7, index=5)
    assert fin.attributes == {"complete": "true"}
    page = fin.child("set", NS_RSM)
    assert page.child("first").get("index") == "5"
    assert (page.child_text("first"), page.child_text("last"), page.child_text("count")) == ("a", "b", "7")
    empty = build_fin([], complete=False, total=0)
    assert "complete" not in empty.attributes
    assert empty.child("set", NS_RSM).child("first") is None


def test_metadata_of_an_empty_archive_is_empty():
    """XEP-0313 §5."""
    assert build_metadata(None, None).children == []
    assert build_metadata(("a", 0), ("b", 1)).child("end").attributes == {
        "id": "b",
        "timestamp": "1970-01-01T00:00:01Z",
    }


def test_result_is_read_as_if_it_had_come_by_itself():
    """XEP-0313 §4.2: with the id and time that the archive has of it; what is none is left alone."""
    inside = Element(
        "message", "jabber:client", {"from": "r@muc/n"}, Element("body", "jabber:client", None, "hi")
    )
    forwarded = Element("forwarded", NS_FORWARD, None, build_delay(5.0), inside)
    result = Element("result", NS_MAM, {"id": "a1", "queryid": "q"}, forwarded)
    found = parse_result(Element("message", NS_COMPONENT, None, result))
    assert found is not None
    assert (found.query_id, found.id, found.time, found.message.child_text("body")) == ("q", "a1", 5.0, "hi")
    assert found.message.namespace == NS_COMPONENT
    assert parse_result(Element("message", NS_COMPONENT)) is None
    del result.attributes["id"]
    assert parse_result(Element("message", NS_COMPONENT, None, result)) is None


def test_query_and_its_end_are_read_as_they_were_written():
    """The other side of the same payloads."""
    asked = build_query("q", start=5.0, after="a1", limit=9)
    read = parse_query(asked)
    assert (read.query_id, read.start, read.rsm.after, read.limit) == ("q", 5.0, "a1", 9)
    answer = Element("iq", NS_COMPONENT, None, build_fin(["a1", "a2"], complete=False))
    assert parse_fin(answer) == (False, "a2")
    assert parse_fin(Element("iq", NS_COMPONENT, None, build_fin([], complete=True))) == (True, "")
    assert parse_fin(Element("iq", NS_COMPONENT)) == (True, "")
