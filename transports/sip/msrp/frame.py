"""MSRP on the wire: bytes to `Frame` and back (RFC 4975 §7 and §9)."""

from __future__ import annotations

import re

from msgspec import Struct

from transports.sip.wire.uri import Malformed

MAX_HEAD = 8192
"""Bytes of a frame before its body."""
MAX_BODY = 65536
"""Bytes of a frame's body that are kept; of a longer one it is only known that it was longer."""

Fields = tuple[tuple[str, str], ...]
"""Names and values, in their order; Content-Type is the last."""

_IDENT = r"[A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}"
_START = re.compile(rf"MSRP ({_IDENT}) (?:([A-Z]+)|([0-9]{{3}})(?: ([^\r\n]*))?)")
_IDENTIFIER = re.compile(_IDENT)
_FIELD = re.compile(r"([A-Za-z][!-9;-~]*): *(.*)")
_RANGE = re.compile(r"([0-9]{1,10})-([0-9]{1,10}|\*)/([0-9]{1,10}|\*)")
_UNSAFE = re.compile(r"[\r\n\0]")
_FLAGS = b"$+#"


class Frame(Struct, frozen=True, kw_only=True):
    """A request, which has a `method`, or the response to one, which has a `status`.

    `body` is None where there is none, which is not the same as an empty one. `flag` tells how the message
    goes on after this chunk of it: "$" not at all, "+" by another chunk, "#" never. `is_cut` tells that the
    body was longer than `MAX_BODY`, and is left out.
    """

    transaction: str
    method: str = ""
    status: int = 0
    comment: str = ""
    to_path: tuple[str, ...]
    from_path: tuple[str, ...]
    fields: Fields = ()
    body: bytes | None = None
    flag: str = "$"
    is_cut: bool = False

    def get(self, name: str) -> str | None:
        """Return the value of a field, None if there is none."""
        name = name.lower()
        return next((value for found, value in self.fields if found.lower() == name), None)

    @property
    def message_id(self) -> str:
        """What names the message. Raises Malformed."""
        found = self.get("Message-ID") or ""
        if _IDENTIFIER.fullmatch(found) is None:
            raise Malformed("a message has no identifier")
        return found

    @property
    def range(self) -> Range:
        """Which bytes of the message these are; from the first on if it is not said. Raises Malformed."""
        text = self.get("Byte-Range")
        if text is None:
            return Range(start=1, total=None)
        found = _RANGE.fullmatch(text)
        if found is None or found[1] == "0":
            raise Malformed("a range of bytes is malformed")
        return Range(start=int(found[1]), total=None if found[3] == "*" else int(found[3]))


class Range(Struct, frozen=True):
    """Where a chunk begins in its message, counted from 1, and how long the message is, None if unknown.

    Where it ends is what its body says, not its head (RFC 4975 §7.3.1).
    """

    start: int
    total: int | None


class FrameBuffer:
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._head: Frame | None = None
        self._end = b""
        self._has_body = self._is_cut = False
        self._searched = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits for its end."""
        return self._head is None and not self._data

    def receive_data(self, data: bytes) -> None:
        """Take in bytes."""
        self._data += data

    def next_frame(self) -> Frame | None:
        """Return the next whole frame, None if there is none yet. After Malformed nothing can be read."""
        if self._head is None:
            self._begin()
        return None if self._head is None else self._finish(self._head)

    def _begin(self) -> None:
        """Read a head, up to what ends it: an empty line before the body, or the end-line."""
        line_end = self._data.find(b"\r\n")
        if line_end < 0:
            self._check_length()
            return
        start = _START.fullmatch(self._data[: min(line_end, MAX_HEAD)].decode("utf-8", "replace"))
        if start is None:
            raise Malformed("a frame of MSRP has no start line")
        end = b"\r\n-------" + start[1].encode()
        blank, bare = self._data.find(b"\r\n\r\n"), self._data.find(end)
        found = [one for one in (blank, bare) if one >= 0]
        if not found:
            self._check_length()
            return
        head_end = min(found)
        if head_end > MAX_HEAD:
            raise Malformed("the head of a frame of MSRP is too long")
        lines = self._data[line_end + 2 : head_end].decode("utf-8", "replace").split("\r\n")
        self._head = _head(start, lines)
        self._has_body = head_end != bare
        self._end, self._searched, self._is_cut = end, 0, False
        # what is left begins with the CRLF that is before an end-line
        del self._data[: head_end + 2 if self._has_body else head_end]

    def _check_length(self) -> None:
        if len(self._data) > MAX_HEAD:
            raise Malformed("the head of a frame of MSRP is too long")

    def _finish(self, head: Frame) -> Frame | None:
        """Look for the end-line; what only looks like it belongs to the body."""
        data, size = self._data, len(self._end)
        while (found := data.find(self._end, self._searched)) >= 0:
            if len(data) < found + size + 3:
                return None
            flag = data[found + size : found + size + 3]
            if flag[0] in _FLAGS and flag[1:] == b"\r\n":
                return self._complete(head, found, chr(flag[0]))
            if not self._has_body:
                raise Malformed("the end of a frame of MSRP is malformed")
            self._searched = found + 1
        self._searched = max(len(data) - size, 0)
        if len(data) > MAX_BODY + size:
            self._is_cut = True
            del data[: self._searched]
            self._searched = 0
        return None

    def _complete(self, head: Frame, found: int, flag: str) -> Frame:
        is_cut = self._is_cut or found - 2 > MAX_BODY
        body = bytes(self._data[2:found]) if self._has_body and not is_cut else None
        del self._data[: found + len(self._end) + 3]
        self._head = None
        return Frame(
            transaction=head.transaction,
            method=head.method,
            status=head.status,
            comment=head.comment,
            to_path=head.to_path,
            from_path=head.from_path,
            fields=head.fields,
            body=body,
            flag=flag,
            is_cut=is_cut,
        )


def _head(start: re.Match[str], lines: list[str]) -> Frame:
    """Read what is before the body; lines that are no fields are left out."""
    fields = [(found[1], found[2].strip()) for line in lines if (found := _FIELD.fullmatch(line))]
    paths = {name.lower(): tuple(value.split()) for name, value in fields}
    to_path, from_path = paths.get("to-path", ()), paths.get("from-path", ())
    if not to_path or not from_path:
        raise Malformed("a frame of MSRP has no paths")
    return Frame(
        transaction=start[1],
        method=start[2] or "",
        status=int(start[3] or 0),
        comment=start[4] or "",
        to_path=to_path,
        from_path=from_path,
        fields=tuple(one for one in fields if one[0].lower() not in ("to-path", "from-path")),
    )


def write(frame: Frame) -> bytes:
    """Write a frame. Raises Malformed for what would end its line, or the frame, too early."""
    first = frame.method or f"{frame.status:03} {frame.comment}".rstrip()
    lines = [
        f"MSRP {frame.transaction} {first}",
        f"To-Path: {' '.join(frame.to_path)}",
        f"From-Path: {' '.join(frame.from_path)}",
        *(f"{name}: {value}" for name, value in frame.fields),
    ]
    if any(_UNSAFE.search(line) for line in lines):
        raise Malformed("a frame of MSRP has a line end in a value")
    end = f"-------{frame.transaction}"
    body = b""
    if frame.body is not None:
        body = b"\r\n" + frame.body + b"\r\n"
        if end.encode() in frame.body:
            raise Malformed("a body of MSRP has its own end in it")
    return "\r\n".join([*lines, ""]).encode() + body + f"{end}{frame.flag}\r\n".encode()
