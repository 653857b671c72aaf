"""XEP-0313 Message Archive Management 1.1.3; times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import format_time, parse_delay, parse_time
from bridge.xmpp.payloads.forms import (
    Field,
    FieldType,
    Form,
    build_submit,
    find_form,
    parse_form_type,
    parse_values,
)
from bridge.xmpp.payloads.forms import build_form as build_data_form
from bridge.xmpp.payloads.rsm import NS_RSM, PageRequest, build_result_set, parse_page_request
from bridge.xmpp.stanza import CONTENT_NAMESPACES, NS_COMPONENT

NS_MAM = "urn:xmpp:mam:2"
NS_FORWARD = "urn:xmpp:forward:0"

PAGE = 100
"""The most messages in one page."""

_FIELDS = {
    "with": FieldType.JID_SINGLE,
    "start": FieldType.TEXT_SINGLE,
    "end": FieldType.TEXT_SINGLE,
    "before-id": FieldType.TEXT_SINGLE,
    "after-id": FieldType.TEXT_SINGLE,
    "ids": FieldType.LIST_MULTI,
}


class MamQuery(Struct, frozen=True, kw_only=True):
    """What a query asks for; `ids` None asks for no messages in particular."""

    query_id: str | None = None
    with_jid: str | None = None
    start: float | None = None
    end: float | None = None
    before_id: str | None = None
    after_id: str | None = None
    ids: tuple[str, ...] | None = None
    flip: bool = False
    rsm: PageRequest = PageRequest()

    @property
    def limit(self) -> int:
        """How many messages the page may have."""
        return PAGE if self.rsm.limit is None else min(self.rsm.limit, PAGE)

    @property
    def is_last(self) -> bool:
        """Whether the page is the last of what fits rather than the first (XEP-0059 §2.2 and §2.5)."""
        return self.rsm.before is not None


class Archived(Struct, frozen=True, kw_only=True):
    """A message that an archive sent as part of its answer to a query."""

    query_id: str
    id: str
    time: float
    message: Element


def parse_query(query: Element) -> MamQuery:
    """Read a query; BAD_REQUEST for a wrong time or form, UNSUPPORTED for an unknown field."""
    form = find_form(query)
    if form is not None and parse_form_type(form) != NS_MAM:
        raise BridgeError(Trouble.BAD_REQUEST)
    values = parse_values(form)
    if values.keys() - _FIELDS.keys() - {"FORM_TYPE"}:
        raise BridgeError(Trouble.UNSUPPORTED)
    single = {var: texts[0].strip() for var, texts in values.items() if texts and texts[0].strip()}
    return MamQuery(
        query_id=query.get("queryid"),
        with_jid=single.get("with"),
        start=_time(single.get("start")),
        end=_time(single.get("end")),
        before_id=single.get("before-id"),
        after_id=single.get("after-id"),
        ids=_ids(values),
        flip=query.child("flip-page", NS_MAM) is not None,
        rsm=parse_page_request(query),
    )


def _ids(values: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Read which messages are wanted, each once; NOT_ACCEPTABLE for more than a page holds."""
    if "ids" not in values:
        return None
    ids = tuple(dict.fromkeys(text.strip() for text in values["ids"] if text.strip()))
    if len(ids) > PAGE:
        raise BridgeError(Trouble.NOT_ACCEPTABLE)
    return ids


def _time(text: str | None) -> float | None:
    if text is None:
        return None
    seconds = parse_time(text)
    if seconds is None:
        raise BridgeError(Trouble.BAD_REQUEST)
    return seconds


def build_form() -> Element:
    """Write the form that says which fields a query may have (XEP-0313 §4.1.5)."""
    fields = tuple(
        Field(var=var, type=type, datatype="xs:string" if type is FieldType.LIST_MULTI else "")
        for var, type in _FIELDS.items()
    )
    form = build_data_form(Form(fields=fields), form_type=NS_MAM)
    return Element("query", NS_MAM, None, form)


def build_fin(
    ids: Sequence[str],
    *,
    complete: bool,
    total: int | None = None,
    index: int | None = None,
    stable: bool = True,
) -> Element:
    """Write the end of an answer; `ids` are the page's in archive order, `index` the place of the first."""
    if ids:
        page = build_result_set(first=ids[0], last=ids[-1], index=index, count=total)
    else:
        page = build_result_set(count=total)
    attributes = {"complete": "true" if complete else None, "stable": None if stable else "false"}
    return Element("fin", NS_MAM, attributes, page)


def build_metadata(first: tuple[str, float] | None, last: tuple[str, float] | None) -> Element:
    """Write (id, time) of an archive's first and last message; None for an empty archive."""
    metadata = Element("metadata", NS_MAM)
    for name, end in (("start", first), ("end", last)):
        if end is not None:
            metadata.add(Element(name, NS_MAM, {"id": end[0], "timestamp": format_time(end[1])}))
    return metadata


# ---- asking the archives of others


def build_query(query_id: str, *, start: float, after: str | None, limit: int) -> Element:
    """Write a query for what was said from `start` on, behind the message `after` if there is one."""
    page = Element("set", NS_RSM, None, Element("max", NS_RSM, None, str(limit)))
    if after is not None:
        page.add(Element("after", NS_RSM, None, after))
    form = build_submit(NS_MAM, [("start", format_time(start))])
    return Element("query", NS_MAM, {"queryid": query_id}, form, page)


def parse_result(message: Element) -> Archived | None:
    """Read a message with a result; what is inside is as if it came by itself. None if there is none."""
    result = message.child("result", NS_MAM)
    forwarded = None if result is None else result.child("forwarded", NS_FORWARD)
    if result is None or forwarded is None:
        return None
    messages = (one for one in forwarded.elements() if one.name == "message")
    inner, time = next(messages, None), parse_delay(forwarded)
    if inner is None or inner.namespace not in CONTENT_NAMESPACES or time is None or not result.get("id"):
        return None
    children = (
        Element(one.name, NS_COMPONENT, one.attributes, *one.children)
        if isinstance(one, Element) and one.namespace == inner.namespace
        else one
        for one in inner.children
    )
    said = Element("message", NS_COMPONENT, inner.attributes, *children)
    return Archived(query_id=result.get("queryid") or "", id=result.attributes["id"], time=time, message=said)


def parse_fin(answer: Element) -> tuple[bool, str]:
    """Read how an answer ends: whether nothing is left, and its last message, "" if it had none."""
    fin = answer.child("fin", NS_MAM)
    page = None if fin is None else fin.child("set", NS_RSM)
    last = "" if page is None else page.child_text("last") or ""
    return fin is None or fin.get("complete") in ("true", "1"), last
