"""Replies to stanzas, and the one place where `<error/>` is written and read (RFC 6120 §8.3)."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element

NS_COMPONENT = "jabber:component:accept"
NS_CLIENT = "jabber:client"
NS_SERVER = "jabber:server"
NS_STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
_NS_MUC = "http://jabber.org/protocol/muc"
_NS_COMMANDS = "http://jabber.org/protocol/commands"

STANZAS = frozenset({"iq", "message", "presence"})
CONTENT_NAMESPACES = frozenset({NS_COMPONENT, NS_CLIENT, NS_SERVER})
"""The namespaces that stanzas have at the edges; inside the bridge it is always `NS_COMPONENT`."""

_NEVER_REFUSED = frozenset({("iq", "result"), ("presence", "unavailable")})
"""Stanzas, besides errors, that no error answers (RFC 6120 §8.3.1, XEP-0045 §7.14)."""

_NEAREST = {
    "bad-request": Trouble.BAD_REQUEST,
    "conflict": Trouble.NICK_IN_USE,
    "feature-not-implemented": Trouble.UNSUPPORTED,
    "forbidden": Trouble.FORBIDDEN,
    "gone": Trouble.NOT_FOUND,
    "internal-server-error": Trouble.FAULTY,
    "item-not-found": Trouble.NOT_FOUND,
    "jid-malformed": Trouble.JID_MALFORMED,
    "not-acceptable": Trouble.NOT_ACCEPTABLE,
    "not-allowed": Trouble.REFUSED,
    "not-authorized": Trouble.LOGIN_FAILED,
    "policy-violation": Trouble.REFUSED,
    "recipient-unavailable": Trouble.UNAVAILABLE,
    "redirect": Trouble.REDIRECTED,
    "registration-required": Trouble.LOGIN_NEEDED,
    "remote-server-not-found": Trouble.UNREACHABLE,
    "remote-server-timeout": Trouble.TIMED_OUT,
    "resource-constraint": Trouble.BUSY,
    "service-unavailable": Trouble.NO_SERVICE,
    "subscription-required": Trouble.FORBIDDEN,
    "undefined-condition": Trouble.REFUSED,
    "unexpected-request": Trouble.NOT_ACCEPTABLE,
}
"""What a peer's error condition (RFC 6120 §8.3.3) means to us."""


class DetailedError(BridgeError):
    """An error with what only its own protocol can say of it (RFC 6120 §8.3.4)."""

    def __init__(self, error: BridgeError, detail: Element) -> None:
        super().__init__(error.trouble, error.text)
        self.detail = detail


def error_reply(element: Element, error: BridgeError) -> Element | None:
    """Build the error that answers a stanza; None where none may (RFC 6120 §8.3.1), or nobody could get it.

    The payload is not repeated, save the sign of a MUC join, which clients look for (XEP-0045 §7.2),
    and which command of whose execution failed (XEP-0050 §4.4).
    """
    kind = element.attributes.get("type", "")
    if kind == "error" or (element.name, kind) in _NEVER_REFUSED or "from" not in element.attributes:
        return None
    reply = _reply(element, "error")
    if element.name == "presence" and element.child("x", _NS_MUC) is not None:
        reply.add(Element("x", _NS_MUC))
    command = element.child("command", _NS_COMMANDS) if element.name == "iq" else None
    if command is not None:
        reply.add(_failed_command(command, error))
    return reply.add(_error(error, element.attributes.get("to", "").partition("/")[0] or None))


def result_reply(iq: Element, payload: Element | None) -> Element:
    """Build the result of an iq; `payload` None is an empty one (RFC 6120 §8.2.3)."""
    reply = _reply(iq, "result")
    return reply if payload is None else reply.add(payload)


def error_from(element: Element) -> BridgeError:
    """Read a stanza of type error; without a text, the nearest trouble's own words stand."""
    error = element.child("error")
    if error is None:
        return BridgeError(Trouble.REFUSED)
    known = (_NEAREST.get(child.name) for child in error.elements() if child.namespace == NS_STANZA_ERRORS)
    trouble = next((trouble for trouble in known if trouble is not None), Trouble.REFUSED)
    return BridgeError(trouble, (error.child_text("text", NS_STANZA_ERRORS) or "").strip())


def condition_of(element: Element) -> str:
    """Return the condition of a stanza of type error (RFC 6120 §8.3.3), "" if it has none."""
    error = element.child("error")
    for child in () if error is None else error.elements():
        if child.namespace == NS_STANZA_ERRORS and child.name != "text":
            return child.name
    return ""


def normalise(element: Element) -> Element:
    """Give a stanza of any edge the namespace that stanzas have inside; changes and returns it."""
    found = element.namespace
    if found != NS_COMPONENT and found in CONTENT_NAMESPACES:
        renamed = [element]
        for parent in renamed:
            parent.namespace = NS_COMPONENT
            renamed.extend(child for child in parent.elements() if child.namespace == found)
    return element


def _reply(element: Element, kind: str) -> Element:
    given = element.attributes
    addressed = {"from": given.get("to"), "to": given.get("from"), "id": given.get("id"), "type": kind}
    return Element(element.name, element.namespace, addressed)


def _failed_command(command: Element, error: BridgeError) -> Element:
    """COMPAT: Biboumi has the error in the command, where its users' scripts look for it."""
    about = {"node": command.get("node"), "sessionid": command.get("sessionid")}
    condition = Element(error.trouble.value.condition, NS_STANZA_ERRORS)
    return Element(
        "command", _NS_COMMANDS, about, Element("error", _NS_COMMANDS, {"type": "cancel"}, condition)
    )


def _error(error: BridgeError, by: str | None) -> Element:
    """RFC 6120 §8.3.2; COMPAT: `code` (XEP-0086) is what scripts written for Biboumi look at."""
    row = error.trouble.value
    written = Element(
        "error",
        NS_COMPONENT,
        {"type": row.type, "code": str(row.code), "by": by},
        Element(row.condition, NS_STANZA_ERRORS, None, *([error.uri] if error.uri else [])),
        Element("text", NS_STANZA_ERRORS, {"xml:lang": "en"}, error.text),
    )
    return written.add(error.detail) if isinstance(error, DetailedError) else written
