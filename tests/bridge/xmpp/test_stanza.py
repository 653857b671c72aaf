"""Error and result replies (RFC 6120 §8)."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import (
    NS_CLIENT,
    NS_COMPONENT,
    NS_SERVER,
    NS_STANZA_ERRORS,
    condition_of,
    error_from,
    error_reply,
    normalise,
    result_reply,
)

ADDRESSED = {"from": "romeo@example.net/x", "to": "#c%irc@gw.test/nick", "id": "1"}
NS_COMMANDS = "http://jabber.org/protocol/commands"
NS_MUC = "http://jabber.org/protocol/muc"


def _error(*children: Element, kind: str = "cancel") -> Element:
    error = Element("error", NS_COMPONENT, {"type": kind}, *children)
    return Element("iq", NS_COMPONENT, {"type": "error"}, error)


def test_refused_message_is_answered_without_its_body():
    """The error goes back, with the legacy code and who says so."""
    message = Element("message", NS_COMPONENT, ADDRESSED, Element("body", NS_COMPONENT, None, "hi"))
    reply = error_reply(message, BridgeError(Trouble.NO_SUCH_NICK, "<gone>"))
    assert reply is not None
    assert reply.to_xml(NS_COMPONENT) == (
        "<message from='#c%irc@gw.test/nick' to='romeo@example.net/x' id='1' type='error'>"
        "<error type='cancel' code='404' by='#c%irc@gw.test'>"
        f"<item-not-found xmlns='{NS_STANZA_ERRORS}'/>"
        f"<text xmlns='{NS_STANZA_ERRORS}' xml:lang='en'>&lt;gone&gt;</text></error></message>"
    )


def test_refused_join_keeps_its_sign_but_not_its_password():
    """XEP-0045 §7.2: clients know a failed join by its <x/>."""
    join = Element("x", NS_MUC, None, Element("password", NS_MUC, None, "secret"))
    reply = error_reply(Element("presence", NS_COMPONENT, ADDRESSED, join), BridgeError(Trouble.BANNED))
    assert reply is not None
    assert reply.children[0] == Element("x", NS_MUC)
    assert [child.name for child in reply.elements()] == ["x", "error"]


def test_refused_command_says_which_execution_failed():
    """Biboumi's users look for the condition in the command."""
    command = Element("command", NS_COMMANDS, {"node": "reload", "sessionid": "1", "action": "execute"})
    reply = error_reply(Element("iq", NS_COMPONENT, ADDRESSED, command), BridgeError(Trouble.FORBIDDEN))
    assert reply is not None
    told = reply.child("command", NS_COMMANDS)
    assert told is not None
    assert told.attributes == {"node": "reload", "sessionid": "1"}
    error = told.child("error", NS_COMMANDS)
    assert error is not None
    assert error.child("forbidden", NS_STANZA_ERRORS) is not None
    assert error_from(reply).trouble is Trouble.FORBIDDEN


@pytest.mark.parametrize(
    ("name", "kind"), [("iq", "error"), ("iq", "result"), ("message", "error"), ("presence", "error"),
                       ("presence", "unavailable")],
)  # fmt: skip
def test_stanza_that_ends_an_exchange_is_never_refused(name: str, kind: str):
    """RFC 6120 §8.3.1: errors are not answered by errors."""
    assert (
        error_reply(Element(name, NS_COMPONENT, {**ADDRESSED, "type": kind}), BridgeError(Trouble.BUSY))
        is None
    )


def test_stanza_from_nobody_is_never_refused():
    """There is no one to tell."""
    assert (
        error_reply(Element("iq", NS_COMPONENT, {"to": "gw.test", "type": "get"}), BridgeError(Trouble.BUSY))
        is None
    )


def test_result_goes_back_with_its_id():
    """RFC 6120 §8.2.3."""
    iq = Element("iq", NS_COMPONENT, {**ADDRESSED, "type": "get"}, Element("ping", "urn:xmpp:ping"))
    assert result_reply(iq, None) == Element(
        "iq", NS_COMPONENT, {"from": ADDRESSED["to"], "to": ADDRESSED["from"], "id": "1", "type": "result"}
    )
    assert result_reply(iq, Element("a", "b")).children == [Element("a", "b")]


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_error_of_ours_is_understood(trouble: Trouble):
    """What we write, we read as a trouble of the same kind, with its text."""
    reply = error_reply(
        Element("iq", NS_COMPONENT, {**ADDRESSED, "type": "get"}), BridgeError(trouble, "words")
    )
    assert reply is not None
    read = error_from(reply)
    assert read.text == "words"
    assert read.trouble.value.type in ("cancel", "modify", "wait", "auth")


def test_error_without_text_gets_words_of_ours():
    """A condition alone is enough."""
    error = error_from(_error(Element("item-not-found", NS_STANZA_ERRORS)))
    assert (error.trouble, error.text) == (Trouble.NOT_FOUND, Trouble.NOT_FOUND.value.text)


@pytest.mark.parametrize("element", [
    Element("iq", NS_COMPONENT, {"type": "error"}),
    _error(),
    _error(Element("text", NS_STANZA_ERRORS, None, " ")),
    _error(Element("item-not-found", "urn:other"), Element("unheard-of", NS_STANZA_ERRORS)),
])  # fmt: skip
def test_error_that_says_nothing_is_a_refusal(element: Element):
    """Whatever a peer sends as an error, it is one."""
    assert error_from(element).trouble is Trouble.REFUSED


@pytest.mark.parametrize("namespace", [NS_CLIENT, NS_SERVER, NS_COMPONENT])
def test_stanza_of_any_edge_has_one_namespace_inside(namespace: str):
    """Its own children are renamed, a forwarded stanza below another namespace is not."""
    forwarded = Element("forwarded", "urn:xmpp:forward:0", None, Element("message", NS_CLIENT))
    stanza = Element("message", namespace, None, Element("body", namespace, None, "x"), forwarded, " ")
    assert normalise(stanza) == Element(
        "message",
        NS_COMPONENT,
        None,
        Element("body", NS_COMPONENT, None, "x"),
        Element("forwarded", "urn:xmpp:forward:0", None, Element("message", NS_CLIENT)),
        " ",
    )


def test_condition_of_an_error_is_found():
    """Beside texts and conditions of applications."""
    words = Element("text", NS_STANZA_ERRORS, None, "no")
    special = Element("stale", "urn:example:conditions")
    assert condition_of(_error(special, words, Element("gone", NS_STANZA_ERRORS))) == "gone"
    assert condition_of(_error(words)) == ""
    assert condition_of(Element("iq", NS_COMPONENT)) == ""


def test_error_names_where_to_go_instead():
    """RFC 6120 §8.3.3.5: the condition holds the new address."""
    presence = Element("presence", NS_COMPONENT, ADDRESSED)
    reply = error_reply(presence, BridgeError(Trouble.MOVED, uri="xmpp:room@conf.example?join"))
    assert reply is not None
    error = reply.child("error", NS_COMPONENT)
    assert error is not None
    assert error.child_text("gone", NS_STANZA_ERRORS) == "xmpp:room@conf.example?join"
