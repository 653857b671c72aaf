"""The SIP end of a call, with a phone whose every message the test writes."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.calls import (
    CallAnswer,
    CallDigits,
    CallEnd,
    CallHold,
    CallId,
    CallOffer,
    CallRinging,
    Ending,
)
from bridge.events import DirectMessage
from bridge.secret import Secret
from tests.transports.sip.calling import AUDIO, TO_JULIET, Gateway, described, ends
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import PEER
from transports.sip.wire.message import Response, parse, respond, write

C1 = CallId("c1")
URI = "sip:romeo%40a.example@a.gw"
MOVED = SDP.replace(b"192.0.2.9", b"192.0.2.10").replace(b"ann 7 7", b"ann 7 8")
HELD = SDP.replace(b"sendrecv", b"sendonly").replace(b"ann 7 7", b"ann 7 9")


class Scene:
    """A gateway, and a phone behind its trunk."""

    def __init__(self, **trunk: Any) -> None:
        self.gateway = Gateway("a", "b", trunk, {})
        self.phone = Phone(self.gateway.reactor, PEER)
        self.phone.answer_all(200)
        self.call = C1

    def ring_in(self, *fields: tuple[str, str], body: bytes = SDP) -> CallId:
        """Have the phone call; return the call."""
        self.phone.invite(URI, *fields, body=body)
        [offer] = self.gateway.told()
        assert isinstance(offer, CallOffer) and offer.nick == "Juliet"
        self.call = offer.call
        return offer.call

    def accept(self) -> None:
        self.gateway.do(CallAnswer(call=self.call, description=described("audio0")))

    def stand(self, *fields: tuple[str, str]) -> None:
        """Have a call from the phone stand."""
        self.ring_in(*fields)
        self.accept()
        self.phone.take(200)
        self.phone.acknowledge()

    def call_out(self) -> Any:
        """Have the user call; return the INVITE."""
        self.gateway.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
        return self.phone.asked("INVITE")

    def provisional(self, status: int) -> Response:
        self.phone._read()
        [found] = [one for one in self.phone.got if isinstance(one, Response) and one.status == status]
        self.phone.got.remove(found)
        return found

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.gateway.reactor.advance(0.5)

    def ended(self) -> list[tuple[Ending, str]]:
        return [(event.ending, event.text) for event in self.gateway.told() if isinstance(event, CallEnd)]


# ---- from the phone


def test_phone_calls_and_hears_ringing_and_the_answer() -> None:
    """100 after a while, 180, 200 with what the anchor says, until the ACK comes."""
    scene = Scene()
    scene.ring_in()
    scene.gateway.reactor.advance(0.3)
    assert not scene.provisional(100).to.tag
    scene.gateway.do(CallRinging(call=scene.call))
    ringing = scene.provisional(180)
    assert ringing.to.tag and ringing.get("Contact") == "<sip:romeo%40a.example@192.0.2.1:5060>"
    scene.accept()
    answer = scene.phone.take(200)
    assert b"192.0.2.50" in answer.body and answer.get("Session-Expires") == "1800;refresher=uas"
    scene.gateway.reactor.advance(0.6)
    assert scene.phone.take(200) == answer
    scene.phone.acknowledge()
    scene.wait(40)
    assert not scene.phone.got and not scene.ended()


def test_ringing_is_repeated_until_it_is_acknowledged_where_the_phone_wants_that() -> None:
    """RFC 3262; the 200 goes on its own."""
    scene = Scene()
    scene.ring_in(("Require", "100rel"))
    scene.gateway.do(CallRinging(call=scene.call))
    ringing = scene.provisional(180)
    assert ringing.requires("100rel")
    scene.gateway.reactor.advance(0.6)
    assert scene.provisional(180) == ringing
    scene.phone.sent = ringing
    invite = scene.phone.last
    scene.phone.dialog = scene.phone.dialog_of(ringing)
    scene.phone.request("PRACK", ("RAck", f"{ringing.get('RSeq')} {invite.cseq.number} INVITE"))
    scene.phone.take(200)
    scene.accept()
    scene.phone.take(200)


def test_nobody_acknowledges_the_ringing() -> None:
    """Half a minute, then all is over."""
    scene = Scene()
    scene.ring_in(("Require", "100rel"))
    scene.gateway.do(CallRinging(call=scene.call))
    scene.wait(33)
    assert [ending for ending, _ in scene.ended()] == [Ending.TIMED_OUT]
    scene.wait(40)
    assert scene.gateway.is_forgotten


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ((), "SIP 487 Request Terminated"),
        ((("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),), "Call completed elsewhere"),
    ],
)
def test_phone_gives_up(fields: tuple[tuple[str, str], ...], text: str) -> None:
    """CANCEL gets 200, the INVITE 487, the user the reason (RFC 3326 §3.1)."""
    scene = Scene()
    scene.ring_in()
    scene.phone.cancel(*fields)
    statuses = {scene.phone.take_of("CANCEL").status, scene.phone.take_of("INVITE").status}
    assert statuses == {200, 487} and scene.ended() == [(Ending.CANCELLED, text)]
    scene.wait(40)
    assert scene.gateway.is_forgotten


def test_no_ack_comes() -> None:
    """The call is ended by BYE after half a minute (RFC 3261 §13.3.1.4)."""
    scene = Scene()
    scene.ring_in()
    scene.accept()
    scene.wait(33)
    assert scene.ended() and scene.phone.asked("BYE")
    scene.wait(40)
    assert scene.gateway.is_forgotten


def test_user_hangs_up_before_the_ack_comes() -> None:
    """BYE waits for it (RFC 3261 §15)."""
    scene = Scene()
    scene.ring_in()
    scene.accept()
    scene.phone.take(200)
    scene.gateway.do(CallEnd(call=scene.call, ending=Ending.SUCCESS))
    scene.phone._read()
    assert not scene.phone.got
    scene.phone.acknowledge()
    assert scene.phone.asked("BYE") and not scene.gateway.told()


def test_phone_hangs_up_before_its_ack_came() -> None:
    """Its ACK was lost; BYE ends it none the less."""
    scene = Scene()
    scene.ring_in()
    scene.accept()
    answer = scene.phone.take(200)
    scene.phone.dialog = scene.phone.dialog_of(answer)
    scene.phone.request("BYE")
    scene.phone.take(200)
    assert len(scene.ended()) == 1
    scene.wait(40)
    assert scene.gateway.is_forgotten


def test_call_without_an_offer_gets_ours() -> None:
    """What the phone answers in its ACK is told to the anchor, and the user need not know."""
    scene = Scene()
    scene.ring_in(body=b"")
    scene.accept()
    assert b"m=audio" in scene.phone.take(200).body
    scene.phone.acknowledge(SDP)
    [anchor] = scene.gateway.backend.anchors
    assert anchor.asked == ["offer_to_xmpp", "answer_to_sip"] * 2 and not scene.gateway.told()


@pytest.mark.parametrize(
    ("fields", "body", "status"),
    [
        ((("Session-Expires", "10"), ("Supported", "timer")), SDP, 422),
        ((("Session-Expires", "x"),), SDP, 400),
        ((("Require", "telepathy"),), SDP, 420),
        ((), b"v=1", 488),
        ((("Accept", "text/plain"),), SDP, 406),
    ],
)
def test_invite_that_nobody_can_serve_is_refused(
    fields: tuple[tuple[str, str], ...], body: bytes, status: int
) -> None:
    """And no user hears of it; nothing is left."""
    scene = Scene()
    scene.phone.invite(URI, *fields, body=body)
    scene.phone.take(status)
    assert not scene.gateway.told() and scene.gateway.is_forgotten


# ---- in the call


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_phone_moves_and_the_user_does_not_notice(method: str) -> None:
    """Only the anchor is told of another address."""
    scene = Scene()
    scene.stand()
    [anchor] = scene.gateway.backend.anchors
    anchor.asked.clear()
    scene.phone.offer(MOVED, method)
    scene.phone.take(200)
    assert anchor.asked == ["offer_to_xmpp", "answer_to_sip"] and not scene.gateway.told()


def test_phone_says_the_same_again() -> None:
    """A refresh: the anchor is not even asked, with an offer or without."""
    scene = Scene()
    scene.stand()
    [anchor] = scene.gateway.backend.anchors
    anchor.asked.clear()
    scene.phone.offer(SDP)
    scene.phone.take(200)
    scene.phone.acknowledge_again()
    scene.phone.offer(b"")
    scene.phone.take(200)
    scene.phone.acknowledge_again(SDP)
    scene.phone.offer(b"", "UPDATE")
    scene.phone.take(200)
    assert not anchor.asked and not scene.gateway.told()


def test_phone_holds_and_resumes() -> None:
    """The user is told, and our answer sends nothing back."""
    scene = Scene()
    scene.stand()
    scene.phone.offer(HELD)
    assert b"a=recvonly" in scene.phone.take(200).body
    scene.phone.acknowledge_again()
    scene.phone.offer(SDP.replace(b"ann 7 7", b"ann 7 10"))
    assert b"a=sendrecv" in scene.phone.take(200).body
    held = [event.held for event in scene.gateway.told() if isinstance(event, CallHold)]
    assert held == [True, False]


def test_media_that_do_not_fit_are_refused_and_the_call_goes_on() -> None:
    """By 488."""
    scene = Scene()
    scene.stand()
    scene.gateway.backend.refused.add("offer_to_xmpp")
    scene.phone.offer(MOVED)
    scene.phone.take(488)
    assert not scene.gateway.told() and len(scene.gateway.calls) == 1


def test_what_else_a_phone_says_in_a_call_is_answered() -> None:
    """Keys, words, questions, and what we do not know."""
    scene = Scene()
    scene.stand()
    phone = scene.phone
    for method, kind, body, status in (
        ("INFO", "application/dtmf-relay", b"Signal=5\r\nDuration=200\r\n", 200),
        ("INFO", "application/dtmf", b"99", 415),
        ("INFO", "", b"", 200),
        ("OPTIONS", "", b"", 200),
        ("NOTIFY", "", b"", 481),
        ("SUBSCRIBE", "", b"", 481),
        ("INVENT", "", b"", 501),
        ("MESSAGE", "text/plain", b"hello", None),
    ):
        phone.request(method, *((("Content-Type", kind),) if kind else ()), body=body)
        if status is not None:
            phone.take(status)
    events = [event for _, event in scene.gateway.bridge.taken()]
    assert CallDigits(call=scene.call, digits="5", duration=200) in events
    assert [event.body.plain for event in events if isinstance(event, DirectMessage)] == ["hello"]


def test_request_of_no_dialog_is_481() -> None:
    """As after its end."""
    scene = Scene()
    scene.stand()
    scene.gateway.do(CallEnd(call=scene.call, ending=Ending.SUCCESS))
    scene.phone.asked("BYE")
    scene.phone.request("BYE")
    scene.phone.take(481)


def test_phone_that_never_answers_a_refresh_ends_the_call() -> None:
    """It is gone: 408 by our own timer."""
    scene = Scene()
    scene.stand()
    scene.wait(1000)
    assert [ending for ending, _ in scene.ended()] == [Ending.TIMED_OUT]
    scene.wait(70)
    assert scene.gateway.is_forgotten


# ---- to the phone


def test_challenge_is_answered_and_the_call_goes_through() -> None:
    """With the trunk's password; BYE shows it at once."""
    scene = Scene(username="gw", password=Secret("word"))
    invite = scene.call_out()
    challenge = ("Proxy-Authenticate", 'Digest realm="b.gw", nonce="1", qop="auth"')
    scene.phone.respond(invite, 407, challenge, tag="x")
    scene.phone.asked("ACK")
    again = scene.phone.asked("INVITE")
    assert again.cseq.number == 2 and "Digest" in (again.get("Proxy-Authorization") or "")
    scene.phone.accept(again)
    assert "Digest" in (scene.phone.asked("ACK").get("Proxy-Authorization") or "")
    scene.gateway.do(CallEnd(call=C1, ending=Ending.SUCCESS))
    assert "Digest" in (scene.phone.asked("BYE").get("Proxy-Authorization") or "")


