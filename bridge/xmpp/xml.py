"""The strict XML front: bytes of a stream in, stanzas as elements out (RFC 6120 §4, §11).

expat does the reading. What RFC 6120 §11.1 forbids is refused where it begins, everything that a peer
can make grow is limited, and how the bytes were cut changes neither the result nor, much, the work.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Literal
from xml.parsers.expat import ExpatError, ParserCreate

from msgspec import Struct

from bridge.xmpp.element import Element, quote

NS_STREAMS = "http://etherx.jabber.org/streams"

Condition = Literal[
    "bad-format",
    "invalid-namespace",
    "not-well-formed",
    "policy-violation",
    "restricted-xml",
    "unsupported-encoding",
]
"""The stream errors that reading can end in (RFC 6120 §4.9.3)."""

SLICE = 65_536
"""Bytes given to expat at once, so that limits are looked at in time."""
RENEWAL = 262_144
"""Bytes after which expat is replaced: its tables of names only grow, and strangers choose the names."""
SHORT_TAG = 4_096
"""Bytes of an unfinished tag that expat may read again with every chunk; a longer one is completed first."""
LONGEST_REFERENCE = 16
"""Bytes of the longest reference that can be meant, like ``&#x10FFFF;``."""
ENCODING_MARK = 4
"""Bytes at the beginning in which UTF-16 and UTF-32 show themselves (XML 1.0 Appendix F)."""
END_TAG = 1_024
"""Bytes that a stanza may be over its limit while its end tag, which is not counted, is awaited."""

_OTHER = re.compile(rb"<[^>]+>")
_TAG = re.compile(rb"""<[^<>'"]*(?:'[^'<]*'[^<>'"]*|"[^"<]*"[^<>'"]*)*>""")
_DELIMITER = re.compile(rb"[\"'>]")
_SEPARATOR = "\x01"
"""Stands between namespace, name and prefix, as expat joins them; no document can hold it."""
_XML_LANG = _SEPARATOR.join(("http://www.w3.org/XML/1998/namespace", "lang", "xml"))
_ADDRESSING = ("from", "id", "to", "type", "xml:lang")
_new = Element.__new__


class Limits(Struct, frozen=True):
    """What a peer may send; `depth`, `elements` (per stanza) and `attributes` (per tag) in numbers.

    A stanza over a limit ends the stream. If `skip_bytes` is larger than `stanza_bytes`, it is read
    past up to that size instead, and reported as `Oversized`: for a peer that relays what strangers wrote.
    """

    header_bytes: int = 10_000
    stanza_bytes: int = 524_288
    skip_bytes: int = 0
    depth: int = 100
    elements: int = 10_000
    attributes: int = 100


class StreamOpened(Struct, frozen=True):
    """The peer's stream header; `namespace` is the default one it declares, "" if none."""

    attributes: dict[str, str]
    namespace: str


class StreamClosed(Struct, frozen=True):
    """The peer's closing tag; what follows it is not read."""


class Oversized(Struct, frozen=True):
    """A stanza over a limit was skipped; `element` keeps of it name, addresses, id, type and language."""

    element: Element


Event = StreamOpened | StreamClosed | Oversized | Element


