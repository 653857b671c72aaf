"""Cards."""

from __future__ import annotations

from bridge.xmpp.payloads.vcard import build_vcard


def test_card_leaves_out_what_is_empty():
    """XEP-0054."""
    assert [child.name for child in build_vcard([("FN", "Romeo"), ("DESC", "")]).elements()] == ["FN"]
