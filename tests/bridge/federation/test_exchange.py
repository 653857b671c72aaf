"""Stanzas between our domains, and between them and other servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.federation.exchange import ADDRESSES, INBOX, Exchange, Inbox
from bridge.xmpp.element import Element
from bridge.xmpp.split import parse_stanza, split_stanzas
from bridge.xmpp.stanza import NS_COMPONENT, error_from

GATEWAY, COMPONENT, ABSENT = "irc.example.org", "sip.example.org", "gone.example.org"
ROMEO = "romeo@montague.example/garden"


class Served:
    """A destination that keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[Element] = []

    def receive(self, stanza: Element) -> None:
        self.got.append(stanza)


class Servers:
    """All other servers; those of domains in `lost` cannot be reached."""

    def __init__(self, exchange: Exchange) -> None:
        self.sent: list[tuple[str, str, list[Element]]] = []
        self.lost: dict[str, Trouble] = {}
        self.calls: list[str] = []
        self._exchange = exchange

    def send(self, local: str, domain: str, stanzas: bytes) -> None:
        if domain in self.lost:
            self._exchange.bounce(stanzas, BridgeError(self.lost[domain]))
        else:
            self.sent.append((local, domain, [parse_stanza(stanza) for stanza in split_stanzas(stanzas)]))

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")


class Scene:
    """An exchange with a gateway, a component, an absent one, and other servers unless `alone`."""

    def __init__(self, *, alone: bool = False) -> None:
        self.exchange = Exchange()
        self.servers = Servers(self.exchange)
        if not alone:
            self.exchange.remote = self.servers
        self.gateway, self.component = Served(), Served()
        self.exchange.attach(GATEWAY, self.gateway)
        self.exchange.attach(COMPONENT, self.component)
        self.exchange.reserve([COMPONENT, ABSENT])


@pytest.fixture
def scene() -> Scene:
    return Scene()


def message(sender: str | None, to: str | None, type: str = "chat", name: str = "message") -> Element:
    body = Element("body", NS_COMPONENT, None, "Hist!")
    return Element(name, NS_COMPONENT, {"from": sender, "to": to, "id": "m1", "type": type}, body)


def written(*stanzas: Element) -> bytes:
    return "".join(stanza.to_xml(NS_COMPONENT) for stanza in stanzas).encode()


def trouble(stanza: Element) -> tuple[str | None, str]:
    """Return type and condition of an error."""
    error = stanza.child("error")
    assert error is not None
    return error.get("type"), next(error.elements()).name


# ---- between our domains


def test_component_reaches_a_gateway_within_the_process(scene: Scene) -> None:
    """And the gateway, whose stanzas are written as bytes, reaches the component."""
    said = message(f"a@{COMPONENT}/x", f"#verona%memory@{GATEWAY}")
    scene.exchange.submit(said)
    assert scene.gateway.got == [said]
    answers = [message(f"#verona%memory@{GATEWAY}/n", f"a@{COMPONENT}/x") for _ in range(3)]
    scene.exchange.write(GATEWAY, written(*answers), COMPONENT)
    assert scene.component.got == answers
    assert scene.servers.sent == []


@pytest.mark.parametrize("spelt", ["IRC.Example.ORG", "irc.example.org.", "ｉｒｃ.example.org"])
def test_domain_may_be_spelt_in_any_way(scene: Scene, spelt: str) -> None:
    """RFC 7622 §3.2: domains are compared as prepared."""
    scene.exchange.submit(message(f"a@{COMPONENT}", f"x@{spelt}/r"))
    scene.exchange.write(COMPONENT, written(message(f"a@{COMPONENT}", f"x@{spelt}")), spelt)
    assert len(scene.gateway.got) == 2


