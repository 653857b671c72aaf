"""XEP-0100 Gateway Interaction 1.0, §6.3: from a foreign address to a JID."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_GATEWAY = "jabber:iq:gateway"


def build_prompt(description: str, prompt: str) -> Element:
    """Write what to ask a user who wants to add somebody."""
    return Element(
        "query",
        NS_GATEWAY,
        None,
        Element("desc", NS_GATEWAY, None, description),
        Element("prompt", NS_GATEWAY, None, prompt),
    )


def parse_prompt(payload: Element) -> str:
    """Return the foreign address that the user gave, "" if none."""
    return (payload.child_text("prompt") or "").strip()


def build_jid(jid: str) -> Element:
    """Write the JID of a foreign address; also as ``<prompt/>``, which older clients read."""
    return Element(
        "query",
        NS_GATEWAY,
        None,
        Element("jid", NS_GATEWAY, None, jid),
        Element("prompt", NS_GATEWAY, None, jid),
    )
