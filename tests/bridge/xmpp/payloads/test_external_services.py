"""What helps media through."""

from __future__ import annotations

import pytest

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.external_services import NS_EXTERNAL, Service, build_services

STUN = Service(type="stun", host="stun.example", port=3478, transport="udp")
TURN = Service(
    type="turn", host="192.0.2.1", username="romeo", password="rose", expires="2026-01-01T00:00:00Z"
)


@pytest.mark.parametrize(("asked", "hosts"), [(None, ["stun", "turn"]), ("turn", ["turn"]), ("ftp", [])])
def test_services_are_told_by_type(asked: str | None, hosts: list[str]) -> None:
    """XEP-0215 §3.1 and §3.2: all, or those that are asked for."""
    answer = build_services(Element("services", NS_EXTERNAL, {"type": asked}), (STUN, TURN))
    assert [service.get("type") for service in answer.all("service")] == hosts
    assert answer.get("type") == asked


def test_service_is_told_with_what_it_takes_to_use_it() -> None:
    """XEP-0215 §2: what there is not is left out."""
    answer = build_services(Element("services", NS_EXTERNAL), (STUN, TURN))
    assert answer.to_xml() == (
        "<services xmlns='urn:xmpp:extdisco:2'>"
        "<service type='stun' host='stun.example' port='3478' transport='udp'/>"
        "<service type='turn' host='192.0.2.1' username='romeo' password='rose' expires='2026-01-01T00:00:00Z'/>"
        "</services>"
    )
