"""Formatted text: XHTML-IM (XEP-0071) both ways, and message styling (XEP-0393) read.

What a peer sends is bounded in depth, length and number of spans; beyond the bounds its words
stay and its looks go. Nothing here is ever interpreted but the few properties listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from bridge.events import Span, Style, Text
from bridge.text import MAX_SPANS, Look, TextBuilder, runs
from bridge.xmpp.element import Element

XHTML_IM = "http://jabber.org/protocol/xhtml-im"
XHTML = "http://www.w3.org/1999/xhtml"
STYLING = "urn:xmpp:styling:0"

MAX_LENGTH = 65_536
"""Characters read of one formatted text."""
MAX_DEPTH = 32
"""Nested elements whose looks are followed."""
MAX_QUOTES = 8
"""Nested quotations of message styling that are followed."""

# ---- XHTML-IM, written

_CSS: Mapping[Style, str] = {
    Style.BOLD: "font-weight:bold;",
    Style.ITALIC: "font-style:italic;",
    Style.MONOSPACE: "font-family:monospace;",
}
_DECORATIONS: Mapping[Style, str] = {Style.UNDERLINE: "underline", Style.STRIKE: "line-through"}
_COLOURS: Mapping[Style, str] = {Style.COLOUR: "color", Style.BACKGROUND: "background-color"}


def to_xhtml(text: Text) -> Element | None:
    """Return the `<html/>` of a message, None when there is nothing to format."""
    if not text.spans:
        return None
    body = Element("body", XHTML)
    for start, end, look in runs(text):
        css = _css(look)
        parent = body
        if css:
            parent = Element("span", XHTML, {"style": css})
            body.add(parent)
        _add_lines(parent, text.plain[start:end])
    return Element("html", XHTML_IM, None, body)


def _css(look: Look) -> str:
    parts = [css for style, css in _CSS.items() if style in look]
    decorations = [word for style, word in _DECORATIONS.items() if style in look]
    if decorations:
        parts.append(f"text-decoration:{' '.join(decorations)};")
    for style, name in _COLOURS.items():
        colour = _read_colour(look.get(style, ""))
        if colour:
            parts.append(f"{name}:{colour};")
    return "".join(parts)


def _add_lines(parent: Element, text: str) -> None:
    first, *others = text.split("\n")
    if first:
        parent.add(first)
    for line in others:
        parent.add(Element("br", XHTML))
        if line:
            parent.add(line)


# ---- XHTML-IM, read

_ELEMENT_STYLES: Mapping[str, Style] = {
    "strong": Style.BOLD,
    "b": Style.BOLD,
    "h1": Style.BOLD,
    "h2": Style.BOLD,
    "h3": Style.BOLD,
    "h4": Style.BOLD,
    "h5": Style.BOLD,
    "h6": Style.BOLD,
    "em": Style.ITALIC,
    "i": Style.ITALIC,
    "cite": Style.ITALIC,
    "dfn": Style.ITALIC,
    "var": Style.ITALIC,
    "u": Style.UNDERLINE,
    "ins": Style.UNDERLINE,
    "del": Style.STRIKE,
    "s": Style.STRIKE,
    "strike": Style.STRIKE,
    "code": Style.MONOSPACE,
    "kbd": Style.MONOSPACE,
    "pre": Style.MONOSPACE,
    "samp": Style.MONOSPACE,
    "tt": Style.MONOSPACE,
}
_BLOCKS = frozenset(
    {
        "address",
        "blockquote",
        "dd",
        "div",
        "dl",
        "dt",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "li",
        "ol",
        "p",
        "pre",
        "ul",
    }
)
_HIDDEN = frozenset({"head", "script", "style", "title"})
_NAMED_COLOURS: Mapping[str, str] = {
    "aqua": "#00ffff",
    "black": "#000000",
    "blue": "#0000ff",
    "brown": "#a52a2a",
    "cyan": "#00ffff",
    "fuchsia": "#ff00ff",
    "gray": "#808080",
    "green": "#008000",
    "grey": "#808080",
    "lightgray": "#d3d3d3",
    "lightgreen": "#90ee90",
    "lightgrey": "#d3d3d3",
    "lime": "#00ff00",
    "magenta": "#ff00ff",
    "maroon": "#800000",
    "navy": "#000080",
    "olive": "#808000",
    "orange": "#ffa500",
    "pink": "#ffc0cb",
    "purple": "#800080",
    "red": "#ff0000",
    "silver": "#c0c0c0",
    "teal": "#008080",
    "violet": "#ee82ee",
    "white": "#ffffff",
    "yellow": "#ffff00",
}
"""CSS 2.1's names, and those that clients have been seen to send."""
_RGB = re.compile(r"rgba?\(\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*(?:,[^)]{0,16})?\)")
_HEX_COLOUR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_SPACES = re.compile(r"[ \t\r\n]+")


