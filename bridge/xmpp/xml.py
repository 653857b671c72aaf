"""The strict XML front: bytes of a stream in, stanzas as elements out (RFC 6120 §4, §11).

expat does the reading. What RFC 6120 §11.1 forbids is refused where it begins, everything that a peer
can make grow is limited, and how the bytes were cut changes neither the result nor, much, the work.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Literal
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType

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

SLICE = 16_384
"""Bytes given to expat at once, so that limits are looked at in time and its buffers stay small."""
TEXT_BUFFER = 1_024
"""Bytes of text that expat can hold at first; more when more comes at once."""
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
_SECTION = b"<![CDATA["
_TAG = re.compile(rb"""<[^<>'"]*(?:'[^'<]*'[^<>'"]*|"[^"<]*"[^<>'"]*)*>""")
_DELIMITER = re.compile(rb"[\"'>]")
_SEPARATOR = "\x01"
"""Stands between namespace, name and prefix, as expat joins them; no document can hold it."""
_XML_LANG = _SEPARATOR.join(("http://www.w3.org/XML/1998/namespace", "lang", "xml"))
_WHITESPACE = " \t\r\n"
_ADDRESSING = ("from", "id", "to", "type", "xml:lang")
_RESTING = ParserCreate()
"""Stands for an expat that is not there now."""
_NOTHING = Element("", "")
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
    """Reads one stream. After an XmlError, or the closing tag, it reads nothing more.

    expat takes far more memory than all else, so it is there only while there is something to read:
    between the stream's header and the first stanza it is not, nor after `rest`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        """May be changed at any time, and holds for an open stanza, too."""
        self._ended = False
        self._header = b""
        self._declared: dict[str, str] = {}
        self._events: list[Event | str] = []
        self._whitespace = 0
        """Characters since the latest event."""
        self._open: list[list[Element | str]] = []
        """The children of every open element below the stream."""
        self._top = _NOTHING
        self._began = 0
        """Where in expat's count the open stanza began."""
        self._elements = 0
        """How many elements the open stanza has."""
        self._skipped_depth = 0
        """How many elements of a stanza that is being skipped are open."""
        self._fragmented = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._tail = b""
        """What expat could not use yet: the beginning of a tag."""
        self._long_tag: _LongTag | None = None
        self._fed = 0
        self._renewal = 0
        """Where in expat's count it is replaced; the one that reads the header goes right after it."""
        self._expat = _RESTING
        self._names = _Names()

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
            self.close()
            raise failure
        return events

    @property
    def trailing(self) -> int:
        """How many bytes came after the latest event: whitespace, and what is not complete.

        None may before a stream is restarted (RFC 6120 §5.3.3). A line's end counts as one.
        """
        inside = self._fed - self._began if self._is_inside else len(self._tail) + self._whitespace
        return self._held_bytes + inside

    def rest(self) -> None:
        """Give back the memory that reading takes, if no stanza is open; `feed` takes it again.

        For a stream on which nothing has come for a while. It is told the header again then, which
        takes as long as reading a stanza.
        """
        if self._header and not self._ended and not self._is_inside:
            self._stop_expat()
            self._top = _NOTHING
            self._fed = len(self._header) + len(self._tail)

    def close(self) -> None:
        """Read nothing more, and give back what reading takes: nothing else does so at once."""
        self._ended = True
        self._stop_expat()

    def _take_events(self, failure: XmlError | None) -> tuple[list[Event], XmlError | None]:
        """Between stanzas, whitespace is a keep-alive (RFC 6120 §4.6.1), other text an error."""
        events: list[Event] = []
        for event in self._events:
            if not isinstance(event, str):
                events.append(event)
                self._whitespace = 0
            elif event.strip(_WHITESPACE):
                failure = XmlError("bad-format")
                break
            else:
                self._whitespace += len(event)
        self._events.clear()
        return events, failure

    # how bytes reach expat

    def _feed(self, data: bytes) -> None:
        long_tag = self._long_tag
        if long_tag is not None and b"<" not in data and not long_tag.ends_in(data):
            self._hold(data)
            return self._watch()
        if self._held:
            self._hold(data)
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
        if not self._fed:
            if len(data) < ENCODING_MARK:
                return self._hold(data)
            _check_beginning(data[:ENCODING_MARK])
        whole = _whole(data)
        position = 0
        while position < whole and not self._ended:
            end = whole if whole <= SLICE and self._header else self._slice(data, position, whole)
            self._parse(data[position:end])
            position = end
        if whole < len(data) and not self._ended:
            self._await_end(data[whole:])
        return None

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)

    def _await_end(self, beginning: bytes) -> None:
        """Keep the beginning of a tag or reference until the rest of it comes."""
        self._hold(beginning)
        is_long = _is_tag(beginning) or len(beginning) > SHORT_TAG
        self._long_tag = _LongTag(beginning) if is_long else None
        self._watch()

    def _slice(self, data: bytes, position: int, end: int) -> int:
        """Tell how far to go at once: expat is never left with half a tag, see `_whole`."""
        size = max(SLICE, len(self._tail)) if self._header else max(1, self.limits.header_bytes - self._fed)
        if position + size >= end:
            return end
        border = data.rfind(b"<", position + 1, position + size)
        return border if border > 0 else position + size

    def _parse(self, data: bytes) -> None:
        expat = self._expat
        if expat is _RESTING:
            expat = self._start_expat()
        if len(data) > expat.buffer_size:
            expat.buffer_size = len(data)
        self._fed += len(data)
        expat.Parse(data)
        if self._ended:
            return
        index = expat.CurrentByteIndex
        unread = self._fed - index if index > 0 else self._fed
        if unread or self._tail:
            self._tail = data[len(data) - unread :] if unread <= len(data) else (self._tail + data)[-unread:]
        self._long_tag = _LongTag(self._tail) if self._header and unread > SHORT_TAG else None
        self._fragmented = bool(self._open)
        if unread or self._fragmented or self._is_inside:
            self._watch()
        if self._fed > self._renewal:
            self.rest()

    @property
    def _is_inside(self) -> bool:
        """Whether the header or a stanza is open."""
        return bool(self._open) or self._skipped_depth > 0 or not self._header

    def _watch(self) -> None:
        """Apply the limits of bytes to what is not finished."""
        if not self._header:
            if self._fed + self._held_bytes >= self.limits.header_bytes:
                raise XmlError("policy-violation")
            return
        size = self._held_bytes + (self._fed - self._began if self._is_inside else len(self._tail)) - END_TAG
        self._refuse_huge(size)
        if self._open and size > self.limits.stanza_bytes:
            self._skip()

    def _refuse_huge(self, size: int) -> None:
        if size > max(self.limits.stanza_bytes, self.limits.skip_bytes):
            raise XmlError("policy-violation")

    def _start_expat(self) -> XMLParserType:
        """Begin the document, or go on in a fresh expat that is told the same header."""
        self._expat = expat = ParserCreate("UTF-8", _SEPARATOR)
        expat.namespace_prefixes = True
        expat.buffer_size = TEXT_BUFFER
        expat.buffer_text = True
        expat.StartDoctypeDeclHandler = expat.EntityDeclHandler = self._restricted
        expat.CommentHandler = expat.ProcessingInstructionHandler = self._restricted
        if self._header:
            expat.Parse(self._header)
            self._listen()
            expat.Parse(self._tail)
            self._renewal = RENEWAL
        else:
            expat.XmlDeclHandler = self._xml_declared
            expat.StartNamespaceDeclHandler = self._namespace_declared
            expat.StartElementHandler = self._opened
        return expat

    def _listen(self) -> None:
        self._expat.StartElementHandler = self._started
        self._expat.EndElementHandler = self._finished
        self._expat.CharacterDataHandler = self._characters
        self._expat.StartCdataSectionHandler = self._section_begun

    def _stop_expat(self) -> None:
        """Break the cycle of references, so that it is freed at once."""
        expat, self._expat = self._expat, _RESTING
        if expat is _RESTING:
            return
        expat.StartDoctypeDeclHandler = expat.EntityDeclHandler = expat.CommentHandler = None
        expat.ProcessingInstructionHandler = expat.XmlDeclHandler = expat.StartNamespaceDeclHandler = None
        expat.StartElementHandler = expat.EndElementHandler = expat.CharacterDataHandler = None
        expat.StartCdataSectionHandler = None
        self._names.clear()

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
        if len(attributes) + len(self._declared) > self.limits.attributes:
            raise XmlError("policy-violation")
        declared = [f" xmlns{':' if key else ''}{key}='{quote(uri)}'" for key, uri in self._declared.items()]
        self._header = f"<{prefix}{':' if prefix else ''}stream{''.join(declared)}>".encode()
        _drop_prefixed(attributes)
        self._events.append(StreamOpened(attributes, self._declared.get("", "")))
        self._declared.clear()
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
            self._elements += 1
        else:
            self._top = element
            self._began = self._expat.CurrentByteIndex
            self._elements = 1
        open_.append(children)
        limits = self.limits
        if (
            self._elements > limits.elements
            or len(open_) > limits.depth
            or len(attributes) > limits.attributes
        ):
            self._skip()

    def _finished(self, joined: str) -> None:
        open_ = self._open
        if not open_:
            self._events.append(StreamClosed())
            return self.close()
        open_.pop()
        if not open_:
            self._top_finished()
        return None

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].append(text)
        else:
            self._events.append(text)

    def _section_begun(self) -> None:
        """Between stanzas it could hold but whitespace, and another expat would not know that it is open."""
        if not self._is_inside:
            raise XmlError("bad-format")
        self._fragmented = True

    def _top_finished(self) -> None:
        size = self._expat.CurrentByteIndex - self._began
        if size > self.limits.stanza_bytes:
            self._refuse_huge(size)
            return self._events.append(_outermost(self._top))
        if self._fragmented:
            _join_text(self._top)
            self._fragmented = False
        return self._events.append(self._top)

    # past a stanza that is too large

    def _skip(self) -> None:
        if self.limits.skip_bytes <= self.limits.stanza_bytes:
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


