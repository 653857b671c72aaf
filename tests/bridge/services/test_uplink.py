"""What a network keeps through the bridge, for its own gateway domain."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from bridge.calls import CallEnd, CallId, CallRinging, Ending
from bridge.errors import Trouble
from bridge.events import ServerId, ServerNotice, UserId
from bridge.services.uplink import BridgeUplink
from tests.bridge.store.conftest import Desk

ROMEO = UserId("romeo@montague.lit")


def uplink(store, domain: str = "mx.example.org", sharing=None, muc=None, calls=None) -> BridgeUplink:
    """The uplink of a network that has no settings, and delivers only to what is given."""
    return BridgeUplink(
        domain=domain,
        muc=muc,
        calls=calls,
        guests=None,
        photos=None,
        settings=None,
        store=store,
        troubled=lambda words: None,  # type: ignore[arg-type]
        sharing=sharing,
    )


def test_uplink_keeps_what_is_not_done_over_a_restart(tmp_path):
    """What the network took in comes back to that network, and to no other, after a crash."""
    desk = Desk(str(tmp_path / "bridge.sqlite"))
    up = uplink(desk.open())
    first, second = up.keep(b"first"), up.keep(b"second")
    up.done(first)
    assert first < second
    desk.wait(up.durable())
    store = desk.reopen(desk.stores[0])
    assert uplink(store, "irc.example.org").kept() == []
    assert uplink(store).kept() == [(second, b"second")]
    assert uplink(store).kept() == []
    desk.wait(store.stop())


def test_uplink_commits_memory_and_what_is_kept_together(tmp_path):
    """Once it is durable, a restart knows both what came and that it came."""
    desk = Desk(str(tmp_path / "bridge.sqlite"))
    up = uplink(desk.open())
    number = up.keep(b"event")
    up.remember(ROMEO, "seen", b"1")
    desk.wait(up.durable())
    up = uplink(desk.reopen(desk.stores[0]))
    assert (up.kept(), up.memory(ROMEO)) == ([(number, b"event")], {"seen": b"1"})
    desk.wait(desk.stores[1].stop())


def test_uplink_tells_of_whom_anything_is_remembered(tmp_path):
    """Users of this domain; what is the network's own has no owner."""
    desk = Desk(str(tmp_path / "bridge.sqlite"))
    store = desk.open()
    up = uplink(store)
    up.remember(ROMEO, "seen", b"1")
    up.remember(UserId(""), "own", b"1")
    uplink(store, "irc.example.org").remember(UserId("juliet@capulet.lit"), "seen", b"1")
    assert list(up.owners()) == [ROMEO]
    desk.wait(store.stop())


class Sharing:
    """Links and fetches."""

    def link(self, name: str, filename: str) -> str:
        return f"https://f/{name}/{filename}"

    def linked(self, url: str) -> str | None:
        return url.split("/")[3]

    def fetch(self, url: str) -> Deferred:
        return succeed(url)


def test_uplink_links_and_fetches_where_there_is_a_web_server():
    """Without one, files have no links, and none is fetched."""
    shared = uplink(None, sharing=Sharing())
    assert shared.link("id", "rose.png") == "https://f/id/rose.png"
    assert shared.linked("https://f/id/rose.png") == "id"
    assert shared.fetch("https://f").result == "https://f"
    bare = uplink(None)
    assert (bare.link("id", "rose.png"), bare.linked("https://f/id/rose.png")) == ("", None)
    refused: list = []
    bare.fetch("https://f").addErrback(lambda failure: refused.append(failure.value.trouble))
    assert refused == [Trouble.UNSUPPORTED]


class Heard:
    """Keeps what is delivered to it."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def deliver(self, _user: UserId, what: object) -> None:
        self.events.append(what)


def test_what_is_of_calls_goes_where_calls_are():
    """One after the other; all else goes to the rooms, as it came."""
    muc, calls = Heard(), Heard()
    up = uplink(None, muc=muc, calls=calls)
    of_calls = (CallRinging(call=CallId("c")), CallEnd(call=CallId("c"), ending=Ending.BUSY))
    notices = (ServerNotice(server=ServerId(""), text="hello"),)
    up.deliver(ROMEO, of_calls)
    up.deliver(ROMEO, notices)
    up.deliver(ROMEO, ())
    assert calls.events == list(of_calls)
    assert muc.events == [notices, ()]