def from_xhtml(html: Element, plain: str) -> Text:
    """Read the `<html/>` of a message whose body is `plain`.

    Where it formats anything, its words are the message's; otherwise the body as it was sent.
    """
    reader = _XhtmlReader()
    for body in html.all("body", XHTML):
        reader.read(body)
        break  # further ones are other languages (XEP-0071 §7, rule 4)
    text = reader.build()
    return text if text.spans else Text(plain=plain)


def read_text(message: Element, body: str) -> Text:
    """Return the formatted text of a message whose body is `body`: XHTML-IM, else message styling.

    Styling is not looked for where the message says that there is none (XEP-0393 §6).
    """
    html = message.child("html", XHTML_IM)
    if html is not None:
        return from_xhtml(html, body)
    return Text(plain=body) if message.child("unstyled", STYLING) is not None else from_styling(body)


class _XhtmlReader:
    """Walks the elements and writes their words; vertical space is written when words follow it."""

    def __init__(self) -> None:
        self._builder = TextBuilder()
        self._is_line_start = True
        self._pending = ""
        self._pending_look: Look = {}
        self._quotes = 0

    def read(self, body: Element) -> None:
        """Write all of `body`; iterative, so that its depth costs no stack."""
        stack: list[tuple[Iterator[Element | str], Look, Element]] = [(iter(body.children), {}, body)]
        while stack:
            children, look, parent = stack[-1]
            child = next(children, None)
            if child is None or self._builder.length >= MAX_LENGTH:
                self._leave(parent, look)
                stack.pop()
            elif isinstance(child, str):
                self._words(
                    child, look, is_verbatim=any(each[2].name == "pre" for each in stack[-MAX_DEPTH:])
                )
            elif child.name not in _HIDDEN:
                inner = _look(child, look) if len(stack) < MAX_DEPTH else look
                self._enter(child, inner)
                stack.append((iter(child.children), inner, child))

    def build(self) -> Text:
        return self._builder.build()

    def _enter(self, element: Element, look: Look) -> None:
        name = element.name
        if name in _BLOCKS:
            self._break_line()
        if name == "blockquote":
            self._quotes = min(self._quotes + 1, MAX_QUOTES)
        elif name == "br":
            self._pending = self._pending.rstrip(" ") + "\n"
            self._is_line_start = True
        elif name == "li":
            self._write("• ", {})
        elif name == "q":
            self._write("“", look)
        elif name == "img":
            self._words(element.get("alt") or element.get("src") or "", look, is_verbatim=False)

    def _leave(self, element: Element, look: Look) -> None:
        name = element.name
        if name == "blockquote":
            self._break_line()
            self._quotes = max(self._quotes - 1, 0)
        elif name in _BLOCKS:
            self._break_line()
        elif name == "q":
            self._write("”", look)
        elif name == "a":
            target = element.get("href") or ""
            words = "".join(_all_text(element)).strip()
            if target and not words:
                self._words(target, look, is_verbatim=False)
            elif target and not _names(words, target):
                self._write(f" <{target}>", {})

    def _break_line(self) -> None:
        if not self._is_line_start:
            self._pending = "\n"
            self._is_line_start = True

    def _words(self, text: str, look: Look, *, is_verbatim: bool) -> None:
        if is_verbatim:
            for index, line in enumerate(text.replace("\r", "").split("\n")):
                if index:
                    self._pending += "\n"
                    self._is_line_start = True
                self._write(line, look)
            return
        words = _SPACES.sub(" ", text)
        if self._is_line_start or self._pending.endswith(" "):
            words = words.lstrip(" ")
        stripped = words.rstrip(" ")
        self._write(stripped, look)
        if stripped != words and not self._is_line_start:
            self._pending, self._pending_look = " ", look

    def _write(self, words: str, look: Look) -> None:
        """Append words after the space or line ends that are pending."""
        room = MAX_LENGTH - self._builder.length
        if not words or room <= 0:
            return
        if self._builder.length:
            self._builder.add(self._pending, self._pending_look if self._pending == " " else {})
        if self._quotes and self._is_line_start:
            self._builder.add("> " * self._quotes, {})
        self._pending = ""
        self._is_line_start = False
        self._builder.add(words[:room], look)


