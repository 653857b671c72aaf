"""The wiring: from a configuration to gateways that start, reload and stop."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock

from bridge.app import BridgeService
from bridge.config import Config, ConfigError, parse
from bridge.errors import BridgeError, Trouble
from bridge.gateway import CONGESTED_BYTES, Gateway
from bridge.store import StoreError
from bridge.xmpp.element import Element

NOW = 1_790_000_000.0
TEXT = """
[gateways."irc.example.org"]
network = "irc"
name = "Relay"
component.secret = "x"
[gateways."net.example.org"]
network = "irc"
component.secret = "x"
irc.fixed_server = "irc.example.net"
"""


class Reactor(MemoryReactorClock):
    """Time stands still unless advanced; what the store's thread reports is done by `wait`."""

    def __init__(self) -> None:
        super().__init__()
        self._reports: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()

    def callFromThread(self, function: Callable[..., object], *args: Any) -> None:
        self._reports.put((function, args))

    def wait(self, deferred: Deferred[Any]) -> Any:
        found: list[Any] = []
        deferred.addBoth(found.append)
        while not found:
            function, args = self._reports.get(timeout=10)
            function(*args)
            self.advance(0)
        return found[0]


def config(tmp_path: Path, text: str = TEXT) -> Config:
    return parse(f'store.url = "{tmp_path}/x.sqlite"\n{text}', tmp_path / "x.toml", {})


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def bridge(tmp_path: Path, reactor: Reactor) -> Iterator[BridgeService]:
    bridge = BridgeService(config(tmp_path), reactor, lambda: NOW)
    bridge.startService()
    assert reactor.wait(bridge.ready) is None
    yield bridge
    if bridge.running:
        reactor.wait(bridge.stopService())


def gateway(bridge: BridgeService, domain: str = "irc.example.org") -> Gateway:
    return bridge.gateways[domain]


