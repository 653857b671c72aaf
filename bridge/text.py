"""Working on `Text`: reading it as runs of one look, writing it piece by piece, cutting it.

Networks and XMPP markup share these, so that both only say what a look is called on their side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.events import Span, Style, Text

MAX_SPANS = 512
"""Spans that `TextBuilder` writes into one text; a peer chooses how many it sends."""

Look = Mapping[Style, str]
"""The styles in force and their values ("" for those that have none)."""


def runs(text: Text) -> Iterator[tuple[int, int, Look]]:
    """Iterate over the stretches of one look as (start, end, look); together they are the whole text.

    Where spans of one style overlap, the later of them in `Text.spans` holds.
    """
    length = len(text.plain)
    if not text.spans:
        if length:
            yield 0, length, {}
        return
    opening: dict[int, list[int]] = {}
    closing: dict[int, list[int]] = {}
    for index, span in enumerate(text.spans):
        start, end = max(span.start, 0), min(span.end, length)
        if start < end:
            opening.setdefault(start, []).append(index)
            closing.setdefault(end, []).append(index)
    active: set[int] = set()
    position = 0
    for border in sorted({*opening, *closing, length}):
        if border > position:
            yield (
                position,
                border,
                {text.spans[index].style: text.spans[index].value for index in sorted(active)},
            )
            position = border
        active.difference_update(closing.get(border, ()))
        active.update(opening.get(border, ()))


def clip(text: Text, start: int, end: int) -> Text:
    """Return the code points `start` to `end`, with what the spans say of them."""
    if not text.spans:
        return Text(plain=text.plain[start:end])
    spans = tuple(
        Span(
            start=max(span.start, start) - start,
            end=min(span.end, end) - start,
            style=span.style,
            value=span.value,
        )
        for span in text.spans
        if span.start < end and span.end > start
    )
    return Text(plain=text.plain[start:end], spans=spans)


def prefixed(prefix: str, text: Text) -> Text:
    """Return the text with unformatted words in front."""
    by = len(prefix)
    spans = tuple(
        Span(start=max(span.start, 0) + by, end=max(span.end, 0) + by, style=span.style, value=span.value)
        for span in text.spans
    )
    return Text(plain=prefix + text.plain, spans=spans)


class TextBuilder:
    """Puts a `Text` together from pieces that each have one look; adjoining equal looks are joined."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._spans: list[Span] = []
        self._open: dict[Style, tuple[int, str]] = {}
        self.length = 0

    def add(self, piece: str, look: Look) -> None:
        """Append `piece`; past `MAX_SPANS` its look is lost, never its words."""
        if not piece:
            return
        for style in [style for style, (_, value) in self._open.items() if look.get(style) != value]:
            self._close(style)
        for style, value in look.items():
            if style not in self._open and len(self._spans) + len(self._open) < MAX_SPANS:
                self._open[style] = self.length, value
        self._pieces.append(piece)
        self.length += len(piece)

    def _close(self, style: Style) -> None:
        start, value = self._open.pop(style)
        self._spans.append(Span(start=start, end=self.length, style=style, value=value))

    def build(self) -> Text:
        """Return the text; spans are in the order of their start, the longer first."""
        for style in list(self._open):
            self._close(style)
        spans = sorted(self._spans, key=lambda span: (span.start, -span.end, span.style.value))
        return Text(plain="".join(self._pieces), spans=tuple(spans))