def test_component_that_is_absent_is_answered_for(scene: Scene) -> None:
    """Its domain stays ours: nothing is sent elsewhere, and its own presence is not claimed."""
    scene.exchange.submit(message(f"a@{COMPONENT}", f"b@{ABSENT}"))
    scene.exchange.write(GATEWAY, written(message(GATEWAY, ABSENT)), ABSENT)
    scene.exchange.arrive(message(ROMEO, ABSENT))
    (to_component,), (to_gateway,), ((local, domain, (to_romeo,)),) = (
        scene.component.got,
        scene.gateway.got,
        scene.servers.sent,
    )
    assert {trouble(one) for one in (to_component, to_gateway, to_romeo)} == {("wait", "service-unavailable")}
    assert (local, domain, to_romeo.get("to")) == (ABSENT, "montague.example", ROMEO)


def test_connection_that_ends_late_does_not_detach_its_successor(scene: Scene) -> None:
    """A component may connect anew before its old connection is known to be dead."""
    successor = Served()
    scene.exchange.attach(COMPONENT, successor)
    scene.exchange.detach(COMPONENT, scene.component)
    scene.exchange.submit(message(GATEWAY, COMPONENT))
    assert len(successor.got) == 1
    scene.exchange.detach(COMPONENT, successor)
    assert scene.exchange.serves(COMPONENT), "it is reserved"
    scene.exchange.reserve([])
    assert not scene.exchange.serves(COMPONENT)


def test_domains_are_those_attached_and_those_reserved(scene: Scene) -> None:
    """What other servers may ask for."""
    assert scene.exchange.domains() == {GATEWAY, COMPONENT, ABSENT}
    assert scene.exchange.serves(GATEWAY) and not scene.exchange.serves("montague.example")


# ---- to other servers


def test_stanza_for_another_domain_goes_to_its_server(scene: Scene) -> None:
    """As it is, whoever of ours sends it; several to one receiver at once."""
    said = message(f"a@{COMPONENT}/x", ROMEO)
    scene.exchange.submit(said)
    lines = [message(GATEWAY, ROMEO), message(GATEWAY, ROMEO)]
    scene.exchange.write(GATEWAY, written(*lines), "Montague.example")
    assert scene.servers.sent == [
        (COMPONENT, "montague.example", [said]),
        (GATEWAY, "montague.example", lines),
    ]


def test_without_federation_other_domains_do_not_exist() -> None:
    """RFC 6120 §10.4.3: the sender is told."""
    scene = Scene(alone=True)
    scene.exchange.submit(message(f"a@{COMPONENT}/x", ROMEO))
    (answer,) = scene.component.got
    assert trouble(answer) == ("cancel", "remote-server-not-found")
    assert (answer.get("from"), answer.get("to")) == (ROMEO, f"a@{COMPONENT}/x")
    scene.exchange.hold(True)


@pytest.mark.parametrize("lost", [Trouble.REMOTE_NOT_FOUND, Trouble.REMOTE_TIMEOUT])
def test_what_a_server_does_not_get_comes_back(scene: Scene, lost: Trouble) -> None:
    """Each stanza by itself, though they were written together."""
    scene.servers.lost["montague.example"] = lost
    lines = [message(f"#verona@{GATEWAY}/n", ROMEO), message(f"#mantua@{GATEWAY}/n", ROMEO)]
    scene.exchange.write(GATEWAY, written(*lines), "montague.example")
    assert [one.get("to") for one in scene.gateway.got] == [line.get("from") for line in lines]
    assert {error_from(one).text for one in scene.gateway.got} == {lost.value.text}
    assert {one.child("error").get("by") for one in scene.gateway.got} == {GATEWAY}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("to", "condition"), [(None, "bad-request"), ("", "bad-request"), ("@", "jid-malformed"), ("a@b@c", "jid-malformed")]
)  # fmt: skip
def test_stanza_without_a_proper_receiver_is_refused(scene: Scene, to: str | None, condition: str) -> None:
    """RFC 6120 §8.1.1: another server would end the stream over it."""
    scene.exchange.submit(message(f"a@{COMPONENT}/x", to))
    (answer,) = scene.component.got
    assert trouble(answer) == ("modify", condition)
    assert scene.servers.sent == []


