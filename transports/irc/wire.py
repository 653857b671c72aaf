"""IRC lines: bytes to `Line` and back (RFC 1459 §2.3, RFC 2812 §2.3, IRCv3 message-tags).

`parse` takes whatever a server sends; `encode` is the only way a line leaves, so that nothing a
user wrote can end a line early or add a parameter.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

MAX_LINE = 512
"""Bytes of a line with its CR LF, tags not counted (RFC 1459 §2.3), unless LINELEN says otherwise."""
MAX_TAGS = 8191
"""Bytes of the tags that a server sends, with ``@`` and the space (IRCv3 message-tags)."""
MAX_CLIENT_TAGS = 4094
"""Bytes of tag data that a client may send (IRCv3 message-tags)."""
MAX_INCOMING = 2 * (MAX_TAGS + 1)
"""Bytes kept of a line from a server: all tags, and as much again for a server with a large LINELEN."""
FALLBACK_CHARSET = "cp1252"

NO_TAGS: Mapping[str, str] = MappingProxyType({})

_FORBIDDEN = re.compile(r"\r\n|[\r\n\0]")
_DROPPED = {0: None, 10: None, 13: None}
_UNESCAPES = {":": ";", "s": " ", "r": "\r", "n": "\n"}
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPES = str.maketrans({";": r"\:", " ": r"\s", "\\": r"\\", "\r": r"\r", "\n": r"\n", "\0": None})
_TEXT_COMMANDS = frozenset(
    {"AWAY", "KICK", "NOTICE", "PART", "PRIVMSG", "QUIT", "SETNAME", "TOPIC", "USER", "WALLOPS"}
)
"""Commands whose last parameter is words, not a name: it may be cut when the line is too long."""
_COMMAND = re.compile(r"[A-Za-z]+|[0-9]{3}")
_TAG_KEY = re.compile(r"\+?[A-Za-z0-9./_-]+")
_LARGEST_CHARACTER = 4
_LONGEST_CLUSTER = 16


class UnsafeParameter(ValueError):
    """This cannot be sent as one IRC line with these parameters."""


class Line(Struct, frozen=True, gc=False):
    """One message. `nick` is the whole `source` when that is a server; `command` is upper case."""

    tags: Mapping[str, str]
    source: str
    nick: str
    user: str
    host: str
    command: str
    params: tuple[str, ...]


def parse(raw: bytes, fallback: str = FALLBACK_CHARSET, utf8_only: bool = False) -> Line | None:
    """Read one line, with or without its line end; None if it is blank or has no command.

    A line that is not UTF-8 is read in the charset `fallback`, or with U+FFFD if `utf8_only`
    (IRCv3 utf8-only). CR, LF and NUL inside are dropped.
    """
    tags = NO_TAGS
    if raw[:1] == b"@":
        tag_data, _, raw = raw.partition(b" ")
        tags = parse_tags(tag_data[1:])
        raw = raw.lstrip(b" ")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        text = _decode(raw, error, "utf-8" if utf8_only else fallback)
    if "\n" in text or "\r" in text or "\0" in text:
        text = text.translate(_DROPPED)
    head, colon, last = text.partition(" :")
    words = head.split(" ")
    if "" in words:
        words = [word for word in words if word]
    source = nick = user = host = ""
    first = 0
    if head[:1] == ":":
        source = words[0][1:]
        first = 1
        nick, _, host = source.partition("@")
        nick, _, user = nick.partition("!")
    if len(words) <= first:
        return None
    command = words[first]
    if not (command.isalnum() and command.isascii()):
        return None
    if colon:
        words.append(last)
    return Line(tags, source, nick, user, host, command.upper(), tuple(words[first + 1 :]))


def _decode(raw: bytes, error: UnicodeDecodeError, charset: str) -> str:
    if error.reason == "unexpected end of data" and not raw[: error.start].isascii():
        return raw[: error.start].decode()  # UTF-8 that a server cut inside its last character
    try:
        return raw.decode(charset, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def is_charset(name: str) -> bool:
    """Tell whether `name` is a charset that `parse` can fall back to (one that extends ASCII)."""
    ascii_text = "".join(map(chr, range(128)))
    try:
        return codecs.lookup(name).decode(ascii_text.encode(), "strict")[0] == ascii_text
    except (LookupError, ValueError, TypeError, AssertionError):
        return False


def parse_tags(data: bytes) -> Mapping[str, str]:
    """Read tag data, without ``@``; the last of equal keys wins, an undecodable value is dropped."""
    tags: dict[str, str] = {}
    for tag in data.split(b";"):
        key, _, value = tag.partition(b"=")
        if not key:
            continue
        try:
            name = key.decode()
        except UnicodeDecodeError:
            continue
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = ""
        tags[name] = _ESCAPED.sub(_unescape, text) if "\\" in text else text
    return tags


def _unescape(match: re.Match[str]) -> str:
    return _UNESCAPES.get(match[1], match[1])


def encode(command: str, *params: str, tags: Mapping[str, str] | None = None, limit: int = MAX_LINE) -> bytes:
    """Write one line with its CR LF, of at most `limit` bytes beside its tags.

    CR, LF and NUL become spaces. If the line is too long, a last parameter that is words is cut at
    a character's border. Raises UnsafeParameter when that does not help, or when a parameter
    before the last is not one word.
    """
    if not _COMMAND.fullmatch(command):
        raise UnsafeParameter("not a command")
    words = [command]
    for param in params[:-1]:
        word = _FORBIDDEN.sub(" ", param)
        if not word or " " in word or word[0] == ":":
            raise UnsafeParameter(
                "a parameter that is not the last is empty, has a space or begins with a colon"
            )
        words.append(word)
    start = " ".join(words).encode("utf-8", "replace")
    end = _last_parameter(params[-1]) if params else b""
    room = limit - 2 - len(start)
    if len(end) > room:
        is_text = end[1:2] == b":" or command.upper() in _TEXT_COMMANDS
        if not is_text or room < 2 + _LARGEST_CHARACTER:
            raise UnsafeParameter("the line is too long")
        end = end[:room].decode("utf-8", "ignore").encode()
    return (_encode_tags(tags) if tags else b"") + start + end + b"\r\n"


def _last_parameter(text: str) -> bytes:
    last = _FORBIDDEN.sub(" ", text)
    colon = " :" if not last or " " in last or last[0] == ":" else " "
    return (colon + last).encode("utf-8", "replace")


def _encode_tags(tags: Mapping[str, str]) -> bytes:
    for key in tags:
        if not _TAG_KEY.fullmatch(key):
            raise UnsafeParameter("not a tag key")
    data = ";".join(
        f"{key}={value.translate(_ESCAPES)}" if value else key for key, value in tags.items()
    ).encode("utf-8", "replace")
    if len(data) > MAX_CLIENT_TAGS:
        raise UnsafeParameter("the tags are too long")
    return b"@" + data + b" "


class LineBuffer:
    """Cuts a stream of bytes into lines; of one that is longer than `limit` bytes the rest is dropped."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_INCOMING) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without line ends; blank ones are left out."""
        *lines, rest = data.split(b"\n")
        limit = self._limit
        if lines and self._rest:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        if rest:
            self._rest += rest[: limit - len(self._rest)]
        return [line for line in [line[:limit].rstrip(b"\r") for line in lines] if line]