def _check_beginning(start: bytes) -> None:
    if b"\0" in start or b"\xfe" in start or b"\xff" in start:
        raise XmlError("unsupported-encoding")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"", b"<"):
        raise XmlError("not-well-formed")


def _whole(data: bytes) -> int:
    """Tell how much of `data` can be given to expat: all but a tag or reference that is begun at the end.

    COMPAT: expat since 2.6, and what distributions patched into older ones, puts off reading such a
    beginning again until twice as much has come, so that a stanza cut by the network would wait for
    the next one.
    """
    start = data.rfind(b"<")
    if data[start + 1 : start + 2] == b"/" and data[-1:] == b">":
        return len(data)
    end = 0
    if data.startswith(b"<![", start):
        return start if _SECTION.startswith(data[start:]) else len(data)
    if start >= 0:
        tag = (_TAG if _is_tag(data[start : start + 2]) else _OTHER).match(data, start)
        if tag is None:
            return len(data) if _is_tag_open(data, start) else start
        end = tag.end()
    reference = data.rfind(b"&", end)
    if reference >= 0 and len(data) - reference <= LONGEST_REFERENCE and data.find(b";", reference) < 0:
        return reference
    return len(data)


def _is_tag_open(data: bytes, end: int) -> bool:
    """Tell whether a tag before `end` is unfinished: what follows is an error, or text in a CDATA section."""
    start = data.rfind(b"<", 0, end)
    return start >= 0 and _is_tag(data[start : start + 2]) and _TAG.match(data, start) is None


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

    __slots__ = ()

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
