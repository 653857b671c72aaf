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
    return _moderated(retract.build_retract(id), by, reason, occupant)


def build_moderated_retracted(
    id: str, time: float | None, by: str, reason: str = "", occupant: Element | None = None
) -> Element:
    """Write what the tombstone of a moderated message has for its words; see `retract.build_retracted`."""
    return _moderated(retract.build_retracted(id, time), by, reason, occupant)


def _moderated(element: Element, by: str, reason: str, occupant: Element | None) -> Element:
    moderated = Element("moderated", NS_MODERATION, {"by": by})
    if occupant is not None:
        moderated.add(occupant)
    element.add(moderated)
    if reason:
        element.add(Element("reason", retract.NS_RETRACT, None, reason))
    return element


class Moderated(Struct, frozen=True, kw_only=True):
    """Who had a message taken back, and why; `by` is an occupant's JID, "" if not said."""

    by: str = ""
    reason: str = ""


def parse_moderated(message: Element) -> Moderated | None:
    """Return who moderated the message that this one retracts; only the room itself may say so."""
    element = message.child("retract", retract.NS_RETRACT)
    moderated = None if element is None else element.child("moderated", NS_MODERATION)
    if element is None or moderated is None:
        return None
    return Moderated(by=moderated.get("by") or "", reason=element.child_text("reason") or "")


def build_moderate(wish: Moderation) -> Element:
    """Write the ``<moderate/>`` by which a moderator asks the room."""
    element = Element("moderate", NS_MODERATION, {"id": wish.id}, Element("retract", retract.NS_RETRACT))
    if wish.reason:
        element.add(Element("reason", NS_MODERATION, None, wish.reason))
    return element
