"""Last activity."""

from __future__ import annotations

from bridge.xmpp.payloads.last import build_last


def test_last_activity_is_whole_seconds():
    """XEP-0012 §3: no fractions, nothing negative, an optional status."""
    assert build_last(9.9).attributes == {"seconds": "9"}
    assert build_last(-1, "gone").to_xml().endswith("seconds='0'>gone</query>")