def _all_text(element: Element) -> Iterator[str]:
    """Iterate over the words in a link, as deep as looks are followed."""
    level: list[Element] = [element]
    for _ in range(MAX_DEPTH):
        for each in level:
            yield each.text()
        level = [child for each in level for child in each.elements()]


def _names(words: str, target: str) -> bool:
    """Tell whether a link's words already name its target."""
    bare = target.partition(":")[2].strip("/")
    return words.rstrip("/") in (target.rstrip("/"), bare, bare.partition("?")[0])


def _look(element: Element, look: Look) -> Look:
    """Return the look inside `element`, which stands in `look`."""
    style = _ELEMENT_STYLES.get(element.name)
    css = element.get("style")
    colour = element.get("color") if element.name == "font" else None
    if style is None and css is None and colour is None:
        return look
    inner = dict(look)
    if style is not None:
        inner[style] = ""
    if colour:
        _apply_colour(Style.COLOUR)(inner, colour.lower())
    for declaration in (css or "")[:MAX_LENGTH].lower().split(";"):
        name, _, value = declaration.partition(":")
        apply = _PROPERTIES.get(name.strip())
        if apply is not None:
            apply(inner, value.replace("!important", "").strip())
    return inner


_Property = Callable[[dict[Style, str], str], None]


def _switch(style: Style, is_on: bool, look: dict[Style, str]) -> None:
    if is_on:
        look[style] = ""
    else:
        look.pop(style, None)


def _apply_weight(look: dict[Style, str], value: str) -> None:
    is_heavy = value in ("bold", "bolder") or (value.isdecimal() and len(value) < 5 and int(value) >= 600)
    _switch(Style.BOLD, is_heavy, look)


def _apply_slant(look: dict[Style, str], value: str) -> None:
    _switch(Style.ITALIC, value in ("italic", "oblique"), look)


def _apply_decoration(look: dict[Style, str], value: str) -> None:
    for style, word in _DECORATIONS.items():
        if word in value:
            look[style] = ""


def _apply_family(look: dict[Style, str], value: str) -> None:
    if "mono" in value or "courier" in value:
        look[Style.MONOSPACE] = ""


def _apply_colour(style: Style) -> _Property:
    def apply(look: dict[Style, str], value: str) -> None:
        colour = _read_colour(value)
        if colour:
            look[style] = colour

    return apply


_PROPERTIES: Mapping[str, _Property] = {
    "font-weight": _apply_weight,
    "font-style": _apply_slant,
    "text-decoration": _apply_decoration,
    "font-family": _apply_family,
    "color": _apply_colour(Style.COLOUR),
    "background-color": _apply_colour(Style.BACKGROUND),
    "background": _apply_colour(Style.BACKGROUND),
}


