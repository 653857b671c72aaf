"""The messages of RFC 4475 and RFC 5118 at the sockets of a whole gateway: what it answers, and what comes of them."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address

from bridge.calls import CallAnswer, CallEnd, CallId, CallOffer, CallRinging, Ending
from bridge.events import ContactId, UserId
from tests.transports.sip.calling import BOTH, MemoryBackend, described
from tests.transports.sip.test_call_garbage import no_failures
from tests.transports.sip.vectors import CASES, load
from tests.transports.sip.wires import PEER, Bridge, Names, Reactor, Stream, hang_up
from transports.sip.agent.connection import FIRST_TIMEOUT
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.network import SipNetwork
from transports.sip.wire.message import Request, Response, parse

JULIET = UserId("juliet@example.org")
PEER6, OURS6 = "2001:db8::9:1", "2001:db8::10"
RINGING: tuple[int, ...] = ()
"""What is put to a user gets no answer at once, but within 200 ms (RFC 3261 §17.2.1)."""

ANSWERED: dict[str, tuple[int, ...]] = {
    # valid (§3.1.1)
    "wsinv": (481,),  # well-formed, but its To has a tag of a dialog that there is not (RFC 3261 §12.2.2)
    "intmeth": (501,),
    "esc01": RINGING,
    "escnull": (405,),  # we are no registrar
    "esc02": (501,),
    "lwsdisp": (200,),
    "longreq": RINGING,
    "dblreq": (405,),  # one answer: what follows in the datagram is dropped
    "semiuri": (200,),
    "transports": (200,),
    "mpart01": (415,),  # a signature is more than text, and not optional (RFC 5621 §8.2)
    "unreason": (),
    "noreason": (),
    # invalid (§3.1.2)
    "badinv01": (400,),
    "clerr": (400,),
    "ncl": (400,),
    "scalar02": (400,),
    "scalarlg": (),
    "quotbal": (400,),
    "ltgtruri": (400,),
    "lwsruri": (400,),
    "lwsstart": (400,),
    "trws": (400,),
    "escruri": (400,),
    "baddate": RINGING,
    "regbadct": (405,),
    "badaspec": (200,),
    "baddn": (400,),
    "badvers": (505,),
    "mismatch01": (400,),
    "mismatch02": (501,),
    "bigcode": (),
    # transactions, applications, backward compatibility (§3.2 to §3.4)
    "badbranch": (200,),
    "insuf": (400,),
    "unkscm": (416,),
    "novelsc": (416,),
    "unksm2": (405,),
    "bext01": (420,),
    "invut": (415,),
    "regaut01": (405,),
    "multi01": (400,),
    "mcl01": (400,),
    "bcast": (),
    "zeromf": (200,),
    "cparam01": (405,),
    "cparam02": (405,),
    "regescrt": (405,),
    "sdp01": (406,),
    "inv2543": (400,),  # see test_invite_of_rfc_2543_is_taken
    # RFC 5118 §4
    "ipv6-good": (405,),
    "ipv6-bad": (400,),
    "port-ambiguous": (405,),
    "port-unambiguous": (405,),
    "via-received-param-with-delim": (481,),
    "via-received-param-no-delim": (200,),
    "ipv6-in-sdp": RINGING,
    "mult-ip-in-header": (481,),
    "mult-ip-in-sdp": RINGING,
    "ipv4-mapped-ipv6": RINGING,
    "ipv6-bug-abnf-3-colons": (200,),
    "ipv6-correct-abnf-2-colons": (200,),
}
"""The statuses that a trunk is answered by over UDP, where the address called is one of ours."""
PUT = {
    "esc01": ("i have spaces", "example.net"),
    "longreq": ("amazinglylongcallername" * 5, "example.net"),
    "baddate": ("caller", "example.net"),
    "ipv6-in-sdp": ("user", "example.com"),
    "mult-ip-in-sdp": ("user", "example.com"),
    "ipv4-mapped-ipv6": ("user", "east.example.com"),
}
"""INVITEs that Juliet is rung by: the user and host who calls."""


class Scene:
    """A gateway with the user and domain that a message is for, in front of a trunk, or of a stranger."""

    def __init__(self, data: bytes = b"", *, is_stranger: bool = False) -> None:
        found = re.match(rb"\S+\s+<?sip:(?:([^@\s]+)@)?([\w.-]+)", data)
        user = found[1].decode() if found and found[1] else "user"
        domain = found[2].decode().lower() if found else "example.com"
        trunk = TrunkConfig(
            server=f"sip:{PEER}",
            domain="peer.example",
            username=user.partition(":")[0].replace("%3A", ":").replace("%40", "@"),
            owner=JULIET,
        )
        self.config = SipConfig(
            domain=domain,
            listen=("udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", f"udp [{OURS6}]:5060"),
            trunks={} if is_stranger else {"trunk": trunk},
            federation=is_stranger,
            allowed_peers=("198.51.100.0/24", "2001:db8::/32"),
        )
        self.reactor, self.bridge = Reactor(), Bridge()
        self.backend = MemoryBackend(self.reactor)
        self.network = SipNetwork(
            self.config, self.reactor, Names(), Random(1), lambda changed: self.backend, lambda: 1e9
        )
        self.network.start(self.bridge)
        self.reactor.taken()
        self.bridge.taken()

    def told(self) -> list[Any]:
        return [event for _, event in self.bridge.taken() if hasattr(event, "call")]

    def sent(self) -> list[bytes]:
        """What went out by UDP."""
        return [data for port in self.reactor.ports for data, _ in port.sent]

    def hear(self, data: bytes) -> list[int]:
        """Take a datagram from the peer; return the statuses of all responses until now."""
        self.reactor.arrive(data, PEER)
        return statuses(b"".join(self.sent()))

    def responses(self) -> list[Response]:
        return [one for one in map(parse, self.sent()) if isinstance(one, Response)]

    def invites(self) -> list[Request]:
        requests = [one for one in map(parse, self.sent()) if isinstance(one, Request)]
        return [one for one in requests if one.method == "INVITE"]

    def connect(self) -> tuple[Any, Stream]:
        """The peer opens a connection."""
        factory = self.reactor.tcpServers[0][1]
        protocol, stream = factory.buildProtocol(None), Stream(IPv4Address("TCP", PEER, 40000))
        protocol.makeConnection(stream)
        return protocol, stream

    def go_on(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.reactor.advance(1)


def statuses(written: bytes) -> list[int]:
    """Return the statuses of responses in a stream."""
    return [int(found) for found in re.findall(rb"^SIP/2\.0 ([0-9]{3}) ", written, re.MULTILINE)]


def test_every_case_has_its_answer():
    """None got lost."""
    assert set(ANSWERED) == set(CASES)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.spec("RFC 4475 §3")
def test_datagrams_are_answered_as_the_rfcs_say(case):
    """And what is to be put to a user is."""
    data = load(case)
    scene = Scene(data)
    assert tuple(scene.hear(data)) == ANSWERED[case]
    told = scene.told()
    assert [type(event) for event in told] == [CallOffer] * (case in PUT)
    if case in PUT:
        user, host = PUT[case]
        local, _, domain = told[0].contact.rpartition("@")
        assert (local, domain) == (user, host)


@pytest.mark.parametrize("case", CASES)
def test_strangers_get_no_more_than_they_sent(case):
    """Whatever it is, however long one waits; and what is answered at all is answered alike."""
    data = load(case)
    scene = Scene(data, is_stranger=True)
    answers = scene.hear(data)
    scene.go_on(200)
    assert sum(map(len, scene.sent())) <= len(data)
    if ANSWERED[case] and ANSWERED[case] != (200,):
        assert answers in ([*ANSWERED[case]], [403], [404])
    assert not len(scene.network._calls.stack.invited)


@pytest.mark.parametrize("case", [case for case in CASES if not load(case).startswith(b"SIP/")])
def test_streams_are_answered_alike(case):
    """In pieces of any size; what nobody can find the end of is answered, and ends the connection."""
    data = load(case)
    scene = Scene(data)
    protocol, stream = scene.connect()
    for start in range(0, len(data), 7):
        protocol.dataReceived(data[start : start + 7])
    expected = list(ANSWERED[case])
    if case == "clerr":
        assert not stream.value()
        return
    if case == "dblreq":
        assert [type(event) for event in scene.told()] == []
        expected.append(404)
    assert statuses(stream.value()) == expected
    assert stream.disconnecting == (case in ("ncl", "mcl01", "inv2543"))


def test_stream_that_never_ends_its_message_is_closed():
    """Content-Length is larger than what comes (RFC 4475 §3.1.2.2)."""
    scene = Scene(load("clerr"))
    protocol, stream = scene.connect()
    protocol.dataReceived(load("clerr"))
    scene.go_on(FIRST_TIMEOUT - 1)
    assert not stream.disconnecting
    scene.go_on(2)
    assert stream.disconnecting and not stream.value()


def test_refusals_tell_what_is_understood():
    """501 and 405 name methods, 420 the extensions, 415 the types (RFC 4475 §3.1.1.2, §3.3.5, §3.3.6)."""

    def answer(case: str) -> Response:
        scene = Scene(load(case))
        scene.hear(load(case))
        [answer] = scene.responses()
        return answer

    assert "INVITE" in answer("intmeth").values("Allow")
    assert answer("bext01").values("Unsupported") == ["nothingSupportsThis", "nothingSupportsThisEither"]
    assert "application/sdp" in answer("invut").values("Accept")


def test_a_branch_that_is_only_the_cookie_names_no_transaction():
    """Two such requests are told apart by what else they say, and sent again they are one (RFC 4475 §3.2.1)."""
    scene = Scene(load("badbranch"))
    other = load("badbranch").replace(b"CSeq: 8", b"CSeq: 9").replace(b"j3n", b"j3m")
    scene.hear(load("badbranch"))
    scene.hear(other)
    scene.hear(load("badbranch"))
    one, two, again = scene.responses()
    assert one.cseq.number == again.cseq.number == 8 and two.cseq.number == 9
    assert one.to.tag == again.to.tag != two.to.tag


def test_answers_go_where_the_request_came_from():
    """Never to an address that it names, be it broadcast (RFC 4475 §3.3.10) or in received (RFC 5118 §4.5)."""
    for case in CASES:
        scene = Scene(load(case))
        scene.hear(load(case))
        assert {host for port in scene.reactor.ports for _, (host, _) in port.sent} <= {PEER}


def test_invite_of_rfc_2543_is_taken():
    """No branch, no tag, no Content-Length, no Max-Forwards (RFC 4475 §3.4.1): but who calls says where he is.

    The message has no Contact, which RFC 2543 let it lack and RFC 3261 §8.1.1.8 does not: nobody could be
    sent a BYE.
    """
    data = load("inv2543")
    assert Scene(data).hear(data) == [400]
    reachable = data.replace(b"CSeq: 56", b"Contact: <sip:UserA@iftgw.example.com>\r\nCSeq: 56")
    scene = Scene(reachable)
    assert scene.hear(reachable) == []
    [offer] = scene.told()
    assert offer.contact == "+13035551111@ift.client.example.net"


# ---- responses, as answers to an INVITE of ours


def called(case: str) -> tuple[Scene, Request, bytes]:
    """Have Juliet call; return her INVITE and the case as a response to it."""
    scene = Scene()
    offer = CallOffer(call=CallId("c1"), contact=ContactId("bob@peer.example"), description=BOTH)
    scene.network.submit(JULIET, offer)
    [invite] = scene.invites()
    head, end, body = load(case).partition(b"\r\n\r\n")
    ours = {
        b"Via": str(invite.via[0]),
        b"From": str(invite.from_),
        b"To": f"{invite.to};tag=far",
        b"Call-ID": invite.call_id,
        b"CSeq": str(invite.cseq),
    }
    kept = [line for line in head.split(b"\r\n") if line.partition(b":")[0] not in ours]
    extra = [b"%s: %s" % (name, value.encode()) for name, value in ours.items()]
    return scene, invite, b"\r\n".join([kept[0], *extra, *kept[1:]]) + end + body


def test_an_odd_reason_is_none_of_our_business():
    """200 is 200 (RFC 4475 §3.1.1.12)."""
    scene, _, data = called("unreason")
    scene.reactor.arrive(data, PEER)
    assert [type(event) for event in scene.told()] == [CallAnswer]


def test_a_reason_may_be_missing():
    """100 stops the INVITE from being sent again (RFC 4475 §3.1.1.13)."""
    scene, _, data = called("noreason")
    scene.reactor.arrive(data, PEER)
    scene.go_on(10)
    assert len(scene.invites()) == 1


@pytest.mark.parametrize("case", ["bigcode", "scalarlg", "bcast"])
def test_impossible_responses_are_dropped(case):
    """Statuses of ten digits, CSeqs of twenty, and what has another's Via below ours (RFC 4475 §3.3.10)."""
    scene, invite, data = called(case)
    if case == "scalarlg":
        data = data.replace(f"CSeq: {invite.cseq}".encode(), b"CSeq: 9292394834772304023312 INVITE")
    if case == "bcast":
        below = b"Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\r\nFrom"
        data = data.replace(b"From", below, 1)
    scene.reactor.arrive(data, PEER)
    assert scene.told() == []
    scene.reactor.advance(0.6)
    assert len(scene.invites()) == 2


