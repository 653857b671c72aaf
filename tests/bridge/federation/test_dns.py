"""Questions to the DNS: servers in turn, cache, aliases, DNSSEC's word."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.names import dns
from twisted.names.dns import Message, RRHeader
from twisted.python.failure import Failure

from bridge.federation import dns as module
from bridge.federation.dns import Answer, Dns, system_hosts, system_nameservers

LOCAL = ("127.0.0.1", 53)
NAME = "xmpp.example.org"


def a(name: str = NAME, address: str = "192.0.2.1", ttl: int = 60) -> RRHeader:
    return RRHeader(name, dns.A, ttl=ttl, payload=dns.Record_A(address))


def alias(name: str, to: str, ttl: int = 60) -> RRHeader:
    return RRHeader(name, dns.CNAME, ttl=ttl, payload=dns.Record_CNAME(to))


def soa(minimum: int, ttl: int = 86400) -> RRHeader:
    return RRHeader("example.org", dns.SOA, ttl=ttl, payload=dns.Record_SOA(minimum=minimum))


class Datagrams:
    """A UDP port of ours; what is written to it is a question."""

    def __init__(self, reactor: Network, protocol: dns.DNSDatagramProtocol) -> None:
        self.reactor = reactor
        self.protocol = protocol

    def write(self, data: bytes, address: tuple[str, int]) -> None:
        self.reactor.questions.append(Question(data, address, self.protocol))

    def stopListening(self) -> None:
        self.protocol.doStop()


class Question:
    """One datagram that was sent."""

    def __init__(self, data: bytes, address: tuple[str, int], protocol: dns.DNSDatagramProtocol) -> None:
        self.message = parsed(data)
        self.address = address
        self._protocol = protocol

    def answer(self, *records: RRHeader, **flags: object) -> None:
        self._protocol.datagramReceived(answer(self.message, *records, **flags), self.address)


class Network(MemoryReactorClock):
    """A reactor whose UDP ports lead to `questions`."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[Question] = []

    def listenUDP(self, port: int, protocol: dns.DNSDatagramProtocol, interface: str = "") -> None:
        protocol.makeConnection(Datagrams(self, protocol))

    def take(self) -> Question:
        """Return the only question sent."""
        (question,) = self.questions
        self.questions.clear()
        return question


def parsed(data: bytes) -> Message:
    message = Message()
    message.fromStr(data)
    return message


def answer(
    question: Message, *records: RRHeader, authority: tuple[RRHeader, ...] = (), **flags: object
) -> bytes:
    message = Message(question.id, answer=1, maxSize=0, **flags)
    message.queries = question.queries
    message.answers = list(records)
    message.authority = list(authority)
    return message.toStr()


def result(asked: Deferred[Answer]) -> Answer:
    """Return an answer that must be there."""
    got: list[Answer] = []
    asked.addCallback(got.append)
    (one,) = got
    return one


def addresses(answer: Answer) -> list[str]:
    return [record.dottedQuad() for record in answer.records]


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def local(network: Network) -> Dns:
    return Dns(network, [LOCAL], dnssec=True)


def test_question_asks_whether_the_data_is_authentic(network: Network, local: Dns) -> None:
    """RFC 6840 §5.7: an AD bit in the question, else there is none in the answer."""
    local.ask(NAME, dns.A)
    question = network.take()
    assert question.address == LOCAL
    assert question.message.authenticData and question.message.recDes
    assert question.message.queries == [dns.Query(NAME, dns.A)]


@pytest.mark.parametrize(
    ("nameservers", "dnssec", "authentic", "secure"),
    [
        ([LOCAL], True, 1, True),
        ([("::1", 53)], True, 1, True),
        ([LOCAL], True, 0, False),
        ([LOCAL], False, 1, False),
        ([("192.0.2.53", 53)], True, 1, False),
        ([LOCAL, ("192.0.2.53", 53)], True, 1, False),
    ],
)
def test_dnssec_counts_only_from_a_nameserver_on_this_machine(
    network: Network, nameservers: list[tuple[str, int]], dnssec: bool, authentic: int, secure: bool
) -> None:
    """On the way from elsewhere anyone could set the bit."""
    asked = Dns(network, nameservers, dnssec).ask(NAME, dns.A)
    network.take().answer(a(), authenticData=authentic)
    assert result(asked).secure is secure


def test_same_question_meanwhile_is_asked_once(network: Network, local: Dns) -> None:
    """Both get the answer, also if the name is written differently."""
    both = [local.ask(NAME, dns.A), local.ask(NAME.upper(), dns.A)]
    network.take().answer(a())
    assert [addresses(result(asked)) for asked in both] == [["192.0.2.1"]] * 2


