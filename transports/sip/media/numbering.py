"""Formats of one medium keep their payload types over all offers of a call (RFC 3264 §8.3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from msgspec.structs import replace

from bridge.calls import Codec

DYNAMIC = range(96, 128)
"""Payload types that mean what an offer says (RFC 3551 §6)."""


def keep_numbers(offered: Sequence[Codec], known: Sequence[Codec]) -> tuple[Codec, ...]:
    """Return what is offered with the payload types of those that are known.

    What is new has its own if that is free, another one if not, and is left out where none is.
    """
    meant = {codec.payload: format_of(codec) for codec in known}
    as_known = {codec.payload for codec in offered if meant.get(codec.payload) == format_of(codec)}
    vacant = {number: format for number, format in meant.items() if number not in as_known}
    taken = set(meant)
    found = []
    for codec in offered:
        number: int | None = codec.payload
        if meant.get(codec.payload) != format_of(codec):
            again = (one for one, format in vacant.items() if format == format_of(codec))
            fresh = (one for one in (codec.payload, *DYNAMIC) if one not in taken)
            number = next(chain(again, fresh), None)
        if number is not None:
            vacant.pop(number, None)
            taken.add(number)
            found.append(replace(codec, payload=number))
    return tuple(found)


def format_of(codec: Codec) -> tuple[str, int, int]:
    """Return what a codec is, whatever its number."""
    return codec.name.lower(), codec.clock, codec.channels