class XmlError(Exception):
    """The stream cannot be read on; `condition` says why, `events` is what was complete before."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.condition = condition
        self.events: list[Event] = []


class StreamParser:
    """Reads one stream. After an XmlError, or the closing tag, it reads nothing more."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ended = False
        self._header = b""
        self._declared: dict[str, str] = {}
        self._events: list[Event | str] = []
        self._open: list[list[Element | str]] = []
        """The children of every open element below the stream."""
        self._top: Element
        self._began = 0
        """Where in expat's count the open stanza began."""
        self._elements_left = 0
        self._skipped_depth = 0
        """How many elements of a stanza that is being skipped are open."""
        self._fragmented = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._tail = b""
        """What expat could not use yet: the beginning of a tag."""
        self._long_tag: _LongTag | None = None
        self._fed = 0
        self._start_expat()
        self._expat.XmlDeclHandler = self._xml_declared
        self._expat.StartNamespaceDeclHandler = self._namespace_declared
        self._expat.StartElementHandler = self._opened

    def feed(self, data: bytes) -> list[Event]:
        """Return what `data` completes; raises XmlError."""
        if self._ended:
            return []
        failure: XmlError | None = None
        try:
            self._feed(data)
        except XmlError as error:
            failure = error
        except ExpatError:
            if not self._ended:
                self._expat.buffer_text = False  # brings the text before the error
                failure = XmlError("not-well-formed")
        events, failure = self._take_events(failure)
        if failure is not None:
            failure.events = events
            self._end()
            raise failure
        return events

    def _take_events(self, failure: XmlError | None) -> tuple[list[Event], XmlError | None]:
        """Between stanzas, whitespace is a keep-alive (RFC 6120 §4.6.1), other text an error."""
        events: list[Event] = []
        for event in self._events:
            if not isinstance(event, str):
                events.append(event)
            elif event.strip(" \t\r\n"):
                failure = XmlError("bad-format")
                break
        self._events.clear()
        return events, failure

    # how bytes reach expat

    def _feed(self, data: bytes) -> None:
        start = data[: max(0, ENCODING_MARK - self._fed)]
        if b"\0" in start or b"\xfe" in start or b"\xff" in start:
            raise XmlError("unsupported-encoding")
        self._held.append(data)
        self._held_bytes += len(data)
        if self._long_tag is not None and b"<" not in data and not self._long_tag.ends_in(data):
            self._watch()
            return
        collected = data if len(self._held) == 1 else b"".join(self._held)
        if not self._fed and collected.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"", b"<"):
            raise XmlError("not-well-formed")
        whole = _whole(collected)
        self._held = [collected[whole:]] if whole < len(collected) else []
        self._held_bytes = len(collected) - whole
        position = 0
        while position < whole and not self._ended:
            end = self._slice(collected, position, whole)
            self._parse(collected[position:end])
            position = end
        if self._held and not self._ended:
            held = self._held[0]
            self._long_tag = _LongTag(held) if _is_tag(held) or len(held) > SHORT_TAG else None
            self._watch()

    def _slice(self, data: bytes, position: int, end: int) -> int:
        """Tell how far to go at once: expat is never left with half a tag, see `_whole`."""
        size = max(SLICE, len(self._tail)) if self._header else max(1, self._limits.header_bytes - self._fed)
        if position + size >= end:
            return end
        border = data.rfind(b"<", position + 1, position + size)
        return border if border > 0 else position + size

    def _parse(self, data: bytes) -> None:
        if len(data) > SLICE:
            self._expat.buffer_size = len(data)
        self._fed += len(data)
        self._expat.Parse(data)
        if self._ended:
            return
        unread = self._fed - max(0, self._expat.CurrentByteIndex)
        self._tail = data[len(data) - unread :] if unread <= len(data) else (self._tail + data)[-unread:]
        self._watch()
        self._long_tag = _LongTag(self._tail) if self._header and unread > SHORT_TAG else None
        if self._open:
            self._fragmented = True
        elif self._fed > RENEWAL and self._header and not self._skipped_depth:
            self._renew()

    def _watch(self) -> None:
        """Apply the limits of bytes to what is not finished."""
        if not self._header:
            if self._fed + self._held_bytes >= self._limits.header_bytes:
                raise XmlError("policy-violation")
            return
        inside = bool(self._open) or self._skipped_depth > 0
        size = self._held_bytes + (self._fed - self._began if inside else len(self._tail)) - END_TAG
        self._refuse_huge(size)
        if self._open and size > self._limits.stanza_bytes:
            self._skip()

    def _refuse_huge(self, size: int) -> None:
        if size > max(self._limits.stanza_bytes, self._limits.skip_bytes):
            raise XmlError("policy-violation")

    def _renew(self) -> None:
        """Go on with a fresh expat that is told the same header."""
        self._stop_expat()
        self._start_expat()
        self._expat.Parse(self._header)
        self._listen()
        self._expat.Parse(self._tail)
        self._fed = len(self._header) + len(self._tail)

    def _start_expat(self) -> None:
        self._names = _Names()
        self._expat = expat = ParserCreate("UTF-8", _SEPARATOR)
        expat.namespace_prefixes = True
        expat.buffer_size = SLICE
        expat.buffer_text = True
        expat.StartDoctypeDeclHandler = expat.EntityDeclHandler = self._restricted
        expat.CommentHandler = expat.ProcessingInstructionHandler = self._restricted

    def _listen(self) -> None:
        self._expat.StartElementHandler = self._started
        self._expat.EndElementHandler = self._finished
        self._expat.CharacterDataHandler = self._characters

    def _stop_expat(self) -> None:
        """Break the cycle of references, so that it is freed at once."""
        expat = self._expat
        expat.StartDoctypeDeclHandler = expat.EntityDeclHandler = expat.CommentHandler = None
        expat.ProcessingInstructionHandler = expat.XmlDeclHandler = expat.StartNamespaceDeclHandler = None
        expat.StartElementHandler = expat.EndElementHandler = expat.CharacterDataHandler = None

    def _end(self) -> None:
        self._ended = True
        self._stop_expat()

    # what expat calls

    def _restricted(self, *_: object) -> None:
        raise XmlError("restricted-xml")

    def _xml_declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise XmlError("unsupported-encoding")
        if version != "1.0":
            raise XmlError("not-well-formed")

    def _namespace_declared(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _opened(self, joined: str, attributes: dict[str, str]) -> None:
        namespace, name, prefix = _split(joined)
        if namespace != NS_STREAMS:
            raise XmlError("invalid-namespace")
        if name != "stream":
            raise XmlError("bad-format")
        if len(attributes) + len(self._declared) > self._limits.attributes:
            raise XmlError("policy-violation")
        declared = [f" xmlns{':' if key else ''}{key}='{quote(uri)}'" for key, uri in self._declared.items()]
        self._header = f"<{prefix}{':' if prefix else ''}stream{''.join(declared)}>".encode()
        _drop_prefixed(attributes)
        self._events.append(StreamOpened(attributes, self._declared.get("", "")))
        self._expat.StartNamespaceDeclHandler = None
        self._listen()

    def _started(self, joined: str, attributes: dict[str, str]) -> None:
        element = _new(Element)
        element.name, element.namespace = self._names[joined]
        element.attributes = attributes
        children: list[Element | str] = []
        element.children = children
        if attributes and _SEPARATOR in "".join(attributes):
            _drop_prefixed(attributes)
        open_ = self._open
        if open_:
            open_[-1].append(element)
        else:
            self._top = element
            self._began = self._expat.CurrentByteIndex
            self._elements_left = self._limits.elements
        open_.append(children)
        self._elements_left -= 1
        limits = self._limits
        if self._elements_left < 0 or len(open_) > limits.depth or len(attributes) > limits.attributes:
            self._skip()

    def _finished(self, joined: str) -> None:
        if not self._open:
            self._events.append(StreamClosed())
            return self._end()
        self._open.pop()
        if not self._open:
            self._top_finished()
        return None

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].append(text)
        else:
            self._events.append(text)

    def _top_finished(self) -> None:
        size = self._expat.CurrentByteIndex - self._began
        if size > self._limits.stanza_bytes:
            self._refuse_huge(size)
            return self._events.append(_outermost(self._top))
        if self._fragmented:
            _join_text(self._top)
            self._fragmented = False
        return self._events.append(self._top)

    # past a stanza that is too large

    def _skip(self) -> None:
        if self._limits.skip_bytes <= self._limits.stanza_bytes:
            raise XmlError("policy-violation")
        self._skipped_depth = len(self._open)
        self._open.clear()
        self._top.children.clear()
        self._expat.StartElementHandler = self._skipped_start
        self._expat.EndElementHandler = self._skipped_end
        self._expat.CharacterDataHandler = None

    def _skipped_start(self, joined: str, attributes: dict[str, str]) -> None:
        self._skipped_depth += 1

    def _skipped_end(self, joined: str) -> None:
        self._skipped_depth -= 1
        if not self._skipped_depth:
            self._refuse_huge(self._expat.CurrentByteIndex - self._began)
            self._fragmented = False
            self._events.append(_outermost(self._top))
            self._listen()


