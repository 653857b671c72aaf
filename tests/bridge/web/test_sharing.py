"""What the bridge does with the files of a gateway."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from twisted.internet.defer import Deferred

from bridge.config import WebConfig
from bridge.config.values import HostPort
from bridge.errors import Trouble
from bridge.events import UserId
from bridge.web.sharing import SLOT_TIME, Sharing, TooLarge, Web
from tests.bridge.web.streams import Resolving, Shelf, ask

ROMEO = UserId("romeo@example")
DATA = b"0123456789"


class Stage:
    """The files of one gateway, on a web server."""

    def __init__(self, **options) -> None:
        self.now = 1_800_000_000.0
        self.reactor = Resolving(inside=["10.0.0.1"])
        config = WebConfig(url="http://files.example/", **{"max_file": 2000, "daily_quota": 3000, **options})
        self.web = Web(config, self.reactor, b"key", lambda: self.now)
        self.web.server.start()
        self.shelf = Shelf()
        self.sharing: Sharing = self.web.share("mx.example", self.shelf)

    def slot(self, size: int = len(DATA), kind: str = "image/png"):
        found: list = []
        asked = Deferred.fromCoroutine(self.sharing.slot(ROMEO, "rose.png", size, kind))
        asked.addCallbacks(found.append, lambda failure: found.append(failure.value))
        return found[0]


def test_slot_takes_a_file_that_its_link_leads_to():
    """What is put is in the network's store, and the link is known to be ours."""
    stage = Stage()
    slot = stage.slot()
    path = urlsplit(slot.put).path
    put = ask(stage.reactor, "PUT", path, DATA, authorization=slot.authorization)
    assert put.status == 201
    [(user, name, _, data)] = stage.shelf.stored
    assert (user, data) == (ROMEO, DATA)
    assert stage.sharing.linked(slot.get) == name
    stage.shelf.put(name, data)
    assert ask(stage.reactor, "GET", urlsplit(slot.get).path).body == DATA
    stage.now += SLOT_TIME + 2
    assert ask(stage.reactor, "PUT", path, DATA, authorization=slot.authorization).status == 403


def test_smaller_limit_counts():
    """The operator's, or the network's once it is known."""
    stage = Stage()
    assert stage.sharing.max_size == 2000
    stage.shelf.max_size = 1000
    assert stage.sharing.max_size == 1000
    refused = stage.slot(1001)
    assert isinstance(refused, TooLarge) and refused.limit == 1000
    stage.shelf.max_size = 9000
    assert stage.sharing.max_size == 2000


@pytest.mark.parametrize(
    ("kind", "trouble"), [("video/mp4", Trouble.NOT_ACCEPTABLE), ("", Trouble.NOT_ACCEPTABLE)]
)
def test_type_that_is_not_taken_gets_no_slot(kind: str, trouble: Trouble):
    """What does not say what it is may be anything."""
    stage = Stage(types=("image/*",))
    assert stage.slot(kind=kind).trouble is trouble
    assert stage.slot(kind="image/png").put


def test_quota_is_per_day_and_only_for_slots_that_were_given():
    """Above it is refused; what the network could not give is not counted."""
    stage = Stage()
    stage.shelf.trouble = Trouble.BUSY
    assert stage.slot(2000).trouble is Trouble.BUSY
    stage.shelf.trouble = None
    assert stage.slot(2000).put
    assert stage.slot(1001).trouble is Trouble.TOO_MANY
    assert stage.sharing.renewed > stage.now
    stage.now = stage.sharing.renewed
    assert stage.slot(1001).put


def test_operator_s_exceptions_hold_for_fetching():
    """They are those of the configuration."""
    stage = Stage(fetch_allowed=(HostPort("inside.lan:8080"),), fetch_ports=(80,))
    stage.sharing.fetch("http://inside.lan:8080/x").addErrback(lambda _: None)
    assert stage.reactor.tcpClients[-1][:2] == ("10.0.0.1", 8080)
    refused: list = []
    stage.sharing.fetch("http://inside.lan/x").addErrback(
        lambda failure: refused.append(failure.value.trouble)
    )
    assert refused == [Trouble.NOT_ALLOWED]


def test_link_of_another_gateway_is_fetched_like_any_other():
    """Each gateway knows its own."""
    stage = Stage()
    other = stage.web.share("other.example", Shelf())
    url = other.link("server/id", "rose.png")
    assert stage.sharing.linked(url) is None
    assert other.linked(url) == "server/id"
