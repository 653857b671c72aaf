"""XEP-0215 External Service Discovery 1.0.0: what helps media through (STUN, TURN)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bridge.xmpp.element import Element

NS_EXTERNAL = "urn:xmpp:extdisco:2"


class Service(Struct, frozen=True, kw_only=True):
    """One service, e.g. of type ``turn``; `transport` is ``udp`` or ``tcp``, `expires` a time of XEP-0082."""

    type: str
    host: str
    port: int | None = None
    transport: str = ""
    username: str = ""
    password: str = ""
    expires: str = ""


def build_services(query: Element, services: Iterable[Service]) -> Element:
    """Answer a ``<services/>``: all of them, or those of the type that it asks for (XEP-0215 §3.2)."""
    type = query.get("type")
    answer = Element("services", NS_EXTERNAL, {"type": type})
    for service in services:
        if type in (None, service.type):
            answer.add(_build_service(service))
    return answer


def _build_service(service: Service) -> Element:
    facts = {
        "type": service.type,
        "host": service.host,
        "port": None if service.port is None else str(service.port),
        "transport": service.transport or None,
        "username": service.username or None,
        "password": service.password or None,
        "expires": service.expires or None,
    }
    return Element("service", NS_EXTERNAL, facts)