def _whole(data: bytes) -> int:
    """Tell how much of `data` can be given to expat: all but a tag or reference that is begun at the end.

    COMPAT: expat since 2.6, and what distributions patched into older ones, puts off reading such a
    beginning again until twice as much has come, so that a stanza cut by the network would wait for
    the next one.
    """
    start = data.rfind(b"<")
    end = 0
    if data.startswith(b"<![", start):
        return len(data)
    if start >= 0:
        tag = (_TAG if _is_tag(data[start : start + 2]) else _OTHER).match(data, start)
        if tag is None:
            return start
        end = tag.end()
    reference = data.rfind(b"&", end)
    if reference >= 0 and len(data) - reference <= LONGEST_REFERENCE and data.find(b";", reference) < 0:
        return reference
    return len(data)


def _is_tag(beginning: bytes) -> bool:
    return beginning[:1] == b"<" and beginning[1:2] not in (b"", b"!", b"?")


class _LongTag:
    """Follows the quotes of an unfinished tag, each byte once, to know where it ends.

    Raises XmlError where the beginning is that of something else: nothing else may be that long.
    """

    def __init__(self, beginning: bytes) -> None:
        if beginning.startswith((b"<!", b"<?")):
            raise XmlError("restricted-xml")
        if not beginning.startswith(b"<"):
            raise XmlError("not-well-formed")
        self._quote = b""
        self.ends_in(beginning)

    def ends_in(self, data: bytes) -> bool:
        """Tell whether the tag ends in these next bytes."""
        position = 0
        while True:
            if self._quote:
                position = data.find(self._quote, position) + 1
                if not position:
                    return False
                self._quote = b""
            found = _DELIMITER.search(data, position)
            if found is None:
                return False
            if found[0] == b">":
                return True
            self._quote, position = found[0], found.end()