def test_bytes_for_a_malformed_domain_come_back(scene: Scene) -> None:
    """A gateway learns it like everything else."""
    scene.exchange.write(GATEWAY, written(message(GATEWAY, "a@-/x y")), "..")
    assert trouble(scene.gateway.got[0]) == ("modify", "jid-malformed")


# ---- from other servers


def test_stanza_from_another_server_reaches_whom_it_is_for(scene: Scene) -> None:
    """A gateway or a component."""
    scene.exchange.arrive(message(ROMEO, f"#verona@{GATEWAY}"))
    scene.exchange.arrive(message(ROMEO, COMPONENT))
    assert len(scene.gateway.got) == len(scene.component.got) == 1


@pytest.mark.parametrize("to", ["juliet@capulet.example", "a@@", "", None])
def test_nothing_is_relayed_for_other_servers(scene: Scene, to: str | None) -> None:
    """RFC 6120 §8.1.1.2: neither passed on nor answered in another domain's name."""
    scene.exchange.arrive(message(ROMEO, to))
    assert scene.servers.sent == []


# ---- errors


@pytest.mark.parametrize(
    ("name", "type"), [("message", "error"), ("iq", "error"), ("iq", "result"), ("presence", "unavailable")]
)
def test_what_must_not_be_answered_is_not(scene: Scene, name: str, type: str) -> None:
    """RFC 6120 §8.3.1: or two servers could send errors to each other for ever."""
    scene.exchange.bounce(message(f"a@{COMPONENT}", ROMEO, type, name), BridgeError(Trouble.REMOTE_TIMEOUT))
    assert scene.component.got == scene.servers.sent == []


def test_answer_that_cannot_be_delivered_is_dropped(scene: Scene) -> None:
    """The sender is gone meanwhile, or its domain is no more ours, or is none."""
    for sender in (f"a@{ABSENT}", "a@@", "juliet@capulet.example"):
        scene.servers.lost["capulet.example"] = Trouble.REMOTE_TIMEOUT
        scene.exchange.bounce(message(sender, GATEWAY), BridgeError(Trouble.TOO_LONG))
    assert scene.servers.sent == scene.gateway.got == []


def test_holding_pauses_other_servers(scene: Scene) -> None:
    """Until there is room again."""
    for is_held in (True, False):
        scene.exchange.hold(is_held)
    assert scene.servers.calls == ["pause", "resume"]


def test_addresses_remembered_are_bounded(scene: Scene) -> None:
    """A peer may make up as many as it likes."""
    for number in range(ADDRESSES + 10):
        scene.exchange.arrive(message(ROMEO, f"{number}@{GATEWAY}"))
    assert len(scene.exchange._domains) <= ADDRESSES
    assert len(scene.gateway.got) == ADDRESSES + 10


# ---- what waits for a gateway


class Waiting:
    """A gateway behind an inbox, which may answer from within."""

    def __init__(self, scene: Scene) -> None:
        self.clock = Clock()
        self.bursts: list[list[Element]] = []
        self.exchange = scene.exchange
        self.inbox = Inbox(scene.exchange, self.clock, self._receive, self._burst)
        self.exchange.attach(GATEWAY, self.inbox)

    @contextmanager
    def _burst(self) -> Iterator[None]:
        self.bursts.append([])
        yield

    def _receive(self, stanza: Element) -> None:
        self.bursts[-1].append(stanza)
        if stanza.get("type") != "error":
            self.exchange.write(
                GATEWAY, written(message(GATEWAY, stanza.get("from"))), stanza.attributes["from"]
            )


def test_gateway_is_not_called_while_it_writes(scene: Scene) -> None:
    """Even if what it writes comes back at once: it may be going through its rooms."""
    waiting = Waiting(scene)
    scene.servers.lost["montague.example"] = Trouble.REMOTE_NOT_FOUND
    waiting.exchange.write(GATEWAY, written(message(GATEWAY, ROMEO)), "montague.example")
    assert waiting.bursts == []
    waiting.clock.advance(0)
    assert [one.get("type") for one in waiting.bursts[0]] == ["error"]