def sent(one: Gateway, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    out: list[bytes] = []
    monkeypatch.setattr(one.link, "write", lambda stanzas, _domain: out.append(stanzas))
    return out


def iq(kind: str, payload: Element, sender: str = "a@example.org/x") -> Element:
    attributes = {"type": kind, "id": "1", "from": sender, "to": "irc.example.org"}
    return Element("iq", "jabber:component:accept", attributes, payload)


PING = Element("ping", "urn:xmpp:ping")
INFO = Element("query", "http://jabber.org/protocol/disco#info")


def test_gateways_answer_each_for_its_domain(bridge: BridgeService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name that the operator gave it."""
    out = sent(gateway(bridge), monkeypatch)
    gateway(bridge).receive(iq("get", INFO))
    assert b"Relay" in out[0] and b"urn:xmpp:ping" in out[0]
    assert set(bridge.gateways) == {"irc.example.org", "net.example.org"}


def test_status_counts_the_gateways_that_are_connected(bridge: BridgeService) -> None:
    """It is told whenever that changes."""
    told: list[str] = []
    bridge.on_status = told.append
    gateway(bridge).link_up()
    gateway(bridge).link_down()
    assert [text.split(" gateways")[0] for text in told] == ["1 of 2", "0 of 2"]


def test_reload_puts_rules_and_contacts_in_force(
    bridge: BridgeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restart."""
    rules = 'deny = ["bad.example"]\ncontacts.abuse = ["mailto:abuse@example.org"]\n'
    bridge.reload(config(tmp_path, rules + TEXT))
    out = sent(gateway(bridge), monkeypatch)
    gateway(bridge).receive(iq("get", PING, "a@bad.example/x"))
    gateway(bridge).receive(iq("get", INFO))
    assert b"forbidden" in out[0] and b"mailto:abuse@example.org" in out[1]


def test_flood_of_one_user_is_answered_with_errors(
    bridge: BridgeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user is not concerned, and presence always passes: a lost one would leave a ghost."""
    bridge.reload(config(tmp_path, "limits = { stanza_burst = 2, stanzas_per_second = 1 }\n" + TEXT))
    one, out = gateway(bridge), sent(gateway(bridge), monkeypatch)
    for _ in range(3):
        one.receive(iq("get", PING))
    one.receive(iq("get", PING, "b@example.org/x"))
    assert [b"resource-constraint" in stanza for stanza in out] == [False, False, True, False]
    probe = {"type": "probe", "from": "a@example.org", "to": "irc.example.org"}
    one.receive(Element("presence", "jabber:component:accept", probe))
    assert b"resource-constraint" not in out[4]


def test_administrator_who_reloads_a_bad_file_is_told(bridge: BridgeService) -> None:
    """The ad-hoc command answers with the list."""

    def refuse() -> None:
        raise ConfigError([])

    bridge.reread = refuse
    failures: list[Any] = []
    bridge.reread_for_admin().addErrback(failures.append)
    assert isinstance(failures[0].value, BridgeError)
    assert failures[0].value.trouble is Trouble.NOT_ACCEPTABLE


def test_occupant_ids_are_the_same_after_a_restart(
    bridge: BridgeService, reactor: Reactor, tmp_path: Path
) -> None:
    """And differ between gateways."""
    keys = [bridge.store.memory(domain, "") for domain in bridge.gateways]
    assert len({value for key in keys for value in key.values()}) == 2
    before = dict(keys[0])
    reactor.wait(bridge.stopService())
    again = BridgeService(config(tmp_path), reactor, lambda: NOW)
    again.startService()
    reactor.wait(again.ready)
    assert dict(again.store.memory("irc.example.org", "")) == before
    reactor.wait(again.stopService())


def test_store_that_cannot_be_opened_fails_the_start(tmp_path: Path, reactor: Reactor) -> None:
    """And stopping is possible all the same."""
    bridge = BridgeService(config(tmp_path / "none"), reactor, lambda: NOW)
    bridge.startService()
    failure = reactor.wait(bridge.ready)
    assert failure.check(StoreError)
    reactor.wait(bridge.stopService())


def test_stop_during_the_start_opens_nothing(tmp_path: Path, reactor: Reactor) -> None:
    """SIGTERM may come while the store is being migrated."""
    bridge = BridgeService(config(tmp_path), reactor, lambda: NOW)
    bridge.startService()
    stopped = bridge.stopService()
    reactor.wait(stopped)
    assert bridge.gateways == {}


def test_messages_archived_long_enough_are_forgotten(
    bridge: BridgeService, reactor: Reactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every ten minutes all of those are removed in slices, if the operator wants that."""
    pruned: list[int] = []

    def prune(before: int, limit: int) -> Deferred[int]:
        pruned.append(before)
        return succeed(limit if len(pruned) == 1 else 0)

    monkeypatch.setattr(bridge.store, "prune", prune)
    reactor.advance(600)
    assert pruned == []
    bridge.reload(config(tmp_path, "store.archive_days = 2\n" + TEXT))
    reactor.advance(600)
    assert pruned == 2 * [int((NOW - 2 * 86_400) * 1_000_000)]


def test_full_store_holds_both_sides_back_until_there_is_room(
    bridge: BridgeService, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be kept is not read: nothing is dropped, and it goes on by itself."""
    done: list[str] = []
    gateway = next(iter(bridge.gateways.values()))
    for name, side in (("network", gateway.network), ("link", gateway.link)):
        monkeypatch.setattr(side, "pause", lambda name=name: done.append(f"{name} pauses"))
        monkeypatch.setattr(side, "resume", lambda name=name: done.append(f"{name} goes on"))
    monkeypatch.setattr(type(bridge.store), "is_full", True)
    reactor.advance(1)
    reactor.advance(1)
    assert done == ["network pauses", "link pauses"]
    monkeypatch.setattr(type(bridge.store), "is_full", False)
    reactor.advance(1)
    assert done[2:] == ["network goes on", "link goes on"]


# ---- gateways that other servers reach directly

FEDERATED = """
[federation]
[gateways."irc.example.org"]
network = "irc"
federated = true
[gateways."both.example.org"]
network = "irc"
federated = true
component.secret = "x"
"""


class Servers:
    """All other servers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []
        self.held: list[bool] = []

    def send(self, local: str, domain: str, stanzas: bytes) -> None:
        self.sent.append((local, domain, stanzas))

    def pause(self) -> None:
        self.held.append(True)

    def resume(self) -> None:
        self.held.append(False)


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def federated(tmp_path: Path, reactor: Reactor, servers: Servers) -> Iterator[BridgeService]:
    bridge = BridgeService(config(tmp_path, FEDERATED), reactor, lambda: NOW)
    bridge.startService()
    reactor.wait(bridge.ready)
    bridge.exchange.remote = servers
    yield bridge
    reactor.wait(bridge.stopService())


def test_federated_gateway_answers_other_servers(
    federated: BridgeService, servers: Servers, reactor: Reactor
) -> None:
    """It is up as soon as the bridge is, and needs no XMPP server of its own."""
    assert gateway(federated).is_up and gateway(federated).link is None
    federated.exchange.arrive(iq("get", PING, "romeo@montague.example/x"))
    assert servers.sent == []
    reactor.advance(0)
    ((local, domain, answer),) = servers.sent
    assert (local, domain) == ("irc.example.org", "montague.example")
    assert b"type='result'" in answer


def test_gateway_with_two_ways_takes_that_of_the_receiver(
    federated: BridgeService, servers: Servers, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server's users are reached through it; the others directly, whichever way they came."""
    both = gateway(federated, "both.example.org")
    by_server = sent(both, monkeypatch)
    for sender in ("a@example.org/x", "a@muc.example.org/x", "romeo@montague.example/x"):
        asked = iq("get", PING, sender)
        asked.attributes["to"] = "both.example.org"
        both.receive(asked)
    assert len(by_server) == 2
    assert [domain for _, domain, _ in servers.sent] == ["montague.example"]


def test_gateways_of_one_bridge_reach_each_other(
    federated: BridgeService, servers: Servers, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without leaving the process, though one is a component as well."""
    by_server = sent(gateway(federated, "both.example.org"), monkeypatch)
    answers: list[Element] = []
    monkeypatch.setattr(gateway(federated).router, "receive", answers.append)
    asked = iq("get", PING, "irc.example.org")
    asked.attributes["to"] = "both.example.org"
    federated.exchange.submit(asked)
    reactor.advance(0)
    reactor.advance(0)
    assert [(one.get("from"), one.get("type")) for one in answers] == [("both.example.org", "result")]
    assert servers.sent == by_server == []


def test_status_tells_federated_gateways_apart(federated: BridgeService) -> None:
    """They wait for nobody."""
    assert federated.status() == "0 of 1 gateways connected to their XMPP servers, 1 gateways federated"
    gateway(federated, "both.example.org").link_up()
    assert federated.status().startswith("1 of 1 gateways")


def test_full_store_holds_other_servers_back(
    federated: BridgeService, servers: Servers, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they send meanwhile stays with them."""
    for is_full in (True, True, False, False):
        monkeypatch.setattr(type(federated.store), "is_full", is_full)
        reactor.advance(1)
    assert servers.held == [True, False]


def test_slow_xmpp_server_holds_its_gateway_back(
    bridge: BridgeService, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is not read until the server has taken what waits for it."""
    one, held = gateway(bridge), list[str]()
    monkeypatch.setattr(one.network, "pause", lambda: held.append("pause"))
    monkeypatch.setattr(one.network, "resume", lambda: held.append("resume"))
    one.link_up()
    assert one.link is not None
    for queued in (CONGESTED_BYTES + 1, 0):
        one.link.queued_bytes = queued
        reactor.advance(1)
    assert held == ["pause", "resume"]


def test_gateway_that_stopped_is_served_no_more(tmp_path: Path, reactor: Reactor, servers: Servers) -> None:
    """What still comes for it is not taken for another server's."""
    bridge = BridgeService(config(tmp_path, FEDERATED), reactor, lambda: NOW)
    bridge.startService()
    reactor.wait(bridge.ready)
    bridge.exchange.remote = servers
    assert bridge.exchange.domains() == {"irc.example.org", "both.example.org"}
    reactor.wait(bridge.stopService())
    assert bridge.exchange.domains() == frozenset()


# ---- hosted components

HOSTING = """
[components]
listen = ["127.0.0.1:5348"]
[components.domains."sip.example.org"]
secret = "s"
[gateways."irc.example.org"]
network = "irc"
component.secret = "x"
"""


@pytest.fixture
def hosting(tmp_path: Path, reactor: Reactor) -> Iterator[BridgeService]:
    bridge = BridgeService(config(tmp_path, HOSTING), reactor, lambda: NOW)
    bridge.startService()
    reactor.wait(bridge.ready)
    yield bridge
    reactor.wait(bridge.stopService())


class Component:
    """A component of the bridge's, as the exchange knows it."""

    def __init__(self) -> None:
        self.got: list[Element] = []

    def receive(self, stanza: Element) -> None:
        self.got.append(stanza)


def test_hosted_component_and_gateway_talk_within_the_process(
    hosting: BridgeService, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The XMPP server that the gateway is a component of sees nothing of it."""
    by_server, component = sent(gateway(hosting), monkeypatch), Component()
    hosting.exchange.attach("sip.example.org", component)
    hosting.exchange.submit(iq("get", PING, "1@sip.example.org/x"))
    reactor.advance(0)
    assert [(one.get("type"), one.get("to")) for one in component.got] == [("result", "1@sip.example.org/x")]
    assert by_server == []
    gateway(hosting).receive(iq("get", PING, "a@example.org/x"))
    assert len(by_server) == 1


def test_components_are_listened_for_until_the_bridge_stops(
    tmp_path: Path, hosting: BridgeService, reactor: Reactor
) -> None:
    """Their domains are ours from the start, and change with the configuration."""
    assert [server[0] for server in reactor.tcpServers] == [5348]
    assert hosting.exchange.serves("sip.example.org")
    hosting.reload(config(tmp_path, HOSTING.replace("sip.", "matrix.")))
    assert not hosting.exchange.serves("sip.example.org") and hosting.exchange.serves("matrix.example.org")


def test_full_store_holds_components_back(
    hosting: BridgeService, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait, like everybody."""
    held: list[bool] = []
    assert hosting.host is not None
    monkeypatch.setattr(hosting.host, "hold", held.append)
    for is_full in (True, True, False, False):
        monkeypatch.setattr(type(hosting.store), "is_full", is_full)
        reactor.advance(1)
    assert held == [True, False]


def test_status_names_the_network_that_is_broken(bridge: BridgeService) -> None:
    """Until it is not any more."""
    told: list[str] = []
    bridge.on_status = told.append
    gateway(bridge).troubled("the far side is away")
    gateway(bridge).troubled("")
    assert told[0] == "0 of 2 gateways connected to their XMPP servers; irc.example.org: the far side is away"
    assert told[1] == "0 of 2 gateways connected to their XMPP servers"