# ---- RFC 5118


@pytest.mark.spec("RFC 5118 §4.5")
def test_received_has_no_brackets_over_ipv6():
    """It is where the request came from, whatever it says itself."""
    scene = Scene(load("via-received-param-with-delim"))
    for case, host in (
        ("via-received-param-with-delim", PEER6),
        ("via-received-param-no-delim", "2001:db8::7"),
    ):
        ports = scene.reactor.ports
        ports[1].protocol.datagramReceived(load(case), (host, 5060, 0, 0))
        data, address = ports[1].sent[-1]
        assert address == (host, 5060)
        assert f";received={host}".encode() in data


def test_port_of_sent_by_is_outside_the_brackets():
    """There the answer goes (RFC 5118 §4.7)."""
    scene = Scene(load("mult-ip-in-header"))
    port = scene.reactor.ports[1]
    port.protocol.datagramReceived(load("mult-ip-in-header"), (PEER6, 5060, 0, 0))
    [(data, address)] = port.sent
    assert address == (PEER6, 6050) and data.count(b"Via:") == 3


@pytest.mark.parametrize(
    ("case", "printed", "status"),
    [("ipv6-in-sdp", 268, (400,)), ("mult-ip-in-sdp", 181, RINGING), ("ipv4-mapped-ipv6", 236, RINGING)],
)
def test_the_lengths_that_rfc_5118_prints_are_heeded(case, printed, status):
    """More than there is, is refused; of less, the rest is dropped (RFC 3261 §18.3)."""
    data = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % printed, load(case))
    assert tuple(Scene(data).hear(data)) == status


