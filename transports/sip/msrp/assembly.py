"""Messages of MSRP in chunks: cut up to be sent, and put together again (RFC 4975 §5.1, §7.3.1)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from transports.sip.msrp.frame import Frame
from transports.sip.wire.uri import Malformed

CHUNK = 2048
"""Bytes of a chunk: longer ones would have to be interruptible (RFC 4975 §7.1.1)."""
MAX_PARTS = 4
"""Messages of one chat that may be on their way in chunks at a time."""
MAX_GAPS = 64
"""Gaps that a message may have meanwhile."""


class TooLong(Exception):
    """A message is longer than we take, or one too many is under way: 413."""


class Whole(Struct, frozen=True):
    """A message of which every byte has come."""

    id: str
    content_type: str
    body: bytes


class _Part:
    """A message some bytes of which have come: `spans` are which, as ranges that do not touch."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        self.body = bytearray()
        self.spans: list[tuple[int, int]] = []
        self.length: int | None = None

    def put(self, start: int, data: bytes) -> None:
        """Lay bytes in their place; those that come last count."""
        end = start + len(data)
        if len(self.body) < end:
            self.body.extend(bytes(end - len(self.body)))
        self.body[start:end] = data
        spans: list[tuple[int, int]] = []
        for one in sorted([*self.spans, (start, end)]):
            if spans and one[0] <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], one[1]))
            else:
                spans.append(one)
        self.spans = spans

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is missing."""
        return self.length is not None and self.spans == [(0, self.length)]


class Assembly:
    """Puts the messages of one chat together, none longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: dict[str, _Part] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def receive(self, frame: Frame) -> Whole | None:
        """Take in a SEND that has a body; return its message when it is whole. Raises Malformed, TooLong."""
        id, at, body = frame.message_id, frame.range, frame.body or b""
        start = at.start - 1
        if frame.flag == "#":
            self._parts.pop(id, None)
            return None
        if frame.is_cut or max(start + len(body), at.total or 0) > self._limit:
            self._parts.pop(id, None)
            raise TooLong
        if frame.flag == "$" and start == 0:
            part = self._parts.pop(id, None)
            return Whole(id, _content_type(frame, part), body)
        part = self._parts.get(id)
        if part is None:
            if len(self._parts) >= MAX_PARTS:
                raise TooLong
            part = self._parts[id] = _Part(_content_type(frame, None))
        part.put(start, body)
        if frame.flag == "$":
            part.length = start + len(body)
        if len(part.spans) > MAX_GAPS:
            del self._parts[id]
            raise TooLong
        if not part.is_whole:
            return None
        del self._parts[id]
        return Whole(id, part.content_type, bytes(part.body))


def _content_type(frame: Frame, part: _Part | None) -> str:
    found = frame.get("Content-Type") or (part.content_type if part is not None else "")
    if not found:
        raise Malformed("a message has no content type")
    return found


def chunks(body: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Cut a message up: Byte-Range, flag and bytes of each chunk; an empty one has one too."""
    total = len(body)
    for start in range(0, total or 1, CHUNK):
        part = body[start : start + CHUNK]
        end = start + len(part)
        yield f"{start + 1}-{end}/{total}", "$" if end == total else "+", part
