"""The table of IRCv3."""

from __future__ import annotations

from bridge.xmpp.ircv3 import IRCV3
from bridge.xmpp.specs import SPECS


def test_each_extension_is_listed_once() -> None:
    """And is a row of the table of all specifications."""
    names = [name for name, _, _ in IRCV3]
    assert len(names) == len(set(names))
    assert {f"IRCv3 {name}" for name in names} <= {spec.id for spec in SPECS}
