"""XEP-0055 Jabber Search 1.3, by data forms only."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import NS_FORMS

NS_SEARCH = "jabber:iq:search"
COLUMNS = (
    ("jid", "Address", "jid-single"),
    ("name", "Name", "text-single"),
    ("description", "Description", "text-multi"),
    ("occupants", "Occupants", "text-single"),
)


class Found(Struct, frozen=True, kw_only=True):
    """One room that was found."""

    jid: str
    name: str = ""
    description: str = ""
    occupants: str = ""


def build_search(instructions: str, form: Element) -> Element:
    """Write what can be searched for (§3)."""
    return Element("query", NS_SEARCH, None, Element("instructions", NS_SEARCH, None, instructions), form)


def build_found(rows: Iterable[Found], page: Element) -> Element:
    """Write what was found, and which part of it this is (XEP-0059)."""
    x = Element("x", NS_FORMS, {"type": "result"})
    hidden = Element("field", NS_FORMS, {"var": "FORM_TYPE", "type": "hidden"})
    x.add(hidden.add(Element("value", NS_FORMS, None, NS_SEARCH)))
    reported = Element("reported", NS_FORMS)
    for var, label, type in COLUMNS:
        reported.add(Element("field", NS_FORMS, {"var": var, "label": label, "type": type}))
    x.add(reported)
    for row in rows:
        item = Element("item", NS_FORMS)
        for var, _, _ in COLUMNS:
            value = Element("value", NS_FORMS, None, getattr(row, var))
            item.add(Element("field", NS_FORMS, {"var": var}, value))
        x.add(item)
    return Element("query", NS_SEARCH, None, x, page)
