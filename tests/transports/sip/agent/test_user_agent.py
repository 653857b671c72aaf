"""Requests both ways over a network in memory."""

from __future__ import annotations

from unittest.mock import patch

from msgspec.structs import replace
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.secret import Secret
from tests.transports.sip.agent.test_transport import NoSecurity
from tests.transports.sip.samples import request
from tests.transports.sip.wires import PEER, PEER_HOP, Reactor, hang_up, tokens
from transports.sip.agent.guard import Guard
from transports.sip.agent.routing import Hop
from transports.sip.agent.transport import listen_all
from transports.sip.agent.user_agent import MAX_DATAGRAM, Agent
from transports.sip.config import SipConfig
from transports.sip.wire.digest import Account, DigestClient
from transports.sip.wire.message import Request, Response, parse, respond, write

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


def test_responses_that_nobody_awaits_are_counted_as_requests_are() -> None:
    """A flood of them is not even read; those that we wait for always are."""
    scene = Scene(request_burst=2)
    outcome = scene.ask()
    [asked] = scene.reactor.taken()
    stray = write(respond(asked, 100, "far"))
    for _ in range(50):
        scene.reactor.arrive(stray, OTHER.host)
    with patch("transports.sip.agent.user_agent.parse") as reading:
        scene.reactor.arrive(stray, OTHER.host)
    assert not reading.called
    for _ in range(5):
        scene.reply(asked, 100)
    scene.reply(asked, 200)
    assert [response.status for response in outcome] == [200]
    scene.reactor.pump([1.0] * 40)
    assert not scene.agent._transactions.awaits(PEER)


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


# ---- INVITE


INVITE = replace(request("INVITE", body=b"v=0"), via=())


class Inviter:
    """Who sends an INVITE, and what he heard."""

    def __init__(self, scene: Scene, asked: Request = INVITE, hops=(PEER_HOP, OTHER)) -> None:
        self.heard: list[int] = []
        self.troubles: list[Trouble] = []
        self.asking = scene.agent.invite(
            asked,
            hops,
            lambda response: self.heard.append(response.status),
            lambda error: self.troubles.append(error.trouble),
        )


def test_inviter_hears_every_response_and_a_2xx_as_often_as_it_comes() -> None:
    """Each wants its ACK (RFC 3261 §13.2.2.4); afterwards nothing is left."""
    scene = Scene()
    inviter = Inviter(scene)
    [sent] = scene.reactor.taken()
    for status in (100, 180, 200, 200):
        scene.reply(sent, status)
    assert inviter.heard == [100, 180, 200, 200]
    scene.reactor.pump([5.0] * 8)
    assert not scene.reactor.getDelayedCalls() and not inviter.troubles and not scene.agent._askings


def test_invite_goes_to_the_next_server_unless_it_is_given_up() -> None:
    """After 503 and silence (RFC 3263 §4.3)."""
    scene = Scene()
    inviter = Inviter(scene)
    scene.reply(scene.reactor.taken()[0], 503)
    ack, again = scene.reactor.taken()
    assert (ack.method, again.method) == ("ACK", "INVITE") and not inviter.heard
    scene.reactor.pump([1.0] * 33)
    assert inviter.troubles == [Trouble.TIMED_OUT]
    other = Inviter(scene)
    scene.agent.settle(other.asking)
    scene.reactor.pump([1.0] * 33)
    assert other.troubles == [Trouble.TIMED_OUT]


def test_cancel_follows_its_invite_and_abandoned_ones_are_forgotten() -> None:
    """RFC 3261 §9.1."""
    scene = Scene()
    inviter = Inviter(scene)
    [sent] = scene.reactor.taken()
    scene.reply(sent, 180)
    scene.agent.cancel(inviter.asking, (("Reason", "SIP;cause=200"),))
    [cancel] = scene.reactor.taken()
    assert cancel.method == "CANCEL" and cancel.via == sent.via and cancel.get("Reason")
    scene.reply(cancel, 200)
    scene.agent.abandon(inviter.asking)
    scene.reply(sent, 487)
    assert inviter.heard == [180]


def test_long_invite_goes_by_tcp_or_where_nobody_speaks_it_by_udp() -> None:
    """RFC 3261 §18.1.1."""
    scene = Scene()
    Inviter(scene, replace(INVITE, body=b"x" * MAX_DATAGRAM), (PEER_HOP,))
    assert not scene.reactor.taken()
    _, _, factory, _, _ = scene.reactor.tcpClients[-1]
    factory.clientConnectionFailed(scene.reactor.connectors[-1], Failure(ConnectionRefusedError()))
    [sent] = scene.reactor.taken()
    assert sent.method == "INVITE" and sent.via[0].transport == "UDP"


def test_ack_of_a_2xx_and_cancel_are_told_and_ack_is_sent_without_transaction() -> None:
    """To whoever has the calls."""
    scene = Scene()
    told: list[str] = []
    scene.agent.acknowledged = lambda ack, hop: told.append(ack.method)
    scene.agent.cancelled = lambda cancel: told.append(cancel.method)
    scene.reactor.arrive(write(request("ACK", to_tag="t")))
    scene.serve = lambda asked, hop, answer: None
    scene.agent._serve = scene.serve
    scene.reactor.arrive(write(request("INVITE")))
    scene.reactor.arrive(write(request("CANCEL")))
    assert told == ["ACK", "CANCEL"]
    scene.reactor.taken()
    scene.agent.acknowledge(replace(request("ACK"), via=()), [Hop("UDP", "10.0.0.1", 5060), PEER_HOP])
    [ack] = scene.reactor.taken()
    assert ack.method == "ACK" and ack.via[0].branch


def test_answer_to_a_call_may_be_longer_than_a_strangers_invite() -> None:
    """A user gave it, so no flood can be made of it; nothing else may."""
    scene = Scene()
    scene.agent._serve = lambda asked, hop, answer: answer(
        respond(asked, 200, "t", (("Contact", "<sip:a@b>"),), b"x" * 500)
    )
    scene.reactor.arrive(write(request("INVITE")))
    [answer] = scene.reactor.taken()
    assert isinstance(answer, Response) and len(answer.body) == 500


def test_who_breaks_over_a_response_takes_nobody_with_him() -> None:
    """The failure is logged, and what comes next is heard."""
    scene = Scene()
    scene.agent.invite(INVITE, (PEER_HOP,), lambda response: 1 / 0, lambda error: None)
    [sent] = scene.reactor.taken()
    with capturedLogs() as logged:
        scene.reply(sent, 180)
    assert len(logged) == 1
    outcome = scene.ask()
    scene.reply(scene.reactor.taken()[0], 200)
    assert [response.status for response in outcome] == [200]