def test_longer_session_interval_is_agreed_on() -> None:
    """422 says how long it has to be (RFC 4028 §7.3)."""
    scene = Scene()
    scene.phone.respond(scene.call_out(), 422, ("Min-SE", "3600"), tag="x")
    assert scene.phone.asked("INVITE").get("Session-Expires") == "3600"


def test_first_of_several_phones_wins() -> None:
    """The others get ACK and BYE (RFC 3261 §13.2.2.4)."""
    scene = Scene()
    invite = scene.call_out()
    for tag in ("one", "two"):
        scene.phone.respond(invite, 180, tag=tag)
    scene.phone.accept(invite, tag="two")
    assert scene.phone.asked("ACK").to.tag == "two"
    scene.phone.accept(invite, tag="one")
    assert scene.phone.asked("ACK").to.tag == "one" and scene.phone.asked("BYE").to.tag == "one"
    assert [type(event) for event in scene.gateway.told()] == [CallRinging, CallAnswer]


def test_reliable_ringing_is_acknowledged() -> None:
    """PRACK, to whom it came from."""
    scene = Scene()
    scene.phone.respond(scene.call_out(), 180, ("Require", "100rel"), ("RSeq", "7"))
    assert scene.phone.asked("PRACK").get("RAck") == "7 1 INVITE"