class _Names(dict[str, tuple[str, str]]):
    """Remembers how expat's joined names split into (name, namespace)."""

    def __missing__(self, joined: str) -> tuple[str, str]:
        namespace, name, _ = _split(joined)
        self[joined] = (name, namespace)
        return name, namespace


def _split(joined: str) -> tuple[str, str, str]:
    """Return namespace, name and prefix."""
    parts = joined.split(_SEPARATOR)
    if len(parts) == 1:
        return "", joined, ""
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""


def _drop_prefixed(attributes: dict[str, str]) -> None:
    """Keep what an `Element` can hold: names without prefix, and xml:lang."""
    language = attributes.pop(_XML_LANG, None)
    for joined in [joined for joined in attributes if _SEPARATOR in joined]:
        del attributes[joined]
    if language is not None:
        attributes["xml:lang"] = language


def _outermost(top: Element) -> Oversized:
    return Oversized(Element(top.name, top.namespace, {key: top.get(key) for key in _ADDRESSING}))


def _join_text(top: Element) -> None:
    """Join the pieces of text that the borders of chunks left side by side."""
    unjoined = [top]
    for element in unjoined:
        joined: list[Element | str] = []
        for are_text, run in groupby(element.children, key=lambda child: isinstance(child, str)):
            children = list(run)
            if are_text:
                joined.append("".join(child for child in children if isinstance(child, str)))
            else:
                joined.extend(children)
                unjoined.extend(child for child in children if isinstance(child, Element))
        element.children = joined
