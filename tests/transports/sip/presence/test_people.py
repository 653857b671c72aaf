"""Presence both ways, in front of a SIP server in memory."""

from __future__ import annotations

from msgspec.structs import replace

from bridge.events import (
    ContactId,
    ContactPresence,
    Presence,
    PresenceConsent,
    PresenceRefused,
    PresenceRequest,
    Show,
    Subscribe,
    Unsubscribe,
    UserId,
)
from tests.transports.sip.samples import request
from tests.transports.sip.test_network import BOB, PBX, ROMEO, STRANGER, Scene
from tests.transports.sip.wires import PEER
from transports.sip.presence.notifier import LEAST
from transports.sip.presence.pidf import TYPE, State, parse_pidf, write_pidf
from transports.sip.presence.subscriber import FIRST_PAUSE, TIMER_N
from transports.sip.presence.watchers import REFUSED_FOR, WATCHERS_OF_ONE
from transports.sip.presence.watching import PACE
from transports.sip.wire.headers import CSeq, NameAddr
from transports.sip.wire.message import Fields, Request, Response, write
from transports.sip.wire.uri import parse_uri

HERE, AWAY = State(is_open=True), State(is_open=True, show=Show.AWAY, note="lunch")
GRANTED = PresenceConsent(contact=BOB, granted=True)


def subscribed(scene: Scene, contact: ContactId = BOB, user: UserId = ROMEO) -> Request:
    """Have a user subscribe; return the SUBSCRIBE."""
    scene.network.submit(user, Subscribe(contact=contact))
    scene.reactor.advance(PACE)
    [asked] = scene.asked()
    assert asked.method == "SUBSCRIBE"
    return asked


def notify(
    scene: Scene,
    asked: Request,
    state: State | None = AWAY,
    standing: str = "active;expires=3600",
    number: int = 1,
    host: str = PEER,
) -> int:
    """Have the far side notify; return our answer."""
    sent = Request(
        uri=parse_uri("sip:romeo@192.0.2.1"),
        via=request(branch=f"z9hG4bKn{number}{asked.call_id}").via,
        from_=asked.to.with_tag("far"),
        to=asked.from_,
        call_id=asked.call_id,
        cseq=CSeq(number=number, method="NOTIFY"),
        fields=(
            ("Event", "presence"),
            ("Subscription-State", standing),
            ("Contact", f"<sip:bob@{host}>"),
            ("Content-Type", TYPE),
        ),
        body=b"" if state is None else write_pidf("sip:bob@pbx.example", state),
    )
    scene.reactor.arrive(write(sent), host)
    [answer] = scene.answers()
    return answer


def presence(**how) -> tuple[UserId, ContactPresence]:
    return ROMEO, ContactPresence(contact=BOB, **how)


# ---- whom users watch


def test_user_sees_how_a_contact_is_as_long_as_he_subscribes() -> None:
    """RFC 8048 §5.2: SUBSCRIBE under his address, with a Contact; NOTIFYs; and an end by Expires 0."""
    scene = Scene().up()
    asked = subscribed(scene)
    assert (str(asked.uri), str(asked.from_.uri)) == (
        "sip:bob@pbx.example",
        "sip:romeo%40example.org@gw.example",
    )
    assert asked.get("Contact") == "<sip:romeo%40example.org@192.0.2.1:5060>"
    scene.reply(asked, fields=(("Expires", "3600"),))
    assert scene.bridge.taken() == []
    assert notify(scene, asked) == 200
    assert scene.bridge.taken() == [presence(available=True, show=Show.AWAY, status="lunch")]
    scene.network.submit(ROMEO, Subscribe(contact=BOB))
    assert scene.asked() == [], "it stands already"
    scene.network.submit(ROMEO, Unsubscribe(contact=BOB))
    [last] = scene.asked()
    assert (last.get("Expires"), str(last.uri)) == ("0", f"sip:bob@{PEER}")
    assert notify(scene, asked, None, "terminated;reason=timeout", 2) == 200
    assert notify(scene, asked, None, number=3) == 481
    assert scene.bridge.taken() == []