def test_user_gives_up_before_anything_came_back() -> None:
    """CANCEL waits for a provisional response; without one nothing is left after a while."""
    scene = Scene()
    invite = scene.call_out()
    scene.gateway.do(CallEnd(call=C1, ending=Ending.CANCELLED))
    scene.phone._read()
    assert not scene.phone.got
    scene.phone.respond(invite, 180)
    scene.phone.respond(scene.phone.asked("CANCEL"), 200)
    scene.phone.respond(invite, 487)
    assert scene.phone.asked("ACK")
    scene.wait(70)
    assert scene.gateway.is_forgotten and not scene.gateway.told()


def test_answer_crosses_the_cancel() -> None:
    """The call that nobody wants is acknowledged and ended."""
    scene = Scene()
    invite = scene.call_out()
    scene.phone.respond(invite, 180)
    scene.gateway.do(CallEnd(call=C1, ending=Ending.CANCELLED))
    scene.phone.accept(invite)
    assert scene.phone.asked("ACK") and scene.phone.asked("BYE")
    scene.wait(70)
    assert scene.gateway.is_forgotten


def test_silent_server_times_out() -> None:
    """After half a minute."""
    scene = Scene()
    scene.call_out()
    scene.wait(40)
    assert [ending for ending, _ in scene.ended()] == [Ending.TIMED_OUT]
    scene.wait(70)
    assert scene.gateway.is_forgotten


