"""XEP-0030 Service Discovery 2.5.0, XEP-0128 Service Discovery Extensions 1.0.1."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import forms

NS_INFO = "http://jabber.org/protocol/disco#info"
NS_ITEMS = "http://jabber.org/protocol/disco#items"
FORM_CONTACT = "http://jabber.org/network/serverinfo"
"""FORM_TYPE of XEP-0157."""


class Identity(Struct, frozen=True):
    """What an entity is (XEP-0030 §3.1)."""

    category: str
    type: str
    name: str = ""
    language: str = ""


class Item(Struct, frozen=True, kw_only=True):
    """One of an entity's items (XEP-0030 §4.1)."""

    jid: str
    node: str = ""
    name: str = ""


class Info(Struct, frozen=True, kw_only=True):
    """What disco#info says: identities, features, extension forms."""

    identities: tuple[Identity, ...] = ()
    features: tuple[str, ...] = ()
    forms: tuple[Element, ...] = ()


def build_info(info: Info, node: str | None = None) -> Element:
    """Write a disco#info result; `node` mirrors the request's (XEP-0030 §3.2)."""
    query = Element("query", NS_INFO, {"node": node})
    for identity in info.identities:
        query.add(
            Element(
                "identity",
                NS_INFO,
                {
                    "category": identity.category,
                    "type": identity.type,
                    "name": identity.name or None,
                    "xml:lang": identity.language or None,
                },
            )
        )
    for feature in info.features:
        query.add(Element("feature", NS_INFO, {"var": feature}))
    for form in info.forms:
        query.add(form)
    return query


def parse_info(query: Element) -> Info:
    """Read a disco#info result."""
    return Info(
        identities=tuple(
            Identity(
                identity.get("category") or "",
                identity.get("type") or "",
                identity.get("name") or "",
                identity.get("xml:lang") or "",
            )
            for identity in query.all("identity", NS_INFO)
        ),
        features=tuple(feature.get("var") or "" for feature in query.all("feature", NS_INFO)),
        forms=tuple(query.all("x", forms.NS_FORMS)),
    )


def build_items(items: Iterable[Item], node: str | None = None, page: Element | None = None) -> Element:
    """Write a disco#items result; `page` is a result set (XEP-0059 §2.2)."""
    query = Element("query", NS_ITEMS, {"node": node})
    for item in items:
        query.add(
            Element("item", NS_ITEMS, {"jid": item.jid, "node": item.node or None, "name": item.name or None})
        )
    if page is not None:
        query.add(page)
    return query


def build_contact_form(addresses: Iterable[tuple[str, Iterable[str]]]) -> Element:
    """Write XEP-0157's form; (``admin-addresses`` and the like, URIs) pairs."""
    return forms.build_result(FORM_CONTACT, addresses)
