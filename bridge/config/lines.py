"""Where each key of a TOML document stands, which tomllib does not tell (TOML 1.0.0).

The document must have passed `tomllib.loads`; so this reads shapes and checks nothing.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""Table keys, and indexes into arrays."""

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:""(?!")|"(?!"))?'
    r"|'''.*?'''(?:''(?!')|'(?!'))?"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, on which each key, table and array item first appears."""
    return _Document(text).lines


class _Document:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._last_index: dict[KeyPath, int] = {}
        self.lines: dict[KeyPath, int] = {}
        self._statements()

    def _statements(self) -> None:
        table: KeyPath = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_GAP)

    def _header(self) -> KeyPath:
        is_array = self._text.startswith("[[", self._at)
        line = self._line()
        self._at += 2 if is_array else 1
        *outer, name = self._key()
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        for part in outer:
            path = self._mark((*path, part), line)
            if path in self._last_index:
                path = (*path, self._last_index[path])
        path = self._mark((*path, name), line)
        if is_array:
            index = self._last_index[path] = self._last_index.get(path, -1) + 1
            path = self._mark((*path, index), line)
        return path

    def _pair(self, table: KeyPath) -> None:
        line, path = self._line(), table
        for part in self._key():
            path = self._mark((*path, part), line)
        self._at += 1
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while not parts or self._text[self._at] == ".":
            self._at += bool(parts)
            self._skip(_SPACE)
            written = self._take(_STRING if self._text[self._at] in "\"'" else _BARE_KEY)
            parts.append(str(tomllib.loads(f"key = {written}")["key"]) if written[0] in "\"'" else written)
            self._skip(_SPACE)
        return parts

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if first in "\"'" else _SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._next_item("]"):
            item = self._mark((*path, index), self._line())
            self._value(item)
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._next_item("}"):
            self._pair(path)

    def _next_item(self, end: str) -> bool:
        """Go to the next item of an array or inline table; False, and past its end, if there is none."""
        self._skip(_GAP)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_GAP)
        if self._text[self._at] == end:
            self._at += 1
            return False
        return True

    def _mark(self, path: KeyPath, line: int) -> KeyPath:
        self.lines.setdefault(path, line)
        return path

    def _line(self) -> int:
        return bisect_right(self._newlines, self._at) + 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return match.group()

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)
