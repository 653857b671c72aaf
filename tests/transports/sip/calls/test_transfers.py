"""Transfers, with a phone whose every message the test writes."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.calls import (
    CallAnswer,
    CallEnd,
    CallHold,
    CallId,
    CallOffer,
    CallRefused,
    CallTransfer,
    Ending,
)
from bridge.events import ContactId, UserId
from tests.transports.sip.calling import AUDIO, ROMEO, TO_JULIET, Gateway, described
from tests.transports.sip.phone import Phone
from tests.transports.sip.wires import PEER
from transports.sip.calls.transfers import PATIENCE

C1 = CallId("c1")
CAROL = ContactId("carol@b.gw")


class Scene:
    """A user in a call with a phone behind the trunk."""

    def __init__(self, is_incoming: bool = False, **trunk: Any) -> None:
        self.gateway = Gateway("a", "b", trunk, {})
        self.phone = Phone(self.gateway.reactor, PEER)
        self.phone.answer_all(200)
        if is_incoming:
            self.phone.invite("sip:romeo%40a.example@a.gw")
            [offer] = self.gateway.told()
            self.call = offer.call
            self.gateway.do(CallAnswer(call=self.call, description=described("audio0")))
            self.phone.take(200)
            self.phone.acknowledge()
        else:
            self.call = C1
            self.gateway.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
            self.phone.accept(self.phone.asked("INVITE"))
            self.gateway.told()
            self.phone.asked("ACK")

    def told(self) -> list[Any]:
        return self.gateway.told()


@pytest.mark.parametrize("is_incoming", [False, True])
def test_peer_sends_us_to_somebody_else_and_the_user_does_not_notice(is_incoming: bool) -> None:
    """The new call is made, NOTIFYs tell how it goes, and the old one is ended."""
    scene = Scene(is_incoming)
    phone = scene.phone
    phone.request("REFER", ("Refer-To", "<sip:carol@b.gw>"), ("Referred-By", "<sip:juliet@b.gw>"))
    phone.take(202)
    first = phone.asked("NOTIFY")
    assert first.body == b"SIP/2.0 100 Trying\r\n" and first.get("Subscription-State") == "active;expires=180"
    phone.respond(first, 200)
    invite = phone.asked("INVITE")
    assert str(invite.uri) == "sip:carol@b.gw" and invite.get("Referred-By") == "<sip:juliet@b.gw>"
    phone.respond(invite, 180, tag="carol")
    phone.respond(phone.asked("NOTIFY"), 200)
    phone.accept(invite, tag="carol")
    last = phone.asked("NOTIFY")
    assert last.body.startswith(b"SIP/2.0 200") and "terminated" in (last.get("Subscription-State") or "")
    phone.respond(last, 200)
    assert phone.asked("ACK").to.tag == "carol"
    phone.respond(phone.asked("BYE"), 200)
    assert scene.told() == []
    scene.gateway.do(CallHold(call=scene.call, held=True))
    assert phone.asked("INVITE").to.tag == "carol"


def test_peer_may_hang_up_before_its_transfer_is_through() -> None:
    """As in a blind transfer; should nobody answer there, the call is over."""
    scene = Scene()
    phone = scene.phone
    phone.request("REFER", ("Refer-To", "<sip:carol@b.gw>"))
    phone.take(202)
    phone.request("BYE")
    phone.take(200)
    assert scene.told() == []
    phone.respond(phone.asked("INVITE"), 486, tag="carol")
    assert [event.ending for event in scene.told()] == [Ending.BUSY]


def test_transfer_that_fails_leaves_the_call_as_it_was() -> None:
    """And the peer is told why; it may try again."""
    scene = Scene()
    phone = scene.phone
    for _ in range(2):
        phone.request("REFER", ("Refer-To", "<sip:carol@b.gw>"))
        phone.take(202)
        phone.respond(phone.asked("NOTIFY"), 200)
        phone.respond(phone.asked("INVITE"), 404, tag="x")
        last = phone.asked("NOTIFY")
        assert last.body == b"SIP/2.0 404 Not Found\r\n"
        phone.respond(last, 200)
    assert scene.told() == []
    scene.gateway.do(CallHold(call=C1, held=True))
    assert phone.asked("INVITE").to.tag == "far"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("<sip:911@b.gw>", 202),
        ("<sip:+4930@b.gw;user=phone>", 403),
        ("<sip:04930123;x=y@far.example>", 403),
        ("<tel:+4930>", 403),
        ("<tel:911>", 403),
        ("<mailto:x@y>", 404),
        ("nonsense", 400),
        ("<sip:a@b.gw>, <sip:c@b.gw>", 400),
    ],
)
def test_peer_cannot_have_us_call_what_the_user_may_not(target: str, status: int) -> None:
    """Numbers need a way of their own; names behind the trunk are the trunk's matter."""
    scene = Scene()
    scene.phone.request("REFER", ("Refer-To", target))
    scene.phone.take(status)


