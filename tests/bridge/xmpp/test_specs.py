"""The table of specifications, and the features that are made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.router import Target
from bridge.xmpp.specs import (
    SPECS,
    Spec,
    Status,
    features,
)

ROOT = Path(__file__).parents[3]
CITATION = re.compile(r"\b(XEP-\d{4}|RFC \d{4}|IRCv3 [a-z0-9]+(?:[-.][a-z0-9]+)*-[a-z0-9.]*[a-z0-9])")
IDS = {spec.id for spec in SPECS}


def sources() -> list[Path]:
    return [path for folder in ("bridge", "transports") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_every_cited_specification_has_a_row():
    """What the code says it obeys is declared, so that the README tells it."""
    cited = {
        (path.relative_to(ROOT).as_posix(), found)
        for path in sources()
        for found in CITATION.findall(path.read_text())
    }
    assert len(cited) > 50
    assert {(path, found) for path, found in cited if found not in IDS} == set()


def test_rows_are_unique_and_complete():
    """Each specification has one row, with name and version."""
    assert len(IDS) == len(SPECS)
    assert all(spec.name and spec.version for spec in SPECS)
    assert not [spec.id for spec in SPECS if spec.status is Status.BACKGROUND and spec.features]


@pytest.mark.parametrize("target", Target)
def test_features_are_unique_and_sorted(target):
    """XEP-0030 §3.1: no feature twice; an order that does not change."""
    found = features(target.value)
    assert list(found) == sorted(set(found))


def test_features_of_rooms_and_hosts():
    """Everything that answers disco says so; rooms are rooms."""
    for place in ("gateway", "server", "room", "contact"):
        assert "http://jabber.org/protocol/disco#info" in features(place)
    assert "urn:xmpp:occupant-id:0" in features("room")
    assert "jabber:iq:gateway" in features("gateway")
    assert "http://jabber.org/protocol/muc" not in features("contact")


def test_features_that_need_something_are_offered_only_with_it(monkeypatch):
    """A feature that not every network can carry is not claimed for those that cannot."""
    spec = Spec("XEP-0000", "Test", "1", Status.COMPLETE, "", (("urn:test", ("room",)),), "receipts")
    monkeypatch.setattr("bridge.xmpp.specs.SPECS", (spec,))
    assert features("room") == features("gateway", {"receipts"}) == ()
    assert features("room", {"receipts"}) == ("urn:test",)
