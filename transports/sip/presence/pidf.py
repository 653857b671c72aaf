"""PIDF: how somebody is, as a document (RFC 3863), with what RFC 8048 §6 and RFC 4480 add to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from bridge.events import Show
from bridge.xmpp.document import parse_document, write_document
from bridge.xmpp.element import Element
from transports.sip.presence.package import Package
from transports.sip.wire.uri import Malformed

PACKAGE, TYPE = "presence", "application/pidf+xml"
MAX_NOTE = 1024
"""Characters of a note that are passed on."""

NS_PIDF = "urn:ietf:params:xml:ns:pidf"
NS_CLIENT = "jabber:client"
NS_PERSON = "urn:ietf:params:xml:ns:pidf:data-model"
NS_RPID = "urn:ietf:params:xml:ns:pidf:rpid"

RANK = (Show.CHAT, Show.AVAILABLE, Show.DND, Show.AWAY, Show.XA)
"""Of several devices the most available one counts (RFC 8048 §6.2)."""
ACTIVITIES = {
    "away": Show.AWAY,
    "meal": Show.AWAY,
    "vacation": Show.XA,
    "permanent-absence": Show.XA,
    "sleeping": Show.XA,
    "busy": Show.DND,
    "meeting": Show.DND,
    "appointment": Show.DND,
    "in-transit": Show.AWAY,
    "on-the-phone": Show.DND,
    "presentation": Show.DND,
}
"""What a person does (RFC 4480 §3.2), for those whose devices say no more than open."""

_PRIORITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


class State(Struct, frozen=True, kw_only=True):
    """How somebody is, of all his devices the most available one."""

    is_open: bool
    show: Show = Show.AVAILABLE
    note: str = ""


CLOSED = State(is_open=False)


class _Device(Struct, frozen=True):
    state: State
    priority: float


def parse_pidf(data: bytes) -> State:
    """Read how somebody is. Raises Malformed."""
    try:
        root = parse_document(data)
    except ValueError as error:
        raise Malformed(str(error)) from None
    if (root.name, root.namespace) != ("presence", NS_PIDF):
        raise Malformed("this is no PIDF")
    devices = [device for one in root.all("tuple") if (device := _device(one)) is not None]
    opened = [one for one in devices if one.state.is_open]
    note = _note(root)
    if not opened:
        return State(is_open=False, note=next((one.state.note for one in devices if one.state.note), note))
    best = min(opened, key=lambda one: (RANK.index(one.state.show), -one.priority)).state
    show = _activity(root) if best.show is Show.AVAILABLE else best.show
    return State(is_open=True, show=show, note=best.note or note)


PIDF = Package(PACKAGE, TYPE, parse_pidf, CLOSED)
"""Presence as it is subscribed to (RFC 3856)."""


def _device(one: Element) -> _Device | None:
    """Return what a tuple says; None if it does not say whether it is open (RFC 3863 §4.1.3)."""
    status = one.child("status")
    basic = status and (status.child_text("basic") or "").strip()
    if status is None or basic not in ("open", "closed"):
        return None
    priority = (one.child("contact") or one).get("priority") or ""
    return _Device(
        State(is_open=basic == "open", show=_show(status, one), note=_note(one)),
        float(priority) if _PRIORITY.fullmatch(priority) else 0.0,
    )


def _show(status: Element, one: Element) -> Show:
    text = status.child_text("show", NS_CLIENT) or one.child_text("show", NS_CLIENT) or ""
    try:
        return Show(text.strip())
    except ValueError:
        return Show.AVAILABLE


def _activity(root: Element) -> Show:
    for activities in _activities(root):
        for one in activities.elements():
            if one.namespace == NS_RPID and one.name in ACTIVITIES:
                return ACTIVITIES[one.name]
    return Show.AVAILABLE


def _activities(root: Element) -> Iterator[Element]:
    for person in (*root.all("person", NS_PERSON), *root.all("tuple")):
        yield from person.all("activities", NS_RPID)
        for status in person.all("status"):
            yield from status.all("activities", NS_RPID)


def _note(one: Element) -> str:
    return (one.child_text("note") or "").strip()[:MAX_NOTE]


def write_pidf(entity: str, state: State) -> bytes:
    """Write how somebody is, whose URI is `entity`; one tuple stands for all his devices."""
    status = Element("status", NS_PIDF, None, _text("basic", "open" if state.is_open else "closed"))
    if state.is_open and state.show is not Show.AVAILABLE:
        status.add(Element("show", NS_CLIENT, None, state.show.value))
    device = Element("tuple", NS_PIDF, {"id": "ID-xmpp"}, status)
    device.add(Element("contact", NS_PIDF, {"priority": "0.5"}, entity))
    if state.note:
        device.add(_text("note", state.note[:MAX_NOTE]))
    return write_document(Element("presence", NS_PIDF, {"entity": entity}, device))


class PidfWriter:
    """How somebody is, whose URI is `entity`, as it is told to who has subscribed to it."""

    package, type = PACKAGE, TYPE

    def __init__(self, entity: str) -> None:
        self._entity = entity

    def write(self, state: State, *, is_full: bool) -> bytes:
        """Write a state; there are no parts of one."""
        return write_pidf(self._entity, state)

    def last(self, state: State | None) -> State | None:
        """Whose subscription ends knows no more of him."""
        return None if state is None else CLOSED


def _text(name: str, text: str) -> Element:
    return Element(name, NS_PIDF, None, text)
