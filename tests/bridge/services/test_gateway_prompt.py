"""Address prompts."""

from __future__ import annotations

import pytest

from bridge.services.gateway_prompt import GatewayPrompt
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.gateway import NS_GATEWAY
from tests.bridge.services.scene import DOMAIN, ROOM, Scene, condition


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    return scene.add(GatewayPrompt(DOMAIN, scene.network))


def prompt(text: str) -> Element:
    return Element("query", NS_GATEWAY, None, Element("prompt", NS_GATEWAY, None, text))


def test_foreign_address_becomes_a_jid(scene):
    """XEP-0100 §6.3: prompt, then the escaped JID."""
    assert scene.get(DOMAIN, Element("query", NS_GATEWAY)).child_text("prompt") == "Address"
    answer = scene.iq("set", DOMAIN, prompt("#a/b%irc.example"))
    assert next(answer.elements()).child_text("jid") == f"#a\\2fb%irc.example@{DOMAIN}"
    answer = scene.iq("set", DOMAIN, prompt("link:#a%irc.example"))
    assert next(answer.elements()).child_text("jid") == f"#a%irc.example@{DOMAIN}"
    answer = scene.iq("set", DOMAIN, prompt(ROOM))
    assert next(answer.elements()).child_text("jid") == ROOM


@pytest.mark.parametrize("text", ["two words", "a" * 2000])
def test_what_is_no_address_is_refused(scene, text):
    """The network decides what an address is."""
    assert condition(scene.iq("set", DOMAIN, prompt(text))) == ("modify", "not-acceptable")
