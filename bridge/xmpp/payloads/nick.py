"""XEP-0172 User Nickname 1.1."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_NICK = "http://jabber.org/protocol/nick"


def build_nick(nick: str) -> Element:
    """Write a nickname."""
    return Element("nick", NS_NICK, None, nick)


def parse_nick(stanza: Element) -> str:
    """Return the nickname that the stanza carries, "" if none."""
    return (stanza.child_text("nick", NS_NICK) or "").strip()
