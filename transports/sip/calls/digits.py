"""Keys that are pressed, in INFO: application/dtmf-relay and application/dtmf, which no RFC describes."""

from __future__ import annotations

import re

from transports.sip.wire.headers import parse_value
from transports.sip.wire.message import Fields, Request
from transports.sip.wire.uri import Malformed

RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"
MAX_DURATION = 5000
"""Milliseconds for which a key is heard at most."""
DEFAULT_DURATION = 160

_SIGNAL = re.compile(r"^\s*Signal\s*=\s*([0-9*#A-Da-d]|1[01])\s*$", re.MULTILINE | re.IGNORECASE)
_DURATION = re.compile(r"^\s*Duration\s*=\s*([0-9]{1,6})\s*$", re.MULTILINE | re.IGNORECASE)
_KEY = re.compile(r"\s*([0-9*#A-Da-d])\s*")
_NUMBERED = {"10": "*", "11": "#"}


def write_digit(digit: str, duration: int) -> tuple[Fields, bytes]:
    """Return the fields and body of an INFO for a key that was pressed for that many milliseconds."""
    return (("Content-Type", RELAY),), f"Signal={digit}\r\nDuration={duration}\r\n".encode()


def read_digit(info: Request) -> tuple[str, int]:
    """Return which key an INFO tells of, and for how many milliseconds it was pressed. Raises Malformed."""
    kind = parse_value(info.get("Content-Type") or "").value.lower()
    text = info.body.decode("ascii", "replace")
    if kind == PLAIN and (key := _KEY.fullmatch(text)):
        return key[1].upper(), DEFAULT_DURATION
    found = _SIGNAL.search(text) if kind == RELAY else None
    if found is None:
        raise Malformed("an INFO tells of no key")
    duration = _DURATION.search(text)
    length = min(int(duration[1]), MAX_DURATION) if duration else DEFAULT_DURATION
    return _NUMBERED.get(found[1], found[1].upper()), length or DEFAULT_DURATION