def test_bye_says_why() -> None:
    """The reason is shown to the user."""
    scene = Scene()
    scene.phone.accept(scene.call_out())
    scene.phone.asked("ACK")
    scene.phone.request("BYE", ("Reason", 'Q.850;cause=16;text="Normal call clearing"'))
    scene.phone.take(200)
    assert scene.ended() == [(Ending.SUCCESS, "Normal call clearing")]


def test_answer_that_is_none_ends_the_call() -> None:
    """A 200 without a description, or with nonsense."""
    for body in (b"", b"nonsense"):
        scene = Scene()
        scene.phone.accept(scene.call_out(), body=body)
        assert scene.phone.asked("ACK") and scene.phone.asked("BYE")
        assert [ending for ending, _ in scene.ended()] == [Ending.INCOMPATIBLE]


def test_connection_of_a_call_is_used_to_its_end() -> None:
    """Whatever port the phone says that it listens on (and over TLS, whatever its certificate says)."""
    gateway = Gateway("a", "b", {"server": f"sip:{PEER};transport=tcp"}, {})
    protocol, stream = gateway.reactor.dialled()
    stream.clear()
    gateway.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
    invite = parse(stream.value())
    stream.clear()
    fields = (("Contact", f"<sip:phone@{PEER}:5099;transport=tcp>"), ("Content-Type", "application/sdp"))
    protocol.dataReceived(write(respond(invite, 200, "far", fields, SDP)))
    gateway.do(CallEnd(call=C1, ending=Ending.SUCCESS))
    ack, _, bye = stream.value().partition(b"BYE ")
    assert ack.startswith(b"ACK ") and bye and len(gateway.reactor.tcpClients) == 1


def test_refusal_that_cannot_be_read_is_a_refusal() -> None:
    """A 422 that says nothing proper leaves the call as it was."""
    scene = Scene()
    scene.stand()
    scene.gateway.do(CallHold(call=scene.call, held=True))
    scene.phone.respond(scene.phone.asked("INVITE"), 422, ("Min-SE", "x"))
    scene.gateway.do(CallHold(call=scene.call, held=False))
    assert b"a=sendrecv" in scene.phone.asked("INVITE").body and not scene.ended()


# ---- descriptions beside something else, as gateways to the telephone network send them (RFC 5621)

MIXED = ("Content-Type", "multipart/mixed;boundary=b")
MIXTURE = (
    b"--b\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\n\0\1\r\n"
    b"--b\r\nContent-Type: application/sdp\r\n\r\n%s\r\n--b--\r\n"
)


@pytest.mark.spec("RFC 5621")
def test_description_in_a_mixture_is_taken_wherever_it_comes() -> None:
    """In an INVITE and in one of a call that stands; in an answer, and in an ACK."""
    scene = Scene()
    scene.phone.content = MIXED
    scene.ring_in(body=MIXTURE % SDP)
    scene.accept()
    scene.phone.take(200)
    scene.phone.acknowledge()
    scene.phone.offer(MIXTURE % HELD)
    scene.phone.take(200)
    scene.phone.acknowledge_again()
    assert [type(event) for event in scene.gateway.told()] == [CallHold]

    scene = Scene()
    scene.phone.content = MIXED
    scene.phone.accept(scene.call_out(), body=MIXTURE % SDP)
    assert [type(event) for event in scene.gateway.told()] == [CallAnswer]

    scene = Scene()
    scene.phone.content = MIXED
    scene.phone.invite(URI, body=b"")
    [offer] = scene.gateway.told()
    scene.call = offer.call
    scene.accept()
    scene.phone.take(200)
    scene.phone.acknowledge(MIXTURE % SDP)
    assert not ends(scene.gateway.told())


def test_mixture_of_which_more_has_to_be_understood_is_refused() -> None:
    """And what would be, is told."""
    scene = Scene()
    scene.phone.content = MIXED
    scene.phone.invite(URI, body=MIXTURE.replace(b"optional", b"required") % SDP)
    refused = scene.phone.take(415)
    assert {"application/sdp", "multipart/mixed"} <= set(refused.values("Accept"))
    assert scene.gateway.told() == []