# ---- what was rung


@pytest.mark.parametrize("case", PUT)
def test_calls_of_tortuous_callers_stand_and_end(case):
    """They ring, are answered, and nothing is left when their caller never acknowledges."""
    data = load(case)
    scene = Scene(data)
    scene.hear(data)
    [offer] = scene.told()
    scene.network.submit(JULIET, CallRinging(call=offer.call))
    names = [one.name for one in offer.description.contents]
    scene.network.submit(JULIET, CallAnswer(call=offer.call, description=described(*names)))
    answers = scene.responses()
    assert [one.status for one in answers] == [180, 200]
    assert [one.via[1:] for one in answers] == [parse(data).via[1:]] * 2
    scene.go_on(80)
    assert [type(event) for event in scene.told()] == [CallEnd]
    stack = scene.network._calls.stack
    assert not (stack.dialogs or stack.invited or scene.backend.held)


# ---- what nobody wrote down

SPECIAL = (
    *(
        b"",
        b'"',
        b"<",
        b">",
        b";",
        b",",
        b"\\",
        b"\r\n",
        b"\r\n ",
        b"\r\n\r\n",
        b"\0",
        b"%",
        b"%zz",
        b"[",
        b"]",
        b"::",
    ),
    *(b"@", b"sip:", b"INVITE", b"SIP/2.0", b":", b"\xff", b"\xc2\x85", b"9" * 30, b"Content-Length: 5\r\n"),
)
edit = st.tuples(
    st.integers(0, 4000),
    st.sampled_from((0, 1, 4, 20)),
    st.one_of(st.sampled_from(SPECIAL), st.binary(max_size=3)),
)
heard = st.tuples(st.sampled_from(CASES), st.lists(edit, max_size=4), st.booleans())