def _read_colour(value: str) -> str:
    """Return a CSS colour as ``#rrggbb``, "" if it is none that we know."""
    value = value.lower()
    if _HEX_COLOUR.fullmatch(value):
        return value if len(value) == 7 else "#" + "".join(digit * 2 for digit in value[1:])
    match = _RGB.fullmatch(value)
    if match:
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in match.groups())
    return _NAMED_COLOURS.get(value, "")


# ---- message styling, read

_DIRECTIVES: Mapping[str, Style] = {
    "*": Style.BOLD,
    "_": Style.ITALIC,
    "~": Style.STRIKE,
    "`": Style.MONOSPACE,
}
_DIRECTIVE = re.compile("[*_~`]")
_FENCE = "```"
_Lines = list[tuple[int, int]]


def from_styling(plain: str) -> Text:
    """Read message styling (XEP-0393 §5); the directives stay where they are and look like their span."""
    if len(plain) > MAX_LENGTH or not _DIRECTIVE.search(plain):
        return Text(plain=plain)
    lines: _Lines = []
    start = 0
    for line in plain.split("\n"):
        lines.append((start, start + len(line)))
        start += len(line) + 1
    found: list[Span] = []
    _style_blocks(plain, lines, 0, found)
    found.sort(key=lambda span: (span.start, -span.end))
    return Text(plain=plain, spans=tuple(found[:MAX_SPANS]))


def _style_blocks(plain: str, lines: _Lines, depth: int, found: list[Span]) -> None:
    """Find the blocks of XEP-0393 §5.1 in `lines`, and what is styled inside them."""
    index = 0
    while index < len(lines):
        start, end = lines[index]
        if plain.startswith(_FENCE, start, end):
            last = next(
                (i for i in range(index + 1, len(lines)) if plain[slice(*lines[i])] == _FENCE), len(lines) - 1
            )
            found.append(Span(start=start, end=lines[last][1], style=Style.MONOSPACE))
            index = last + 1
        elif plain.startswith(">", start, end) and depth < MAX_QUOTES:
            quoted: _Lines = []
            while index < len(lines) and plain.startswith(">", *lines[index]):
                start, end = lines[index]
                start += 2 if plain[start + 1 : min(start + 2, end)].isspace() else 1
                quoted.append((start, end))
                index += 1
            _style_blocks(plain, quoted, depth + 1, found)
        else:
            _style_spans(plain, start, end, "", found)
            index += 1


def _style_spans(plain: str, start: int, end: int, inside: str, found: list[Span]) -> None:
    """Find the spans of XEP-0393 §5.2 between `start` and `end`; `inside` is the directive around."""
    unmatched: set[str] = set()
    position = start
    while match := _DIRECTIVE.search(plain, position, end):
        opening, directive = match.start(), match[0]
        position = opening + 1
        if directive in unmatched or directive == inside or not _may_open(plain, opening, start, end):
            continue
        closing = _closing(plain, opening, end)
        if closing is None:
            unmatched.add(directive)
        elif closing == opening + 1:
            position = closing + 1
        else:
            found.append(Span(start=opening, end=closing + 1, style=_DIRECTIVES[directive]))
            if directive != "`":
                _style_spans(plain, opening + 1, closing, directive, found)
            position = closing + 1


def _may_open(plain: str, opening: int, start: int, end: int) -> bool:
    is_at_border = opening == start or plain[opening - 1].isspace()
    return is_at_border and opening + 1 < end and not plain[opening + 1].isspace()


def _closing(plain: str, opening: int, end: int) -> int | None:
    closing = plain.find(plain[opening], opening + 1, end)
    while closing > 0 and plain[closing - 1].isspace():
        closing = plain.find(plain[opening], closing + 1, end)
    return closing if closing > 0 else None