def test_attended_transfer_names_the_call_that_is_replaced() -> None:
    """What the peer says of it is passed on (RFC 3891 §6.1)."""
    scene = Scene()
    scene.phone.request(
        "REFER", ("Refer-To", "<sip:carol@b.gw?Replaces=cid%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>")
    )
    scene.phone.take(202)
    invite = scene.phone.asked("INVITE")
    assert invite.get("Replaces") == "cid@x;to-tag=1;from-tag=2" and invite.requires("replaces")


def test_call_is_taken_over_by_an_invite_with_replaces() -> None:
    """Of the same trunk; the user does not notice."""
    scene = Scene()
    phone = scene.phone
    dialog = phone.dialog
    replaced = f"{dialog.call_id};to-tag={dialog.remote.tag};from-tag={dialog.local.tag}"
    phone.invite("sip:romeo%40a.example@a.gw", ("Replaces", replaced), tag="carol", call_id="new")
    phone.take(200)
    bye = phone.asked("BYE")
    assert bye.to.tag == "far"
    phone.respond(bye, 200)
    phone.acknowledge()
    assert scene.told() == []
    scene.gateway.do(CallEnd(call=C1, ending=Ending.SUCCESS))
    assert phone.asked("BYE").to.tag == "carol"


def test_what_cannot_be_replaced_is_refused() -> None:
    """Another's call, none at all, and what cannot be read."""
    scene = Scene()
    phone = scene.phone
    dialog = phone.dialog
    known = f"{dialog.call_id};to-tag={dialog.remote.tag};from-tag={dialog.local.tag}"
    for number, (replaced, user, status) in enumerate(
        (
            ("no@where;to-tag=1;from-tag=2", "romeo", 481),
            (f"{known};early-only", "romeo", 486),
            (known, "mallory", 403),
            ("nonsense", "romeo", 400),
        )
    ):
        uri = f"sip:{user}%40a.example@a.gw"
        phone.invite(uri, ("Replaces", replaced), tag=f"t{number}", call_id=f"n{number}")
        phone.take(status)
        phone.acknowledge_failure()
    assert scene.told() == [] and len(scene.gateway.calls) == 1


def test_user_sends_the_peer_on() -> None:
    """REFER; once the peer has somebody, the call is over."""
    scene = Scene()
    phone = scene.phone
    scene.gateway.do(CallTransfer(call=C1, contact=CAROL))
    refer = phone.asked("REFER")
    assert refer.get("Refer-To") == "<sip:carol@b.gw>" and "romeo" in (refer.get("Referred-By") or "")
    phone.respond(refer, 202)
    phone.notify("SIP/2.0 100 Trying")
    phone.take(200)
    phone.notify("SIP/2.0 200 OK")
    phone.take(200)
    assert scene.told() == [CallEnd(call=C1, ending=Ending.SUCCESS)]
    assert phone.asked("BYE")


@pytest.mark.parametrize("how", ["refused", "failed", "silent", "forbidden", "nonsense"])
def test_user_is_told_that_the_peer_was_not_sent_on(how: str) -> None:
    """The call goes on."""
    scene = Scene()
    phone = scene.phone
    contact = ContactId("+4930") if how == "forbidden" else CAROL
    scene.gateway.do(CallTransfer(call=C1, contact=contact, replaces=C1 if how == "nonsense" else None))
    if how in ("refused", "failed", "silent"):
        phone.respond(phone.asked("REFER"), 603 if how == "refused" else 202)
    if how == "failed":
        phone.notify("SIP/2.0 486 Busy Here")
        phone.take(200)
    if how == "silent":
        scene.gateway.reactor.advance(PATIENCE + 1)
    assert scene.told() == [CallRefused(call=C1)] and len(scene.gateway.calls) == 1