def test_one_who_gives_up_leaves_the_others_their_answer(network: Network, local: Dns) -> None:
    """Cancelling concerns the one who asked."""
    first, second = local.ask(NAME, dns.A), local.ask(NAME, dns.A)
    first.addErrback(lambda failure: None)
    first.cancel()
    network.take().answer(a())
    assert addresses(result(second)) == ["192.0.2.1"]


@pytest.mark.parametrize(("ttl", "kept"), [(60, 60), (0, 1), (10**6, 3600)])
def test_records_are_kept_for_their_time(network: Network, local: Dns, ttl: int, kept: int) -> None:
    """As long as they say, within limits; then they are asked for again."""
    local.ask(NAME, dns.A)
    network.take().answer(a(ttl=ttl))
    network.advance(kept - 0.1)
    assert addresses(result(local.ask(NAME, dns.A))) == ["192.0.2.1"]
    assert not network.questions
    network.advance(0.2)
    local.ask(NAME, dns.A)
    assert network.take()


@pytest.mark.parametrize(
    ("authority", "kept"),
    [((soa(60),), 60), ((soa(86400, ttl=30),), 30), ((soa(10**6),), 300), ((soa(0),), 5), ((), 5)],
)
@pytest.mark.parametrize("code", [dns.OK, dns.ENAME])
def test_absence_is_kept_for_its_time(
    network: Network, local: Dns, authority: tuple[RRHeader, ...], kept: int, code: int
) -> None:
    """RFC 2308 §5: as the zone's SOA record says, within limits."""
    local.ask(NAME, dns.A)
    network.take().answer(rCode=code, authority=authority, authenticData=1)
    network.advance(kept - 0.1)
    assert result(local.ask(NAME, dns.A)) == Answer(secure=True)
    network.advance(0.2)
    local.ask(NAME, dns.A)
    assert network.take()


@pytest.mark.parametrize("code", [dns.ESERVER, dns.EREFUSED, dns.EFORMAT, dns.ENOTIMP])
def test_failure_is_no_answer_and_soon_forgotten(network: Network, local: Dns, code: int) -> None:
    """A forged answer is SERVFAIL too: nothing is believed, and another attempt waits a little."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(a(), rCode=code)
    assert result(asked) == Answer(failed=True)
    network.advance(4.9)
    assert result(local.ask(NAME, dns.A)).failed and not network.questions
    network.advance(0.2)
    local.ask(NAME, dns.A)
    assert network.take()


def test_silent_nameservers_are_asked_in_turn_then_given_up(network: Network) -> None:
    """Twice each, with more patience the second time."""
    asked = Dns(network, [LOCAL, ("127.0.0.2", 53)], dnssec=True).ask(NAME, dns.A)
    network.pump([1, 1, 3])
    assert [question.address[0] for question in network.questions] == ["127.0.0.1", "127.0.0.2"] * 2
    assert not asked.called
    network.advance(3)
    assert result(asked) == Answer(failed=True)


def test_name_that_cannot_be_asked_for_has_no_records(network: Network, local: Dns) -> None:
    """Too long, or not of this character set: the question never leaves."""
    for name in ("", "a..b", "a" * 64, "a." * 127 + "a", "with space", "straße", "a.b."):
        assert result(local.ask(name, dns.A)) == Answer()
    assert not network.questions


def test_port_that_cannot_be_opened_is_a_failure(
    network: Network, local: Dns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files, say."""
    monkeypatch.setattr(network, "listenUDP", lambda *_: (_ for _ in ()).throw(OSError(24, "EMFILE")))
    assert result(local.ask(NAME, dns.A)) == Answer(failed=True)


def test_alias_is_followed_within_the_answer(network: Network, local: Dns) -> None:
    """The records of the name at the end count, for the shortest time on the way."""
    asked = local.ask(NAME, dns.A)
    records = alias(NAME, "b.test", 10), alias("B.test", "c.test"), a("c.test"), a("d.test", "192.0.2.66")
    network.take().answer(*records)
    assert addresses(result(asked)) == ["192.0.2.1"]
    network.advance(10.1)
    local.ask(NAME, dns.A)
    assert network.take()


def test_alias_to_nothing_is_absence(network: Network, local: Dns) -> None:
    """The name at the end has no such records."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(alias(NAME, "b.test"), rCode=dns.ENAME)
    assert result(asked) == Answer()


def test_aliases_in_a_circle_are_a_failure(network: Network, local: Dns) -> None:
    """They are followed a few times only."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(alias(NAME, "b.test"), alias("b.test", NAME))
    assert result(asked) == Answer(failed=True)


