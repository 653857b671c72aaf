"""Moderated retraction."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    moderation,
    occupant_id,
    retract,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_moderation_request_is_read():
    """XEP-0425 §4: a message's id, and a reason."""
    wish = Element("moderate", moderation.NS_MODERATION, {"id": "a"}, retract.build_retract("x"))
    wish.add(Element("reason", moderation.NS_MODERATION, None, "rude"))
    assert moderation.parse_moderate(wish) == moderation.Moderation("a", "rude")
    told = moderation.build_moderated_retract("a", "room@gw/Op", "rude", occupant_id.build_occupant_id("o"))
    assert told.child("moderated", moderation.NS_MODERATION).get("by") == "room@gw/Op"
    assert told.child_text("reason") == "rude"


@pytest.mark.parametrize(
    ("attributes", "trouble"), [({}, Trouble.BAD_REQUEST), ({"id": "a"}, Trouble.UNSUPPORTED)]
)
def test_moderation_that_is_no_retraction_is_refused(attributes, trouble):
    """Without an id it is malformed, without a retraction it is another kind of moderation."""
    with pytest.raises(BridgeError) as caught:
        moderation.parse_moderate(Element("moderate", moderation.NS_MODERATION, attributes))
    assert caught.value.trouble is trouble


def test_moderation_is_asked_for_as_it_is_read():
    """XEP-0425 §4."""
    for wish in (moderation.Moderation("a", "rude"), moderation.Moderation("a")):
        assert moderation.parse_moderate(moderation.build_moderate(wish)) == wish


def test_moderation_names_the_moderator():
    """XEP-0425 §5; a retraction by the author does not."""
    told = moderation.build_moderated_retract("a", "room@gw/Op", "rude")
    found = moderation.parse_moderated(message(told))
    assert (found.by, found.reason) == ("room@gw/Op", "rude")
    assert moderation.parse_moderated(message(retract.build_retract("a"))) is None
    assert moderation.parse_moderated(message()) is None