def mutant(case: str, edits: list[tuple[int, int, bytes]]) -> bytes:
    data = bytearray(load(case))
    for place, size, put in edits:
        place %= len(data) + 1
        data[place : place + size] = put
    return bytes(data)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.booleans(), st.lists(heard, min_size=1, max_size=8))
def test_mutants_do_no_harm(is_stranger: bool, messages: list[tuple[str, list[Any], bool]]) -> None:
    """Nothing fails, a stranger gets no more than he sent, and when all timers have run out nothing is left."""
    scene = Scene(is_stranger=is_stranger)
    got = 0
    with no_failures():
        for case, edits, is_stream in messages:
            data = mutant(case, edits)
            if is_stream:
                protocol, stream = scene.connect()
                protocol.dataReceived(data)
                if not stream.disconnecting:
                    hang_up(protocol)
            else:
                got += len(data)
                scene.hear(data)
            scene.reactor.advance(0.3)
        for event in scene.told():
            if isinstance(event, CallOffer):
                scene.network.submit(JULIET, CallEnd(call=event.call, ending=Ending.DECLINED))
        scene.go_on(200)
    if is_stranger:
        assert sum(map(len, scene.sent())) <= got
    agent, stack = scene.network._agent, scene.network._calls.stack
    assert not (stack.dialogs or stack.invited or len(scene.network._calls) or scene.backend.held)
    left = {one.request.method for one in agent._transactions._transactions.values()}
    assert left <= {"OPTIONS"} and len(agent._askings) <= 1 and not len(agent._allowances)
