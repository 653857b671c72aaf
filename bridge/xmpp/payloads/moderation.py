"""XEP-0425 Moderated Message Retraction 0.3.0."""

from __future__ import annotations

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads import retract

NS_MODERATION = "urn:xmpp:message-moderate:1"


class Moderation(Struct, frozen=True):
    """A moderator's wish that message `id` (a stanza-id) be gone."""

    id: str
    reason: str = ""


def parse_moderate(payload: Element) -> Moderation:
    """Read the ``<moderate/>`` of an iq; BAD_REQUEST without id, UNSUPPORTED if it asks for no retraction."""
    id = payload.get("id")
    if not id:
        raise BridgeError(Trouble.BAD_REQUEST)
    if payload.child("retract", retract.NS_RETRACT) is None:
        raise BridgeError(Trouble.UNSUPPORTED)
    return Moderation(id, payload.child_text("reason") or "")


def build_moderated_retract(id: str, by: str, reason: str = "", occupant: Element | None = None) -> Element:
    """Write the ``<retract/>`` that a room sends; `occupant` is the moderator's occupant-id."""
    moderated = Element("moderated", NS_MODERATION, {"by": by})
    if occupant is not None:
        moderated.add(occupant)
    element = retract.build_retract(id).add(moderated)
    if reason:
        element.add(Element("reason", retract.NS_RETRACT, None, reason))
    return element