def test_many_records_are_cut_to_a_few(network: Network, local: Dns) -> None:
    """Whoever owns a name decides how many there are."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(*(a(address=f"192.0.2.{number}") for number in range(200)))
    assert len(result(asked).records) == module.RECORD_LIMIT


def test_cache_forgets_what_was_not_asked_for_longest(
    network: Network, local: Dns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays within its size."""
    monkeypatch.setattr(module, "CACHE_LIMIT", 2)
    for name in ("a.test", "b.test"):
        local.ask(name, dns.A)
        network.take().answer(a(name))
    local.ask("a.test", dns.A)
    local.ask("c.test", dns.A)
    network.take().answer(a("c.test"))
    local.ask("a.test", dns.A)
    assert not network.questions
    local.ask("b.test", dns.A)
    assert network.take()


def test_few_questions_are_on_the_wire_and_others_wait(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a port; what is too much even to wait fails at once."""
    monkeypatch.setattr(module, "QUERY_LIMIT", 2)
    monkeypatch.setattr(module, "QUESTION_LIMIT", 3)
    made = Dns(network, [LOCAL], dnssec=True)
    asked = [made.ask(f"{letter}.test", dns.A) for letter in "abcd"]
    assert result(asked[3]) == Answer(failed=True)
    first, _ = network.questions
    network.questions.clear()
    first.answer(a("a.test"))
    assert network.take().message.queries == [dns.Query("c.test", dns.A)]


def test_truncated_answer_is_asked_for_over_tcp(network: Network, local: Dns) -> None:
    """It comes whole there, with the AD bit asked for too."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(trunc=1)
    host, port, factory, *_ = network.tcpClients[0]
    assert (host, port) == LOCAL
    stream = StringTransport()
    protocol = factory.buildProtocol(None)
    protocol.makeConnection(stream)
    question = parsed(stream.value()[2:])
    assert question.authenticData
    reply = answer(question, *(a(address=f"192.0.2.{number}") for number in range(30)), authenticData=1)
    protocol.dataReceived(struct.pack("!H", len(reply)) + reply)
    assert len(result(asked).records) == 30 and result(local.ask(NAME, dns.A)).secure


def test_truncated_answer_over_tcp_is_a_failure(network: Network, local: Dns) -> None:
    """There is no third way to ask."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(trunc=1)
    stream = StringTransport()
    protocol = network.tcpClients[0][2].buildProtocol(None)
    protocol.makeConnection(stream)
    reply = answer(parsed(stream.value()[2:]), trunc=1)
    protocol.dataReceived(struct.pack("!H", len(reply)) + reply)
    assert result(asked) == Answer(failed=True)


def test_refused_tcp_connection_is_a_failure(network: Network, local: Dns) -> None:
    """The nameserver takes questions over UDP only."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(trunc=1)
    network.tcpClients[0][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert result(asked) == Answer(failed=True)


def test_silent_tcp_connection_is_given_up(network: Network, local: Dns) -> None:
    """The question as a whole has its time."""
    asked = local.ask(NAME, dns.A)
    network.take().answer(trunc=1)
    network.advance(module.QUESTION_TIMEOUT)
    assert result(asked) == Answer(failed=True)


def test_answer_from_elsewhere_is_ignored(network: Network, local: Dns) -> None:
    """Only the nameserver's own address and the question's number make an answer."""
    asked = local.ask(NAME, dns.A)
    question = network.take()
    question.address = ("192.0.2.66", 53)
    question.answer(a())
    question.address = LOCAL
    genuine, question.message.id = question.message.id, question.message.id ^ 1
    question.answer(a(address="192.0.2.66"))
    assert not asked.called
    question.message.id = genuine
    question.answer(a())
    assert addresses(result(asked)) == ["192.0.2.1"]


def test_nameservers_of_the_system_are_read(tmp_path: Path) -> None:
    """resolv.conf(5), of which three lines count."""
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# nameserver 192.0.2.9\nsearch test\nnameserver 192.0.2.1 ; one\nnameserver\nnameserver ::1\n"
        "nameserver nonsense\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
    )
    assert system_nameservers(str(file)) == (("192.0.2.1", 53), ("::1", 53), ("192.0.2.2", 53))


def test_system_without_nameservers_asks_itself(tmp_path: Path) -> None:
    """As the C library does."""
    assert system_nameservers(str(tmp_path / "missing")) == (LOCAL,)


def test_hosts_of_the_system_are_read(tmp_path: Path) -> None:
    """hosts(5): a name may have several addresses."""
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1\tlocalhost  Box # here\n::1 localhost\n\nnonsense box\n192.0.2.1\n")
    assert system_hosts(str(file)) == {"localhost": ("127.0.0.1", "::1"), "box": ("127.0.0.1",)}
