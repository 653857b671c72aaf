"""XEP-0059 Result Set Management 1.0."""

from __future__ import annotations

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element

NS_RSM = "http://jabber.org/protocol/rsm"


class PageRequest(Struct, frozen=True, kw_only=True):
    """What part of a list is asked for; `before` "" asks for the last page."""

    limit: int | None = None
    after: str | None = None
    before: str | None = None
    index: int | None = None


def parse_page_request(parent: Element) -> PageRequest:
    """Read the ``<set/>`` in `parent`; numbers that are none raise BAD_REQUEST."""
    element = parent.child("set", NS_RSM)
    if element is None:
        return PageRequest()
    return PageRequest(
        limit=_number(element.child_text("max")),
        after=element.child_text("after"),
        before=element.child_text("before"),
        index=_number(element.child_text("index")),
    )


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BridgeError(Trouble.BAD_REQUEST)
    return int(text)


def build_result_set(
    *, first: str | None = None, last: str | None = None, index: int | None = None, count: int | None = None
) -> Element:
    """Write a ``<set/>`` of a result; None leaves a part out."""
    element = Element("set", NS_RSM)
    if first is not None:
        element.add(Element("first", NS_RSM, {"index": None if index is None else str(index)}, first))
    if last is not None:
        element.add(Element("last", NS_RSM, None, last))
    if count is not None:
        element.add(Element("count", NS_RSM, None, str(count)))
    return element
