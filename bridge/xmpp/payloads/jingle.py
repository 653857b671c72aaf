"""XEP-0166 Jingle 1.1.2: sessions, why they end, and what can be wrong with a request about one.

What the contents of a session consist of is read by `jingle_rtp` and `jingle_ice`.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import DetailedError

NS_JINGLE = "urn:xmpp:jingle:1"
NS_ERRORS = "urn:xmpp:jingle:errors:1"

INITIATOR, RESPONDER = "initiator", "responder"
"""Who made a content, and who sends in it (XEP-0166 §7.3)."""

MAX_CONTENTS = 16
"""Contents of one request."""
MAX_PAYLOADS = 16
"""Other children of one request."""
MAX_SID = 256
"""Characters of a session's id."""
MAX_NAME = 256
"""Characters of a content's name."""
MAX_REASON = 1024
"""Characters read of the words of a reason."""


class Action(Enum):
    """XEP-0166 §7.2."""

    CONTENT_ACCEPT = "content-accept"
    CONTENT_ADD = "content-add"
    CONTENT_MODIFY = "content-modify"
    CONTENT_REJECT = "content-reject"
    CONTENT_REMOVE = "content-remove"
    DESCRIPTION_INFO = "description-info"
    SECURITY_INFO = "security-info"
    SESSION_ACCEPT = "session-accept"
    SESSION_INFO = "session-info"
    SESSION_INITIATE = "session-initiate"
    SESSION_TERMINATE = "session-terminate"
    TRANSPORT_ACCEPT = "transport-accept"
    TRANSPORT_INFO = "transport-info"
    TRANSPORT_REJECT = "transport-reject"
    TRANSPORT_REPLACE = "transport-replace"


class Reason(Struct, frozen=True):
    """Why something is done; `alternative` is the session that is preferred (XEP-0166 §7.4).

    `detail` is what only the reason's own protocol can say of it.
    """

    ending: Ending
    text: str = ""
    alternative: str = ""
    detail: Element | None = None


class Jingle(Struct, frozen=True, kw_only=True):
    """One request; `contents` are its ``<content/>``s, `payloads` all other children.

    `initiator` and `responder` are JIDs as they were said, "" if they were not.
    """

    action: Action
    sid: str
    initiator: str = ""
    responder: str = ""
    contents: tuple[Element, ...] = ()
    reason: Reason | None = None
    payloads: tuple[Element, ...] = ()


class Unacceptable(BridgeError):
    """A description that can be read but not be had: `ending` is why its session has to end."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(Trouble.NOT_ACCEPTABLE)
        self.ending = ending


def parse_jingle(element: Element) -> Jingle:
    """Read a request; BAD_REQUEST if it is malformed or says more than anybody needs."""
    action, sid = element.get("action"), element.get("sid") or ""
    contents = tuple(element.all("content"))
    others = tuple(child for child in element.elements() if child.name not in ("content", "reason"))
    if action not in _ACTIONS or not is_line(sid, MAX_SID):
        raise BridgeError(Trouble.BAD_REQUEST)
    if len(contents) > MAX_CONTENTS or len(others) > MAX_PAYLOADS:
        raise BridgeError(Trouble.BAD_REQUEST)
    for content in contents:
        if not is_line(name_of(content), MAX_NAME) or creator_of(content) not in (INITIATOR, RESPONDER):
            raise BridgeError(Trouble.BAD_REQUEST)
    return Jingle(
        action=_ACTIONS[action],
        sid=sid,
        initiator=element.get("initiator") or "",
        responder=element.get("responder") or "",
        contents=contents,
        reason=parse_reason(element),
        payloads=others,
    )


def build_jingle(request: Jingle) -> Element:
    """Write a request."""
    element = Element(
        "jingle",
        NS_JINGLE,
        {
            "action": request.action.value,
            "sid": request.sid,
            "initiator": request.initiator or None,
            "responder": request.responder or None,
        },
        *request.payloads,
        *request.contents,
    )
    return element if request.reason is None else element.add(build_reason(request.reason))


def name_of(content: Element) -> str:
    """Return the name of a content."""
    return content.get("name") or ""


def creator_of(content: Element) -> str:
    """Return who made a content; the initiator if that is not said (XEP-0166 §7.3)."""
    return content.get("creator") or INITIATOR


def build_content(creator: str, name: str, *children: Element, senders: str | None = None) -> Element:
    """Write a content, or only which one is meant."""
    return Element("content", NS_JINGLE, {"creator": creator, "name": name, "senders": senders}, *children)


# ---- reasons


def parse_reason(parent: Element) -> Reason | None:
    """Return the reason in a request or message, None if there is none; an unknown one is a general error."""
    element = parent.child("reason", NS_JINGLE)
    if element is None:
        return None
    text = (element.child_text("text") or "").strip()[:MAX_REASON]
    detail = next((child for child in element.elements() if child.namespace != NS_JINGLE), None)
    named = (child for child in element.elements() if child.namespace == NS_JINGLE and child.name != "text")
    condition = next(named, None)
    if condition is None or condition.name not in _ENDINGS:
        return Reason(Ending.GENERAL, text, detail=detail)
    alternative = (condition.child_text("sid") or "").strip()[:MAX_SID]
    return Reason(_ENDINGS[condition.name], text, alternative, detail)


def build_reason(reason: Reason) -> Element:
    """Write a reason."""
    condition = Element(reason.ending.value, NS_JINGLE)
    if reason.alternative:
        condition.add(Element("sid", NS_JINGLE, None, reason.alternative))
    element = Element("reason", NS_JINGLE, None, condition)
    if reason.detail is not None:
        element.add(reason.detail)
    return element.add(Element("text", NS_JINGLE, None, reason.text)) if reason.text else element


# ---- errors


class Condition(Enum):
    """What is wrong with a request, and the error that it comes with (XEP-0166 §10)."""

    OUT_OF_ORDER = "out-of-order"
    TIE_BREAK = "tie-break"
    UNKNOWN_SESSION = "unknown-session"
    UNSUPPORTED_INFO = "unsupported-info"


_TROUBLES = {
    Condition.OUT_OF_ORDER: Trouble.OUT_OF_ORDER,
    Condition.TIE_BREAK: Trouble.CONFLICT,
    Condition.UNKNOWN_SESSION: Trouble.NOT_FOUND,
    Condition.UNSUPPORTED_INFO: Trouble.UNSUPPORTED,
}


def jingle_error(condition: Condition) -> DetailedError:
    """Return the error that answers a request."""
    return DetailedError(BridgeError(_TROUBLES[condition]), Element(condition.value, NS_ERRORS))


def condition_of(stanza: Element) -> Condition | None:
    """Return what a stanza of type error says was wrong with our request; None if nothing of Jingle's."""
    error = stanza.child("error")
    for child in () if error is None else error.elements():
        if child.namespace == NS_ERRORS and child.name in _CONDITIONS:
            return _CONDITIONS[child.name]
    return None


# ---- what readers of its parts share


def is_line(text: str, most: int) -> bool:
    """Tell whether this is one to `most` characters in one line, none of them invisible."""
    return 0 < len(text) <= most and text.isprintable()


def read_number(text: str | None, most: int) -> int | None:
    """Return a number from 0 to `most`, None if it is none."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= most else None


_ACTIONS = {action.value: action for action in Action}
_ENDINGS = {ending.value: ending for ending in Ending}
_CONDITIONS = {condition.value: condition for condition in Condition}
