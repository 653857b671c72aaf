"""Software version."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.version import SoftwareVersion, build_version, build_version_request, parse_version


def iq(payload: Element) -> Element:
    return Element("iq", "jabber:component:accept", {"type": "result"}, payload)


def test_version_survives_writing():
    """XEP-0092 §3."""
    software = SoftwareVersion(name="n", version="1", os="o")
    assert parse_version(iq(build_version(software))) == software
    assert build_version(SoftwareVersion(name="n")).child("os") is None
    assert parse_version(iq(Element("other", "urn:x"))) is None
    assert parse_version(iq(build_version_request())) == SoftwareVersion(name="")