def room_for_text(source: str, command: str, target: str, limit: int = MAX_LINE) -> int:
    """Return how many bytes of text fit into ``:source command target :text`` as others get it."""
    return limit - len(f":{source} {command} {target} :\r\n".encode("utf-8", "replace"))


def split_text(text: str, limit: int) -> list[str]:
    """Cut into pieces of at most `limit` bytes of UTF-8 (see `split_points`)."""
    return [text[start:end] for start, end in split_points(text, limit)]


def split_points(text: str, limit: int) -> list[tuple[int, int]]:
    """Return where to cut `text` into pieces of at most `limit` bytes of UTF-8, in code points.

    Cuts are made at spaces, one of which vanishes at each, or else where no character is taken
    apart. A limit too small for one character counts as four bytes. No text gives no piece.
    """
    limit = max(limit, _LARGEST_CHARACTER)
    points = []
    start = 0
    while start < len(text):
        window = text[start : start + limit].encode("utf-8", "replace")
        end = start + len(window[:limit].decode("utf-8", "ignore"))
        following = end
        if end < len(text):
            space = end if text[end] == " " else text.rfind(" ", start + 1, end)
            if space > start:
                end, following = space, space + 1
            else:
                end = following = _cluster_border(text, start, end)
        points.append((start, end))
        start = following
    return points


def _cluster_border(text: str, start: int, end: int) -> int:
    """Move a cut back to before the base of a combining or joined character, if it is near."""
    for border in range(end, max(start, end - _LONGEST_CLUSTER), -1):
        if not (_joins(text[border]) or text[border - 1] == "\u200d"):
            return border
    return end


def _joins(character: str) -> bool:
    code = ord(character)
    if code < 0x300:
        return False
    return unicodedata.category(character)[0] == "M" or code == 0x200D or 0x1F3FB <= code <= 0x1F3FF
