"""XEP-0353 Jingle Message Initiation 0.8.0: a call is proposed to all devices before one of them has it."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from bridge.calls import MediaKind
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import MAX_SID, Reason, build_reason, is_line, parse_reason
from bridge.xmpp.payloads.jingle_rtp import build_kinds, kinds_of

NS_JINGLE_MESSAGE = "urn:xmpp:jingle-message:0"


class Step(Enum):
    """What is said of a call in messages (XEP-0353 §3)."""

    PROPOSE = "propose"
    RINGING = "ringing"
    PROCEED = "proceed"
    REJECT = "reject"
    RETRACT = "retract"
    FINISH = "finish"


class JingleMessage(Struct, frozen=True, kw_only=True):
    """One step of the call that is or will be session `sid`.

    `kinds` are the media that are proposed, () if they are none that a call here can have. `tie_break`: both
    had proposed at once (XEP-0353 §4.1); `migrated` is the session that goes on instead, "" for none (§4.2).
    """

    step: Step
    sid: str
    kinds: tuple[MediaKind, ...] = ()
    reason: Reason | None = None
    tie_break: bool = False
    migrated: str = ""


def parse_jingle_message(message: Element) -> JingleMessage | None:
    """Return the step that a message tells, None if it tells none; BAD_REQUEST if it names no session."""
    for element in message.elements():
        if element.namespace == NS_JINGLE_MESSAGE and element.name in _STEPS:
            return _parse(element)
    return None


def build_jingle_message(told: JingleMessage) -> Element:
    """Write a step; it goes in a message of type chat, with a hint to store it (XEP-0353 §3)."""
    element = Element(told.step.value, NS_JINGLE_MESSAGE, {"id": told.sid}, *build_kinds(told.kinds))
    if told.reason is not None:
        element.add(build_reason(told.reason))
    if told.tie_break:
        element.add(Element("tie-break", NS_JINGLE_MESSAGE))
    if told.migrated:
        element.add(Element("migrated", NS_JINGLE_MESSAGE, {"to": told.migrated}))
    return element


def _parse(element: Element) -> JingleMessage:
    sid = element.get("id") or ""
    if not is_line(sid, MAX_SID):
        raise BridgeError(Trouble.BAD_REQUEST)
    migrated = element.child("migrated")
    return JingleMessage(
        step=_STEPS[element.name],
        sid=sid,
        kinds=kinds_of(element.elements()),
        reason=parse_reason(element),
        tie_break=element.child("tie-break") is not None,
        migrated="" if migrated is None else (migrated.get("to") or "")[:MAX_SID],
    )


_STEPS = {step.value: step for step in Step}