def test_user_connects_two_calls_of_his() -> None:
    """The peer is told to take over the other call (RFC 3515 with Replaces)."""
    scene = Scene()
    phone = scene.phone
    first = phone.dialog
    scene.gateway.do(CallOffer(call=CallId("c2"), contact=CAROL, description=AUDIO))
    phone.accept(phone.asked("INVITE"), tag="carol")
    second = phone.dialog
    phone.asked("ACK")
    phone.dialog = first
    scene.gateway.do(CallTransfer(call=C1, contact=CAROL, replaces=CallId("c2")))
    told = phone.asked("REFER").get("Refer-To") or ""
    assert second.call_id in told and "to-tag%3Dcarol" in told


def test_redirected_call_goes_where_it_is_sent_and_not_round_and_round() -> None:
    """RFC 3261 §8.1.3.4, with a limit."""
    gateway = Gateway("a", "b", {}, {})
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    gateway.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
    for number in range(6):
        invite = phone.asked("INVITE")
        assert not number or str(invite.uri) == f"sip:next{number}@192.0.2.77"
        phone.respond(invite, 302, ("Contact", f"<sip:next{number + 1}@192.0.2.77>"), tag=f"r{number}")
    assert [event.ending for event in gateway.told()] == [Ending.ALTERNATIVE]
    assert gateway.user == ROMEO and gateway.is_forgotten


@pytest.mark.spec("RFC 5627 §4.5")
@pytest.mark.parametrize("gruu", [";gr=urn:uuid:1", ";gr"])
def test_device_that_a_peer_names_is_the_one_that_is_called(gruu: str) -> None:
    """Over the open network, too; what else is said of where it is does not count."""
    gateway = Gateway("a", "b", {}, {"federation": True, "allowed_peers": ("192.0.2.0/24",)})
    phone = Phone(gateway.reactor, "192.0.2.66")
    phone.answer_all(200)
    gateway.do(CallOffer(call=C1, contact=ContactId("bob@192.0.2.66"), description=AUDIO))
    target = f"<sip:carol@192.0.2.66;maddr=192.0.2.99{gruu}>"
    phone.respond(phone.asked("INVITE"), 302, ("Contact", target))
    assert str(phone.asked("INVITE").uri) == f"sip:carol@192.0.2.66{gruu}"


def test_peer_connects_two_users_of_ours() -> None:
    """Attended transfer: the PBX brings our own INVITE back to us, and it takes over its other call."""
    scene = Scene()
    phone, mercutio = scene.phone, UserId("mercutio@a.example")
    first = phone.dialog
    phone.invite("sip:mercutio%40a.example@a.gw", call_id="second", tag="bob")
    [(user, offer)] = scene.gateway.bridge.taken()
    assert user == mercutio
    scene.gateway.do(CallAnswer(call=offer.call, description=described("audio0")), user=mercutio)
    phone.take(200)
    phone.acknowledge()
    second, phone.dialog = phone.dialog, first
    replaces = f"second%3Bto-tag%3D{second.remote.tag}%3Bfrom-tag%3Dbob"
    phone.request("REFER", ("Refer-To", f"<sip:mercutio%40a.example@a.gw?Replaces={replaces}>"))
    phone.take(202)
    sent = phone.asked("INVITE")
    phone.pass_on(sent)
    answer = phone.take(200)
    phone.respond(phone.asked("BYE"), 200)
    contact = ("Contact", answer.get("Contact") or "")
    phone.respond(
        sent, 200, contact, ("Content-Type", "application/sdp"), tag=answer.to.tag, body=answer.body
    )
    phone.respond(phone.asked("BYE"), 200)
    assert len(scene.gateway.calls) == 2 and not scene.gateway.told()
    assert phone.asked("ACK").to.tag == answer.to.tag