def test_subscription_is_refreshed_by_itself() -> None:
    """RFC 8048 §5.2.2; when the far side has forgotten it, another one begins."""
    scene = Scene(trunks={"pbx": PBX}).up()
    asked = subscribed(scene)
    scene.reply(asked)
    notify(scene, asked, standing="active;expires=600")
    scene.reactor.advance(600 - TIMER_N)
    [again] = [one for one in scene.asked() if one.method == "SUBSCRIBE"]
    assert again.call_id == asked.call_id and again.get("Contact")
    scene.reply(again, 481)
    scene.reactor.advance(PACE)
    [anew] = [one for one in scene.asked() if one.method == "SUBSCRIBE"]
    assert anew.call_id != asked.call_id


def test_contact_who_refuses_is_no_contact_any_more() -> None:
    """RFC 8048 §5.2.2: 403; the bridge takes the subscription back."""
    scene = Scene().up()
    scene.reply(subscribed(scene), 403)
    assert scene.bridge.taken() == [(ROMEO, PresenceRefused(contact=BOB))]
    subscribed(scene)


def test_contact_without_presence_is_there_while_his_trunk_is() -> None:
    """489: he cannot tell; so of a number, whatever its refusal means, and of one that is never asked."""
    scene = Scene().up()
    scene.reply(subscribed(scene), 489)
    assert scene.bridge.taken() == [presence(available=True)]
    number = ContactId("+15551234")
    scene.network.submit(ROMEO, Subscribe(contact=number))
    assert scene.asked() == []
    assert scene.bridge.taken() == [(ROMEO, ContactPresence(contact=number, available=True))]
    short = Scene(trunks={"pbx": replace(PBX, numbers=("4???",))}).up()
    short.reply(subscribed(short, ContactId("4712")), 403)
    assert short.bridge.taken() == [(ROMEO, ContactPresence(contact=ContactId("4712"), available=True))]
    silent = Scene(trunks={"pbx": replace(PBX, presence=False)}).up()
    silent.network.submit(ROMEO, Subscribe(contact=BOB))
    assert silent.bridge.taken() == [presence(available=True)] and silent.asked() == []


def test_contact_to_whom_no_way_leads_is_away() -> None:
    """Nobody is asked."""
    scene = Scene().up()
    far = ContactId("eve@far.example")
    scene.network.submit(ROMEO, Subscribe(contact=far))
    assert scene.bridge.taken() == [(ROMEO, ContactPresence(contact=far, available=False))]


def test_stranger_is_asked_where_federation_is_open() -> None:
    """His NOTIFY is known by words that nobody can guess."""
    scene = Scene(federation=True).up()
    far = ContactId("eve@far.example")
    asked = subscribed(scene, far)
    assert notify(scene, asked, HERE, host=STRANGER) == 200
    assert scene.bridge.taken() == [(ROMEO, ContactPresence(contact=far, available=True))]
    assert notify(scene, replace(asked, call_id="guessed"), host=STRANGER) == 481


def test_many_who_subscribe_at_once_are_asked_one_after_the_other() -> None:
    """As after a start."""
    scene = Scene().up()
    for number in range(10):
        scene.network.submit(ROMEO, Subscribe(contact=ContactId(f"b{number}@pbx.example")))
    scene.reactor.advance(0)
    assert len(scene.asked()) == 1
    scene.reactor.pump([PACE] * 9)
    assert len(scene.asked()) == 9


def test_trunk_that_comes_back_is_asked_at_once() -> None:
    """What failed with it does not wait."""
    scene = Scene()
    [options] = scene.asked()
    scene.network.submit(ROMEO, Subscribe(contact=BOB))
    scene.reactor.advance(0)
    scene.reply(scene.asked()[0], 503)
    assert scene.bridge.taken() == [presence(available=False)]
    scene.reply(options)
    scene.reactor.advance(0)
    assert [one.method for one in scene.asked()] == ["SUBSCRIBE"]
    assert FIRST_PAUSE > 0


# ---- who watches users


