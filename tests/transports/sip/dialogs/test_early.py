"""UPDATE before a call is answered, as the peer sees it."""

from __future__ import annotations

import pytest

from bridge.calls import CallAnswer, CallOffer, CallRinging
from tests.transports.sip.calling import AUDIO, TO_JULIET, Gateway, described
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import PEER
from transports.sip.dialogs.dialog import Dialog
from transports.sip.dialogs.early import PAUSE
from transports.sip.wire.message import Request, Response

MOVED = SDP.replace(b"192.0.2.9", b"192.0.2.10").replace(b"ann 7 7", b"ann 7 8")
RELIABLE = (("Require", "100rel"), ("RSeq", "1"))


class Scene:
    """A gateway, and a phone behind its trunk, with a dialog that is early."""

    def __init__(self) -> None:
        self.gateway = Gateway("a", "b", {}, {})
        self.phone = Phone(self.gateway.reactor, PEER)
        self.phone.answer_all(200)

    def ring_in(self, body: bytes = SDP) -> Scene:
        """The phone calls, and hears that it rings."""
        self.phone.invite("sip:romeo%40a.example@a.gw", body=body)
        [offer] = self.gateway.told()
        self.call = offer.call
        self.gateway.do(CallRinging(call=offer.call))
        self.phone._read()
        [ringing] = [one for one in self.phone.got if isinstance(one, Response)]
        self.phone.got.clear()
        self.phone.dialog = self.phone.dialog_of(ringing)
        return self

    def ring_out(self, *fields: tuple[str, str], body: bytes = b"") -> Scene:
        """The phone is called, and rings."""
        self.gateway.do(CallOffer(call="c1", contact=TO_JULIET, description=AUDIO))
        self.invite = self.phone.asked("INVITE")
        self.phone.dialog = Dialog.of_server(self.invite, "far", 100)
        self.phone.respond(self.invite, 183 if body else 180, *fields, body=body)
        self.gateway.told()
        return self

    def update(self, body: bytes) -> Response:
        self.phone._read()
        self.phone.got.clear()
        self.phone.offer(body, "UPDATE")
        return self.phone.take_of("UPDATE")


def test_update_without_an_offer_says_where_the_peer_is() -> None:
    """The next request of ours goes there."""
    for scene in (Scene().ring_in(), Scene().ring_out()):
        scene.phone.contact = ("Contact", f"<sip:moved@{PEER}>")
        answer = scene.update(b"")
        assert answer.status == 200 and answer.get("Contact")
    scene.phone.respond(scene.invite, 200, body=SDP)
    assert [type(event) for event in scene.gateway.told()] == [CallAnswer]


@pytest.mark.spec("RFC 3311 §5.2")
def test_offer_before_the_offer_of_the_invite_is_answered_has_to_wait() -> None:
    """500, with a time to come again that nobody knows before."""
    pauses = set()
    for _ in range(3):
        scene = Scene().ring_in()
        answers = [scene.update(MOVED) for _ in range(4)]
        assert {one.status for one in answers} == {500}
        pauses |= {int(one.get("Retry-After") or "-1") for one in answers}
    assert len(pauses) > 1 and pauses <= set(range(PAUSE + 1))
    assert Scene().ring_in(b"").update(MOVED).status == 500


@pytest.mark.spec("RFC 3311 §5.2")
def test_offer_that_crosses_ours_is_refused() -> None:
    """491; the call goes on."""
    scene = Scene().ring_out()
    assert scene.update(MOVED).status == 491
    scene.phone.respond(scene.invite, 200, body=SDP)
    assert [type(event) for event in scene.gateway.told()] == [CallAnswer]


@pytest.mark.spec("RFC 3311 §5.2")
def test_what_is_agreed_on_is_said_again_and_anything_else_would_ask_the_user() -> None:
    """After a reliable answer: 200 with our description, or 504."""
    scene = Scene().ring_out(*RELIABLE, body=SDP)
    assert isinstance(scene.phone.asked("PRACK"), Request)
    again = scene.update(SDP)
    assert (again.status, again.body) == (200, scene.invite.body)
    assert scene.update(MOVED).status == 504


def test_what_is_malformed_or_comes_too_late_changes_nothing() -> None:
    """A description, a Contact, and a number that was before."""
    scene = Scene().ring_in()
    assert scene.update(b"v=0").status == 488
    scene.phone.contact = ("Contact", "<tel:1>")
    assert scene.update(b"").status == 400
    scene.phone.contact = ("Contact", f"<sip:phone@{PEER}>")
    scene.phone.dialog.local_cseq -= 1
    assert scene.update(b"").status == 500


def test_update_between_the_answer_and_its_ack_has_to_wait() -> None:
    """The call stands in a moment."""
    scene = Scene().ring_in()
    scene.gateway.do(CallAnswer(call=scene.call, description=described("audio0")))
    assert scene.update(MOVED).status == 500
