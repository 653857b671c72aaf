"""Direct invitations."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    conference,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_direct_invitation_survives_writing():
    """XEP-0249 §2."""
    invite = conference.DirectInvite(room="room@gw", reason="come", password="key")
    assert conference.parse_direct_invite(message(conference.build_direct_invite(invite))) == invite
    assert conference.parse_direct_invite(message(Element("x", conference.NS_CONFERENCE))) is None
