"""Requests both ways over a network in memory."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.secret import Secret
from tests.transports.sip.samples import request
from tests.transports.sip.test_transport import NoSecurity
from tests.transports.sip.wires import PEER, PEER_HOP, Reactor, hang_up, tokens
from transports.sip.agent import MAX_DATAGRAM, Agent
from transports.sip.config import SipConfig
from transports.sip.digest import Account, DigestClient
from transports.sip.guard import Guard
from transports.sip.message import Request, Response, parse, respond, write
from transports.sip.routing import Hop
from transports.sip.transport import listen_all

OTHER = Hop("UDP", "198.51.100.8", 5060)
ASKED = replace(request("MESSAGE", body=b"hello"), via=())


class Scene:
    """An agent, who answers by 200 at once unless the test takes over."""

    def __init__(self, **config: object) -> None:
        self.reactor = Reactor()
        ours = SipConfig(domain="gw.example", allowed_peers=("198.51.100.0/24",), **config)
        self.guard = Guard(ours, self.reactor.seconds)
        self.served: list[tuple] = []
        self.agent = Agent(self.reactor, self.guard, NoSecurity(), self.serve, tokens(), 10)
        self.agent.sent_by = lambda hop: ("192.0.2.1", 5060)
        listen_all(self.agent.transports, ("udp 192.0.2.1:5060", "tcp 192.0.2.1:5060"))
        self.fields: tuple = ()
        self.breaks = False

    def serve(self, asked: Request, hop: Hop, answer) -> None:
        if self.breaks:
            raise ZeroDivisionError
        self.served.append((asked, hop, answer))
        answer(respond(asked, 200, "tag", self.fields))

    def ask(self, asked: Request = ASKED, hops=(PEER_HOP,), client=None) -> list:
        outcome: list = []
        self.agent.request(asked, hops, client).addBoth(outcome.append)
        return outcome

    def reply(self, asked: Request, status: int, fields=(), host: str = PEER) -> None:
        self.reactor.arrive(write(respond(asked, status, "far", fields)), host)


def trouble(outcome: list) -> Trouble:
    [failure] = outcome
    assert isinstance(failure, Failure) and isinstance(failure.value, BridgeError)
    return failure.value.trouble


def test_request_is_sent_again_until_it_is_answered() -> None:
    """Over UDP, with a Via of ours; what comes twice is told once."""
    scene = Scene()
    outcome = scene.ask()
    scene.reactor.pump([0.5, 0.5, 0.5])
    first, second, third = scene.reactor.taken()
    assert first == second == third and str(first.via[0]).startswith("SIP/2.0/UDP 192.0.2.1:5060;branch=")
    scene.reply(first, 100)
    assert not outcome
    scene.reply(first, 202)
    scene.reply(first, 202)
    assert [response.status for response in outcome] == [202]
    scene.reactor.pump([5.0] * 2)
    assert scene.reactor.taken() == [] and not scene.reactor.getDelayedCalls()


def test_silence_ends_after_half_a_minute() -> None:
    """Whoever asked is told."""
    scene = Scene()
    outcome = scene.ask()
    scene.reactor.pump([1.0] * 33)
    assert trouble(outcome) is Trouble.TIMED_OUT


def test_next_server_is_tried_when_one_is_out_of_service() -> None:
    """RFC 3263 §4.3, and 503 of the last one is the answer."""
    scene = Scene()
    outcome = scene.ask(hops=(PEER_HOP, OTHER))
    scene.reply(scene.reactor.taken()[0], 503)
    [(data, address)] = scene.reactor.ports[0].sent
    assert address == (OTHER.host, 5060) and not outcome
    scene.reply(parse(data), 503, host=OTHER.host)
    assert outcome[0].status == 503


def test_connection_that_is_lost_or_refused_fails_what_waits_on_it() -> None:
    """At once, not when its timers end."""
    scene = Scene()
    far = Hop("TCP", PEER, 5060)
    outcome = scene.ask(hops=(far,))
    protocol, stream = scene.reactor.dialled()
    assert b"SIP/2.0/TCP" in stream.value()
    hang_up(protocol)
    assert trouble(outcome) is Trouble.UNREACHABLE
    refused = scene.ask(hops=(far,))
    scene.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(OSError()))
    assert trouble(refused) is Trouble.UNREACHABLE
    assert trouble(scene.ask(hops=(Hop("UDP", "10.0.0.1", 5060),))) is Trouble.UNREACHABLE


def test_what_is_too_long_for_a_datagram_goes_over_tcp() -> None:
    """RFC 3261 §18.1.1."""
    scene = Scene()
    scene.ask(replace(ASKED, body=b"x" * MAX_DATAGRAM))
    assert scene.reactor.taken() == []
    _, stream = scene.reactor.dialled()
    assert stream.value().startswith(b"MESSAGE ")


def test_challenge_is_answered_with_the_password() -> None:
    """Once: a password that is wrong stays wrong, and the refusal is the answer."""
    scene = Scene()
    client = DigestClient((Account("ann", Secret("word")),), tokens())
    outcome = scene.ask(client=client)
    challenge = (("WWW-Authenticate", 'Digest realm="r", nonce="n1", qop="auth"'),)
    scene.reply(scene.reactor.taken()[0], 401, challenge)
    [second] = scene.reactor.taken()
    assert second.cseq.number == 2 and 'username="ann"' in (second.get("Authorization") or "")
    scene.reply(second, 401, (("WWW-Authenticate", 'Digest realm="r", nonce="n2", qop="auth"'),))
    assert outcome[0].status == 401 and scene.reactor.taken() == []


def test_request_is_answered_where_it_came_from_and_once() -> None:
    """What is sent again gets the same response without asking anybody."""
    scene = Scene()
    data = write(request("MESSAGE", body=b"x" * 100))
    for _ in range(2):
        scene.reactor.arrive(data, port=40000)
    assert len(scene.served) == 1
    [(_, address), _] = sent = scene.reactor.ports[0].sent
    assert address == (PEER, 5060) and sent[0] == sent[1]


def test_stranger_gets_no_more_bytes_by_udp_than_he_sent() -> None:
    """Fields are left out, at last the answer; a trunk gets all of it."""
    scene = Scene()
    scene.fields = (("Allow", "MESSAGE" * 50),)
    data = write(request("OPTIONS", fields=(("User-Agent", "x" * 60),)))
    scene.reactor.arrive(data)
    [(sent, _)] = scene.reactor.ports[0].sent
    assert len(sent) <= len(data) and b"Allow" not in sent
    scene.reactor.taken()
    scene.reactor.arrive(
        b"X sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bKx\r\nf:<a:b>;tag=1\r\nt:<a:b>\r\ni:1\r\nCSeq:1 X\r\n\r\n"
    )
    assert scene.reactor.taken() == []
    scene.guard.trust("pbx", frozenset({PEER}))
    scene.reactor.arrive(data.replace(b"z9hG4bK1", b"z9hG4bK2").replace(b"c1@", b"c2@"))
    [answer] = scene.reactor.taken()
    assert isinstance(answer, Response) and answer.get("Allow")


def test_flood_and_unwanted_addresses_are_not_answered() -> None:
    """Nor does what nobody can read bring anything down."""
    scene = Scene(request_burst=2)
    for number in range(5):
        scene.reactor.arrive(
            write(request("OPTIONS", branch=f"z9hG4bKflood{number}", fields=(("X", "y" * 90),)))
        )
    assert len(scene.served) <= 2
    scene.reactor.arrive(write(request("OPTIONS", branch="z9hG4bKother")), host="10.0.0.1")
    assert len(scene.served) <= 2
    quiet = Scene()
    for garbage in (b"\xff" * 100, b"OPTIONS", b"SIP/2.0 200 OK\r\n\r\n", b"\r\nA: b\r\n\r\n"):
        quiet.reactor.arrive(garbage)
    assert quiet.served == []


def test_our_own_fault_is_a_500() -> None:
    """The sender is not left waiting."""
    scene = Scene()
    scene.breaks = True
    scene.reactor.arrive(write(request("MESSAGE", body=b"x" * 200)))
    [answer] = scene.reactor.taken()
    assert answer.status == 500


def test_stop_tells_who_waits() -> None:
    """And nothing is sent after it."""
    scene = Scene()
    outcome = scene.ask()
    scene.reactor.taken()
    scene.agent.stop()
    assert trouble(outcome) is Trouble.SHUTTING_DOWN
    scene.reactor.pump([1.0] * 5)
    assert scene.reactor.taken() == [] and trouble(scene.ask()) is Trouble.UNREACHABLE
