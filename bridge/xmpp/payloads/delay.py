"""XEP-0203 Delayed Delivery 2.0, with the times of XEP-0082 1.1.1; times are seconds since the epoch, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import isnan

from bridge.xmpp.element import Element

NS_DELAY = "urn:xmpp:delay"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
_LATEST = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()
_LEGACY = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d:\d\d:\d\d)", re.ASCII)
_PROFILE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?(?:[Zz]|([+-])(\d\d):?(\d\d))?", re.ASCII
)


def format_time(seconds: float) -> str:
    """Write a time (XEP-0082 §3.2), with milliseconds if not whole; cut to the years 1 to 9999."""
    seconds = 0.0 if isnan(seconds) else min(max(seconds, _EARLIEST), _LATEST)
    moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    text = moment.strftime("%m-%dT%H:%M:%S")
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return f"{moment.year:04d}-{text}{fraction}Z"


def parse_time(text: str | None) -> float | None:
    """Read a time, with or without offset, also in the form of XEP-0091; None if it is none."""
    text = (text or "").strip()
    legacy = _LEGACY.fullmatch(text)
    if legacy is not None:
        year, month, day, clock = legacy.groups()
        text = f"{year}-{month}-{day}T{clock}Z"
    match = _PROFILE.fullmatch(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    second, fraction, sign, hours, minutes = match.groups()[5:]
    offset = (int(hours or 0) * 60 + int(minutes or 0)) * 60
    total = (moment - _EPOCH).total_seconds() + min(int(second), 59) + float(fraction or 0)
    return total + offset if sign == "-" else total - offset


def build_delay(seconds: float, by: str | None = None) -> Element:
    """Write when a stanza was first sent, and who kept it since."""
    return Element("delay", NS_DELAY, {"from": by, "stamp": format_time(seconds)})


def parse_delay(stanza: Element) -> float | None:
    """Return when the stanza was first sent, None if now or unreadable."""
    element = stanza.child("delay", NS_DELAY)
    return None if element is None else parse_time(element.get("stamp"))
