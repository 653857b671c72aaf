"""XEP-0202 Entity Time 2.0."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import format_time, parse_time

NS_TIME = "urn:xmpp:time"


def build_time_request() -> Element:
    """Write the question."""
    return Element("time", NS_TIME)


def build_time(seconds: float, offset: int = 0) -> Element:
    """Write the answer: seconds since the epoch, and the clock's offset from UTC in seconds."""
    hours, minutes = divmod(abs(offset) // 60, 60)
    tzo = f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"
    return Element(
        "time",
        NS_TIME,
        None,
        Element("tzo", NS_TIME, None, tzo),
        Element("utc", NS_TIME, None, format_time(int(seconds))),
    )


def parse_entity_time(iq: Element) -> tuple[float, str] | None:
    """Return the answer that an iq result carries: seconds since the epoch, and the offset as written."""
    element = iq.child("time", NS_TIME)
    if element is None:
        return None
    seconds = parse_time(element.child_text("utc"))
    return None if seconds is None else (seconds, element.child_text("tzo") or "")
