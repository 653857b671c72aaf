"""Reading what an event says, whatever it says: a key may be missing or hold anything that JSON can."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.xmpp.element import clean

LARGEST = 2**53 - 1
"""The largest integer of Matrix's JSON, and the smallest negated (Matrix: canonical JSON)."""
MAX_DIGITS = 16
"""Digits of a number that was written as a string, as the first room versions allow."""
MAX_TIME = 253_402_300_799.0
"""Seconds since the epoch until the end of the year 9999, the last that a date can be written of."""

Json = Mapping[str, object]
"""An object as it was decoded; its values are whatever the sender chose."""


class Malformed(ValueError):
    """An event cannot be understood; the text says what is wrong, in words of ours."""


def mapping(value: object) -> Json:
    """Return the object, an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def text(container: Json, key: str) -> str:
    """Return the string under `key` without what XML cannot carry, "" when there is none."""
    value = container.get(key)
    return clean(value) if isinstance(value, str) else ""


def integer(value: object) -> int | None:
    """Return a number as an integer within bounds, None when it is none.

    COMPAT: floats, and strings of digits before room version 10, are what other servers send.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = value.strip()
        if len(digits) > MAX_DIGITS or not digits.removeprefix("-").isascii():
            return None
        value = int(digits) if digits.removeprefix("-").isdecimal() else None
    if isinstance(value, float) and not -LARGEST <= value <= LARGEST:
        return None
    if not isinstance(value, int | float):
        return None
    return max(-LARGEST, min(int(value), LARGEST))


def corrected(event: Json) -> str:
    """Return which message an event corrects, "" if none (Matrix: event replacements)."""
    relates = mapping(mapping(event.get("content")).get("m.relates_to"))
    return text(relates, "event_id") if relates.get("rel_type") == "m.replace" else ""


def time_of(event: Json) -> float | None:
    """Return when an event says it was sent, in seconds since the epoch; None when it does not say."""
    milliseconds = integer(event.get("origin_server_ts"))
    if milliseconds is None or not 0 <= milliseconds / 1000 <= MAX_TIME:
        return None
    return milliseconds / 1000