def watch(
    scene: Scene,
    expires: str = "600",
    *,
    number: int = 1,
    to_tag: str = "",
    call: str = "1",
    more: Fields = (),
    event: str = "presence",
    sender: str = "sip:bob@pbx.example",
    host: str = PEER,
) -> Response:
    """Have somebody subscribe to Romeo; return our answer, and leave what else was sent."""
    asked = request(
        "SUBSCRIBE",
        uri="sip:romeo%40example.org@gw.example",
        branch=f"z9hG4bKw{call}{number}",
        from_tag=f"w{call}",
        to_tag=to_tag,
        number=number,
        fields=(
            ("Event", event),
            ("Contact", f"<sip:bob@{host}>"),
            *((("Expires", expires),) if expires else ()),
            *more,
            ("User-Agent", "x" * 60),
        ),
    )
    asked = replace(asked, from_=NameAddr(uri=parse_uri(sender), display="Bob").with_tag(f"w{call}"))
    scene.reactor.arrive(write(asked), host)
    scene.others = scene.reactor.taken()
    [answer] = [one for one in scene.others if isinstance(one, Response)]
    return answer


def notifies(scene: Scene) -> list[Request]:
    """Return the NOTIFYs that were sent, and forget what else was."""
    asked = [one for one in (*scene.others, *scene.asked()) if isinstance(one, Request)]
    scene.others = []
    return [one for one in asked if one.method == "NOTIFY"]


def told(scene: Scene, status: int = 200) -> list[tuple[str, State | None]]:
    """Return what NOTIFYs say, and answer them."""
    asked = [one for one in (*getattr(scene, "others", ()), *scene.asked()) if isinstance(one, Request)]
    scene.others = []
    notifies = [one for one in asked if one.method == "NOTIFY"]
    for one in notifies:
        scene.reply(one, status)
        assert one.get("Contact") == "<sip:romeo%40example.org@192.0.2.1:5060>"
    return [
        (one.get("Subscription-State") or "", parse_pidf(one.body) if one.body else None) for one in notifies
    ]


def test_watcher_learns_how_the_user_is_when_he_says_yes() -> None:
    """RFC 8048 §5.3: pending, asked, active, and each change after it."""
    scene = Scene().up()
    scene.network.submit(ROMEO, Presence(show=Show.AWAY, status="asleep"))
    answer = watch(scene)
    assert (answer.status, answer.get("Expires")) == (200, "600") and answer.to.tag
    assert scene.bridge.taken() == [(ROMEO, PresenceRequest(contact=BOB, nick="Bob"))]
    assert told(scene) == [("pending;expires=600", None)]
    scene.network.submit(ROMEO, GRANTED)
    assert told(scene) == [("active;expires=600", State(is_open=True, show=Show.AWAY, note="asleep"))]
    scene.network.submit(ROMEO, Presence(show=Show.AVAILABLE, available=False))
    assert told(scene) == [("active;expires=600", State(is_open=False))]
    assert watch(scene, "0", number=2, to_tag=answer.to.tag).status == 200
    assert [standing for standing, _ in told(scene)] == ["terminated;reason=timeout"]
    assert watch(scene, number=3, to_tag=answer.to.tag).status == 481


def test_stranger_is_told_where_he_wrote_from() -> None:
    """Not where his Contact says: that may be somebody who never asked, and gets all of them again and again."""
    scene = Scene(federation=True).up()
    asked = request(
        "SUBSCRIBE",
        uri="sip:romeo%40example.org@gw.example",
        fields=(("Event", "presence"), ("Contact", "<sip:victim@8.8.8.8>"), ("User-Agent", "x" * 99)),
    )
    asked = replace(asked, from_=NameAddr(uri=parse_uri("sip:eve@far.example")).with_tag("w"))
    scene.reactor.arrive(write(asked), STRANGER, 5099)
    scene.reactor.advance(5)
    sent = {address for data, address in scene.reactor.ports[0].sent if data.startswith(b"NOTIFY")}
    assert sent == {(STRANGER, 5099)}


