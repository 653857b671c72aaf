"""XEP-0092 Software Version 1.1."""

from __future__ import annotations

from msgspec import Struct

from bridge.xmpp.element import Element

NS_VERSION = "jabber:iq:version"


class SoftwareVersion(Struct, frozen=True, kw_only=True):
    """What software an entity is; "" leaves a part out."""

    name: str
    version: str = ""
    os: str = ""


def build_version_request() -> Element:
    """Write the question."""
    return Element("query", NS_VERSION)


def build_version(software: SoftwareVersion) -> Element:
    """Write the answer."""
    query = Element("query", NS_VERSION, None, Element("name", NS_VERSION, None, software.name))
    query.add(Element("version", NS_VERSION, None, software.version))
    if software.os:
        query.add(Element("os", NS_VERSION, None, software.os))
    return query


def parse_version(iq: Element) -> SoftwareVersion | None:
    """Return the answer that an iq result carries."""
    query = iq.child("query", NS_VERSION)
    if query is None:
        return None
    return SoftwareVersion(
        name=query.child_text("name") or "",
        version=query.child_text("version") or "",
        os=query.child_text("os") or "",
    )
