"""Searches by data forms."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import NS_FORMS, Form, build_form
from bridge.xmpp.payloads.rsm import build_result_set
from bridge.xmpp.payloads.search import NS_SEARCH, Found, build_found, build_search


def test_form_stands_beside_its_instructions():
    """XEP-0055 §3: for clients without forms."""
    query = build_search("Fill in", build_form(Form()))
    assert query.child_text("instructions") == "Fill in"
    assert query.child("x", NS_FORMS) is not None


def test_every_row_has_every_column():
    """XEP-0004 §3.4: an item for each, with the fields that were reported."""
    query = build_found([Found(jid="a@b"), Found(jid="c@d", name="C")], build_result_set(count=2))
    x = query.child("x", NS_FORMS)
    assert isinstance(x, Element) and x.get("type") == "result"
    assert [len(list(item.all("field"))) for item in x.all("item")] == [4, 4]
    assert next(x.all("field")).child_text("value") == NS_SEARCH