def test_stranger_is_told_nothing_twice_until_he_has_answered() -> None:
    """His address may be another's; once an answer came from there, NOTIFY is sent until it is heard."""
    scene = Scene(federation=True).up()
    watch(scene, host=STRANGER, sender="sip:eve@far.example")
    [first] = notifies(scene)
    for _ in range(20):
        scene.reactor.advance(0.5)
    assert not notifies(scene)
    scene.reply(first, host=STRANGER)
    eve = ContactId("eve@far.example")
    scene.network.submit(ROMEO, PresenceConsent(contact=eve, granted=True))
    for _ in range(4):
        scene.reactor.advance(0.5)
    again = notifies(scene)
    assert len(again) == 3 and len({one.cseq for one in again}) == 1


def test_stranger_who_never_answers_is_forgotten() -> None:
    """After one NOTIFY."""
    scene = Scene(federation=True).up()
    watch(scene, host=STRANGER, sender="sip:eve@far.example")
    for _ in range(70):
        scene.reactor.advance(0.5)
    assert len(notifies(scene)) == 1
    assert not scene.network._people._watchers._watchers


def test_user_who_says_no_is_not_asked_again_and_again() -> None:
    """RFC 8048 §5.3.1: rejected; a phone that comes again every minute hears 403."""
    scene = Scene().up()
    watch(scene)
    told(scene)
    scene.network.submit(ROMEO, replace(GRANTED, granted=False))
    assert told(scene) == [("terminated;reason=rejected", None)]
    scene.bridge.taken()
    assert watch(scene, call="2").status == 403 and scene.bridge.taken() == []
    scene.reactor.advance(REFUSED_FOR + 1)
    scene.asked()
    assert watch(scene, call="3").status == 200
    assert len(scene.bridge.taken()) == 1


def test_watcher_who_was_allowed_once_is_told_at_once() -> None:
    """The bridge knows, and answers before the first NOTIFY; a poll too (RFC 8048 §7.2)."""
    scene = Scene().up()
    deliver = scene.bridge.deliver

    def consenting(user, events) -> None:
        deliver(user, events)
        scene.network.submit(user, GRANTED)

    scene.bridge.deliver = consenting
    scene.network.submit(ROMEO, Presence(show=Show.AVAILABLE))
    watch(scene)
    assert told(scene) == [("active;expires=600", HERE)]
    watch(scene, "0", call="2")
    assert told(scene) == [("terminated;reason=timeout", HERE)]


def test_request_that_cannot_be_served_is_refused() -> None:
    """RFC 6665 §4.2.1.1."""
    scene = Scene().up()
    assert watch(scene, event="dialog", call="1").get("Allow-Events") == "presence"
    assert watch(scene, str(LEAST - 1), call="2").get("Min-Expires") == str(LEAST)
    assert watch(scene, "soon", call="3").status == 400
    assert watch(scene, call="4", more=(("Accept", "text/plain"),)).status == 406
    assert watch(scene, call="5", more=(("Contact", "<sip:two@pbx.example>"),)).status == 400
    assert watch(scene, call="6", sender="sip:eve@far.example", host=STRANGER).status == 403
    assert watch(scene, "999999", call="7").get("Expires") == "7200"
    assert watch(scene, "", call="8").get("Expires") == "3600"
    answer = watch(scene, call="9")
    assert watch(scene, "1", call="9", number=2, to_tag=answer.to.tag).status == 423
    assert watch(scene, "soon", call="9", number=3, to_tag=answer.to.tag).status == 400


def test_watchers_of_one_user_are_bounded_and_forgotten_when_gone() -> None:
    """503 when there are too many; who does not answer, or answers 481, makes room."""
    scene = Scene().up()
    for number in range(WATCHERS_OF_ONE):
        assert watch(scene, call=f"a{number}").status == 200
        if number < WATCHERS_OF_ONE - 1:
            told(scene)
    assert watch(scene, call="more").status == 503
    scene.others = []
    scene.network.submit(ROMEO, GRANTED)
    told(scene, 481)
    assert watch(scene, call="then").status == 200


def test_subscription_that_is_not_renewed_runs_out() -> None:
    """Its end is told (RFC 6665 §4.2.1.4)."""
    scene = Scene().up()
    watch(scene, "60")
    told(scene)
    scene.reactor.advance(60)
    assert told(scene) == [("terminated;reason=timeout", None)]
