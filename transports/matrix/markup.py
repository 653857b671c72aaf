"""Matrix HTML ↔ `Text` (Matrix: m.room.message, formatted bodies).

What comes in is cleaned by nh3, which also makes it well-formed, and then read by the reader that
XHTML-IM has; what goes out is made of spans and cannot hold anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from html.parser import HTMLParser

import nh3

from bridge.events import Style, Text
from bridge.text import Look, clip, runs
from bridge.xmpp.element import Element, clean
from bridge.xmpp.payloads.markup import XHTML, XHTML_IM, from_xhtml

from .links import Target, read_link, write_link

MAX_HTML = 16_384
"""Code points of a formatted body that is read; of a longer one the plain body is taken.

It bounds the time: what a parser does with unclosed tags grows with the square of their number.
"""
MAX_CLEAN = 65_536
"""Code points that it may have after cleaning."""
SPOILER = "[spoiler] "
RULE = "———"

_TAGS = {
    *("a", "b", "blockquote", "br", "caption", "code", "del", "details", "div", "em", "font", "h1", "h2"),
    *("h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s", "span", "strike", "strong"),
    *("summary", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
_COLOURED = {"data-mx-bg-color", "data-mx-color"}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags={"mx-reply", "script", "style", "title"},
    attributes={
        "a": {"href"},
        "font": {*_COLOURED, "color"},
        "img": {"alt", "title"},
        "ol": {"start"},
        "span": {*_COLOURED, "data-mx-spoiler"},
    },
    url_schemes={"ftp", "http", "https", "magnet", "mailto", "matrix", "xmpp"},
    link_rel=None,
)
_LINES = frozenset({"caption", "details", "summary", "table", "tbody", "thead", "tr"})
_CELLS = frozenset({"td", "th"})
_VOID = frozenset({"br", "hr", "img"})
_HEX_COLOUR = re.compile(r"#[0-9a-f]{6}")

Nicks = Callable[[str], str]
"""From a user id to the nick in the room, "" for who is not there."""


Pill = tuple[Target, tuple[str, ...]]
"""A link to a person or room, and the words that may stand for it in the body, the best first."""


def from_html(html: str, plain: str, nicks: Nicks) -> tuple[Text, list[Pill]]:
    """Read a formatted body; `plain` is the body beside it, which stays where nothing is formatted.

    Return also to whom it links, in the order of the words.
    """
    if len(html) > MAX_HTML:
        return Text(plain=plain), []
    cleaned = _CLEANER.clean(clean(html))
    if "<" not in cleaned or len(cleaned) > MAX_CLEAN:
        return Text(plain=plain), []
    reader = _Reader(nicks)
    reader.feed(cleaned)
    reader.close()
    return from_xhtml(Element("html", XHTML_IM, None, reader.body), plain), reader.pills


class _Reader(HTMLParser):
    """Builds the elements of XHTML-IM from clean HTML; nothing else may be fed to it."""

    def __init__(self, nicks: Nicks) -> None:
        super().__init__(convert_charrefs=True)
        self.body = Element("body", XHTML)
        self.pills: list[Pill] = []
        self._nicks = nicks
        self._open: list[tuple[Element, Target | None]] = [(self.body, None)]
        self._counts: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element; one that XHTML-IM lacks becomes what looks most like it."""
        values = {name: value or "" for name, value in attrs}
        parent = self._open[-1][0]
        if tag == "hr":
            parent.add(Element("p", XHTML, None, RULE))
        elif tag == "img":
            parent.add(values.get("alt") or values.get("title") or "")
        elif tag in _VOID:
            parent.add(Element(tag, XHTML))
        else:
            element, target = self._element(tag, values)
            parent.add(element)
            self._open.append((element, target))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open; clean HTML closes them in order."""
        if tag in _VOID or len(self._open) == 1:
            return
        element, target = self._open.pop()
        if target is not None:
            self._name(element, target)
        if tag in ("ol", "ul"):
            self._counts.pop()

    def _name(self, element: Element, target: Target) -> None:
        """Call somebody by his nick in the room, if he is there; keep what a room is called."""
        words = " ".join(element.text().split())
        nick = self._nicks(target.id) if target.is_person else ""
        if nick:
            element.children[:] = [nick]
        if nick or words:
            self.pills.append((target, tuple(filter(None, (nick, words)))))

    def handle_data(self, data: str) -> None:
        """Add words."""
        self._open[-1][0].add(data)

    def _element(self, tag: str, values: dict[str, str]) -> tuple[Element, Target | None]:
        """Return the element for a tag, and to whom or what of Matrix it links."""
        if tag == "a":
            target = read_link(values.get("href", ""))
            if target is not None:
                return Element("span", XHTML), target
            return Element("a", XHTML, {"href": values.get("href")}), None
        if tag in ("ol", "ul"):
            start = values.get("start", "")
            first = int(start) if start.isascii() and start.isdecimal() and len(start) < 7 else 1
            self._counts.append(first if tag == "ol" else None)
            return Element(tag, XHTML), None
        if tag == "li" and self._counts and self._counts[-1] is not None:
            number = self._counts[-1]
            self._counts[-1] = number + 1
            return Element("p", XHTML, None, f"{number}. "), None
        if tag in _CELLS:
            is_first = not any(isinstance(child, Element) for child in self._open[-1][0].children)
            return Element("span", XHTML, None, "" if is_first else " | "), None
        return _looking(tag, values), None


def _looking(tag: str, values: dict[str, str]) -> Element:
    if tag in _LINES:
        return Element("div", XHTML)
    if tag not in ("font", "span"):
        return Element(tag, XHTML)
    colour = values.get("data-mx-color") or values.get("color")
    background = values.get("data-mx-bg-color")
    css = [f"color:{colour}"] if colour else []
    css += [f"background-color:{background}"] if background else []
    element = Element("span", XHTML, {"style": ";".join(css)} if css else None)
    reason = values.get("data-mx-spoiler")
    if reason is not None:
        element.add(f"[spoiler: {reason}] " if reason else SPOILER)
    return element


# ---- written

_ELEMENTS = {
    Style.BOLD: "strong",
    Style.ITALIC: "em",
    Style.UNDERLINE: "u",
    Style.STRIKE: "del",
    Style.MONOSPACE: "code",
}
_ATTRIBUTES = {Style.COLOUR: "data-mx-color", Style.BACKGROUND: "data-mx-bg-color"}


def to_html(text: Text, links: Sequence[tuple[int, int, Target]] = ()) -> str:
    """Return the formatted body, "" when there is nothing to format.

    Each of `links` is a stretch of code points that links to a person or room; of those that overlap the
    first counts.
    """
    written: list[str] = []
    position = 0
    for start, end, target in sorted(links, key=lambda link: link[:2]):
        if position <= start < end <= len(text.plain):
            written.append(_looks(clip(text, position, start)))
            address = escape(write_link(target))
            written.append(f'<a href="{address}">{_looks(clip(text, start, end))}</a>')
            position = end
    if not position and not text.spans:
        return ""
    return "".join((*written, _looks(clip(text, position, len(text.plain)))))


def _looks(text: Text) -> str:
    return "".join(_run(text.plain[start:end], look) for start, end, look in runs(text))


def _run(words: str, look: Look) -> str:
    written = escape(words, quote=False)
    is_block = Style.MONOSPACE in look and "\n" in words
    if is_block:
        written = f"<pre><code>{written.strip(chr(10))}</code></pre>"
    else:
        written = written.replace("\n", "<br>")
    for style, element in _ELEMENTS.items():
        if style in look and not (is_block and style is Style.MONOSPACE):
            written = f"<{element}>{written}</{element}>"
    colours = "".join(
        f' {name}="{look[style]}"'
        for style, name in _ATTRIBUTES.items()
        if _HEX_COLOUR.fullmatch(look.get(style, ""))
    )
    return f"<span{colours}>{written}</span>" if colours else written