def test_stanzas_of_one_turn_come_in_one_burst_in_order(scene: Scene) -> None:
    """What they lead to can leave together; what comes meanwhile is for the next turn."""
    waiting = Waiting(scene)
    stanzas = [message(f"{number}@{COMPONENT}", GATEWAY) for number in range(5)]
    stanzas.append(message(f"b@{GATEWAY}", GATEWAY, "error"))
    for stanza in stanzas:
        waiting.exchange.submit(stanza)
    waiting.clock.advance(0)
    assert waiting.bursts == [stanzas]
    assert len(scene.component.got) == 5
    waiting.exchange.submit(stanzas[0])
    waiting.clock.advance(0)
    assert waiting.bursts[1:] == [stanzas[:1]]


def test_inbox_that_is_full_answers(scene: Scene) -> None:
    """What one turn may bring is bounded."""
    waiting = Waiting(scene)
    stanza = message(f"a@{COMPONENT}", GATEWAY)
    for _ in range(INBOX + 2):
        waiting.exchange.submit(stanza)
    assert [trouble(one) for one in scene.component.got] == 2 * [("wait", "resource-constraint")]


# ---- properties

LOCAL = st.sampled_from([GATEWAY, COMPONENT])
DOMAINS = st.sampled_from([GATEWAY, COMPONENT, ABSENT, "montague.example", "lost.example", "late.example"])
TYPES = st.sampled_from(["chat", "error", "get", "result", "unavailable", ""])
NAMES = st.sampled_from(["message", "iq", "presence"])


@given(
    st.lists(st.tuples(st.sampled_from(["submit", "write"]), LOCAL, DOMAINS, TYPES, NAMES), max_size=20),
    st.booleans(),
)
@settings(max_examples=150)
def test_every_stanza_is_delivered_or_answered_once(
    stanzas: list[tuple[str, str, str, str, str]], alone: bool
) -> None:
    """Whatever is sent to wherever: nothing is lost silently, nothing doubled, errors are not answered."""
    scene = Scene(alone=alone)
    scene.servers.lost = {"lost.example": Trouble.REMOTE_NOT_FOUND, "late.example": Trouble.REMOTE_TIMEOUT}
    for number, (how, local, domain, type, name) in enumerate(stanzas):
        stanza = message(f"a@{local}/x", f"b@{domain}", type, name)
        stanza.attributes["id"] = str(number)
        if how == "submit":
            scene.exchange.submit(stanza)
        else:
            scene.exchange.write(local, written(stanza), domain)
    remote = [one for _, _, sent in scene.servers.sent for one in sent]
    seen = [one.attributes["id"] for one in scene.gateway.got + scene.component.got + remote]
    assert len(seen) == len(set(seen))
    for number, (_, _, _, type, name) in enumerate(stanzas):
        unanswered = type == "error" or (name, type) in {("iq", "result"), ("presence", "unavailable")}
        assert str(number) in seen or unanswered


@given(
    st.sampled_from(["montague.example", GATEWAY, "lost.example"]),
    st.text(max_size=8) | DOMAINS,
    TYPES,
    NAMES,
)
@settings(max_examples=150)
def test_arriving_stanza_never_goes_to_a_third_server(sender: str, to: str, type: str, name: str) -> None:
    """Only its own sender's server may hear of it, and only from a domain of ours."""
    scene = Scene()
    scene.servers.lost["lost.example"] = Trouble.REMOTE_NOT_FOUND
    scene.exchange.arrive(message(f"r@{sender}", to, type, name))
    for local, domain, sent in scene.servers.sent:
        assert (local, domain) == (ABSENT, sender)
        assert all(one.get("type") == "error" for one in sent)


def test_nobody_is_answered_in_the_name_of_a_foreign_domain() -> None:
    """A stanza of a domain that was ours comes back when it is so no longer."""
    scene = Scene()
    scene.exchange.bounce(message("a@gone.example", ROMEO), BridgeError(Trouble.REMOTE_TIMEOUT))
    assert scene.servers.sent == []
