"""Which part of a file is asked for (RFC 9110 §14)."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Unsatisfiable(ValueError):
    """There is no such part."""


def part(header: str | None, size: int | None) -> tuple[int, int] | None:
    """Return first byte and end (excluded) of the part; None for the whole. Raises Unsatisfiable.

    What is no range, and several ranges, are the whole (§14.2), as is all of a file of unknown size.
    """
    match = None if header is None or size is None else _ONE.fullmatch(header.replace(" ", ""))
    if match is None or size is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        if length == 0:
            raise Unsatisfiable
        return size - length, size
    start = int(match[1])
    end = size if match[2] == "" else min(int(match[2]) + 1, size)
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, end
