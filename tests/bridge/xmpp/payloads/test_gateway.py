"""Address prompts."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.gateway import NS_GATEWAY, build_jid, build_prompt, parse_prompt


def test_prompt_and_address():
    """XEP-0100 §6.3."""
    assert build_prompt("Please", "Address").child_text("prompt") == "Address"
    asked = Element("query", NS_GATEWAY, None, Element("prompt", NS_GATEWAY, None, " #chan "))
    assert parse_prompt(asked) == "#chan"
    assert parse_prompt(Element("query", NS_GATEWAY)) == ""
    assert build_jid("a@b").child_text("jid") == "a@b"
