"""A subscription of ours to how a contact is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Show
from tests.transports.sip.wires import tokens
from transports.sip.presence.pidf import CLOSED, PIDF, TYPE, State, write_pidf
from transports.sip.presence.subscriber import (
    AGAIN,
    EXPIRES,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST,
    RARELY,
    TIMER_N,
    Ended,
    Phase,
    Send,
    Shown,
    Subscriber,
)
from transports.sip.wire.headers import CSeq, NameAddr
from transports.sip.wire.message import Fields, Request, Response, respond
from transports.sip.wire.uri import parse_uri

BOB, ROMEO = parse_uri("sip:bob@pbx.example"), parse_uri("sip:romeo%40a.example@gw.example")
AWAY = State(is_open=True, show=Show.AWAY, note="lunch")


class Played:
    """A subscriber, its clock, and the far side."""

    def __init__(self) -> None:
        self.now = 100.0
        self.it = Subscriber(PIDF, NameAddr(uri=BOB), NameAddr(uri=ROMEO), tokens(), lambda: 0.5, self.now)
        self.number = 0

    def asked(self) -> Send:
        """Return the one SUBSCRIBE that is to be sent, and nothing else."""
        (send,) = self.it.events()
        assert isinstance(send, Send)
        return send

    def begin(self) -> Request:
        self.it.expire(self.now)
        return self.asked().request

    def answer(self, asked: Request, status: int = 200, fields: Fields = (("Expires", "3600"),)) -> None:
        self.it.responded(asked.call_id, respond(asked, status, "far", fields), self.now)

    def notify(
        self,
        asked: Request,
        standing: str = "active;expires=3600",
        state: State | None = AWAY,
        tag: str = "far",
        number: int = 0,
        fields: Fields = (),
        event: str = "presence",
        kind: str = TYPE,
    ) -> int:
        self.number = number or self.number + 1
        body = b"" if state is None else write_pidf(str(BOB), state)
        known: Fields = (("Event", event), ("Contact", "<sip:bob@192.0.2.9>"), ("Content-Type", kind))
        notify = Request(
            uri=ROMEO,
            via=(),
            from_=NameAddr(uri=BOB).with_tag(tag),
            to=asked.from_,
            call_id=asked.call_id,
            cseq=CSeq(number=self.number, method="NOTIFY"),
            fields=(("Subscription-State", standing), *fields, *known),
            body=body,
        )
        return self.it.notified(notify, self.now).status

    def stand(self) -> Request:
        asked = self.begin()
        self.answer(asked)
        assert self.notify(asked) == 200
        assert self.it.events() == [Shown(AWAY)]
        return asked

    def later(self, seconds: float) -> None:
        self.now += seconds
        while self.it.deadline is not None and self.it.deadline <= self.now and self.it.phase != Phase.OVER:
            self.it.expire(self.now)

    def wait(self) -> float:
        assert self.it.deadline is not None
        return self.it.deadline - self.now


def test_subscription_asks_is_told_and_is_refreshed_inside_its_dialog() -> None:
    """RFC 6665 §4.1.2, RFC 8048 §5.2: with the number after, to the far side's Contact, before it ends."""
    scene = Played()
    asked = scene.stand()
    assert (asked.method, str(asked.uri), asked.to.tag) == ("SUBSCRIBE", str(BOB), "")
    assert [asked.get(one) for one in ("Event", "Accept", "Expires")] == ["presence", TYPE, str(EXPIRES)]
    assert TIMER_N < EXPIRES - scene.wait() < EXPIRES / 2
    scene.later(scene.wait())
    again = scene.asked()
    assert str(again.next_hop) == "sip:bob@192.0.2.9" == str(again.request.uri)
    assert (again.request.call_id, again.request.to.tag, again.request.cseq.number) == (
        asked.call_id,
        "far",
        2,
    )
    scene.answer(again.request)
    assert scene.notify(asked, state=State(is_open=True)) == 200
    assert scene.it.events() == [Shown(State(is_open=True))] and scene.it.phase is Phase.STANDING


def test_notify_may_come_before_the_response_and_route_the_dialog() -> None:
    """RFC 6665 §4.1.2.4 and §4.4.1: the NOTIFY makes the dialog, with its proxies."""
    scene = Played()
    asked = scene.begin()
    assert scene.notify(asked, fields=(("Record-Route", "<sip:proxy.example;lr>"),)) == 200
    scene.answer(asked, fields=(("Expires", "600"),))
    scene.it.events()
    assert scene.wait() < 600
    scene.later(scene.wait())
    again = scene.asked()
    assert str(again.next_hop) == "sip:proxy.example;lr" and again.request.get("Route")


def test_pending_tells_nothing_and_an_empty_first_notify_that_nobody_is_there() -> None:
    """RFC 8048 §5.2.1; an empty one later changes nothing."""
    scene = Played()
    asked = scene.begin()
    assert scene.notify(asked, "pending;expires=600", state=None) == 200
    assert scene.it.events() == []
    assert scene.notify(asked) == 200 and scene.it.events() == [Shown(AWAY)]
    assert scene.notify(asked, state=None) == 200 and scene.it.events() == []
    fresh = Played()
    assert fresh.notify(fresh.begin(), state=None) == 200 and fresh.it.events() == [Shown(CLOSED)]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"event": "dialog"}, 489),
        ({"event": ";"}, 400),
        ({"standing": ";a=b"}, 400),
        ({"tag": "fork"}, 481),
        ({"number": 1}, 500),
        ({"kind": "text/plain"}, 415),
        ({"fields": (("Contact", "<tel:1>"), ("Contact", "<tel:2>"))}, 400),
    ],
)
def test_notify_that_does_not_fit_is_refused_and_changes_nothing(more: dict, status: int) -> None:
    """RFC 6665 §4.1.3; a second fork is none of ours (RFC 3856 §6.9)."""
    scene = Played()
    asked = scene.stand()
    scene.number = 5
    assert scene.notify(asked, state=CLOSED, **more) == status
    assert scene.it.events() == [] and scene.it.phase is Phase.STANDING


def test_body_that_is_no_pidf_is_refused() -> None:
    """What a person shows is not guessed."""
    scene = Played()
    asked = scene.stand()
    notify = Request(
        uri=ROMEO,
        via=(),
        from_=NameAddr(uri=BOB).with_tag("far"),
        to=asked.from_,
        call_id=asked.call_id,
        cseq=CSeq(number=9, method="NOTIFY"),
        fields=(("Subscription-State", "active"), ("Event", "presence"), ("Content-Type", TYPE)),
        body=b"<presence",
    )
    assert scene.it.notified(notify, scene.now).status == 400


def test_subscription_without_notify_fails_and_is_tried_again_ever_later() -> None:
    """RFC 6665 §4.1.2.4; under another Call-ID, and what comes for the old one is refused."""
    scene = Played()
    first = scene.begin()
    scene.answer(first)
    pauses = []
    for _ in range(12):
        scene.now += scene.wait()
        scene.it.expire(scene.now)
        assert scene.it.events() == [Shown(CLOSED)]
        assert scene.notify(first) == 481
        pauses.append(scene.wait())
        scene.now += scene.wait()
        assert scene.begin().call_id != first.call_id
    assert pauses[0] == FIRST_PAUSE and pauses == sorted(pauses) and pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize(
    ("status", "events", "wait"),
    [
        (403, [Ended(is_refused=True)], None),
        (603, [Ended(is_refused=True)], None),
        (489, [Ended(is_refused=False)], None),
        (501, [Ended(is_refused=False)], None),
        (404, [Shown(CLOSED)], RARELY),
        (480, [Shown(CLOSED)], FIRST_PAUSE),
        (503, [Shown(CLOSED)], FIRST_PAUSE),
    ],
)
def test_refusal_means_what_the_rfc_says(status: int, events: list, wait: float | None) -> None:
    """RFC 8048 §5.2.2: for good, or for now."""
    scene = Played()
    scene.answer(scene.begin(), status, ())
    assert scene.it.events() == events
    assert scene.it.deadline == (None if wait is None else scene.now + wait)


def test_servers_pauses_and_intervals_are_heeded() -> None:
    """Retry-After; Min-Expires of a 423, but not one beyond all measure."""
    scene = Played()
    asked = scene.begin()
    scene.answer(asked, 423, (("Min-Expires", "7200"),))
    again = scene.asked().request
    assert again.get("Expires") == "7200"
    scene.answer(again, 423, (("Min-Expires", str(MOST * 2)),))
    assert scene.it.events() == [Shown(CLOSED)]
    scene.now += scene.wait()
    scene.answer(scene.begin(), 503, (("Retry-After", "900 (lunch)"),))
    assert scene.wait() == 900


def test_refresh_that_fails_leaves_the_subscription_until_it_ends() -> None:
    """RFC 6665 §4.1.2.2: a 500, or silence, is not its end; a 481 is."""
    scene = Played()
    asked = scene.stand()
    scene.later(scene.wait())
    scene.answer(scene.asked().request, 500, ())
    assert scene.it.phase is Phase.STANDING and FIRST_PAUSE <= scene.wait() < TIMER_N
    scene.later(scene.wait())
    scene.it.responded(scene.asked().request.call_id, None, scene.now)
    scene.later(scene.wait())
    scene.answer(scene.asked().request, 481, ())
    assert scene.it.events() == [] and scene.it.phase is Phase.WAITING
    assert scene.begin().call_id != asked.call_id


def test_refresh_that_no_notify_follows_makes_a_new_subscription() -> None:
    """RFC 6665 §4.1.2.2."""
    scene = Played()
    asked = scene.stand()
    scene.later(scene.wait())
    scene.answer(scene.asked().request)
    scene.later(TIMER_N)
    assert scene.asked().request.call_id != asked.call_id


@pytest.mark.parametrize(
    ("standing", "events", "wait"),
    [
        ("terminated;reason=rejected", [Ended(is_refused=True)], None),
        ("terminated;reason=deactivated", [], AGAIN),
        ("terminated;reason=timeout", [], AGAIN),
        ("terminated;reason=giveup;retry-after=500", [Shown(CLOSED)], 500),
        ("terminated;reason=probation", [Shown(CLOSED)], FIRST_PAUSE),
        ("terminated;reason=noresource", [Shown(CLOSED)], RARELY),
        ("terminated", [Shown(CLOSED)], FIRST_PAUSE),
    ],
)
def test_reason_of_the_end_says_whether_to_subscribe_again(
    standing: str, events: list, wait: float | None
) -> None:
    """RFC 6665 §4.1.3."""
    scene = Played()
    asked = scene.stand()
    assert scene.notify(asked, standing, state=None) == 200
    assert scene.it.events() == events
    assert scene.it.deadline == (None if wait is None else scene.now + wait)


def test_who_leaves_says_so_and_takes_the_last_notify() -> None:
    """RFC 6665 §4.1.2.3; who never stood only forgets."""
    scene = Played()
    asked = scene.stand()
    scene.it.leave(scene.now)
    last = scene.asked()
    assert (last.request.get("Expires"), last.request.to.tag) == ("0", "far")
    assert scene.notify(asked, "active;expires=0") == 200 and scene.it.phase is Phase.LEAVING
    assert scene.notify(asked, "terminated;reason=timeout", state=CLOSED) == 200
    assert scene.it.events() == [] and scene.it.phase is Phase.OVER
    silent = Played()
    silent.stand()
    silent.it.leave(silent.now)
    silent.later(TIMER_N)
    assert silent.it.phase is Phase.OVER
    fresh = Played()
    asked = fresh.begin()
    fresh.it.leave(fresh.now)
    assert fresh.it.phase is Phase.OVER and fresh.notify(asked) == 481


def test_way_that_opens_ends_the_wait() -> None:
    """A trunk that answers again is asked at once; what is under way is not disturbed."""
    scene = Played()
    scene.answer(scene.begin(), 503, ())
    scene.it.events()
    scene.it.hurry(scene.now)
    assert scene.wait() == 0
    scene.begin()
    scene.it.hurry(scene.now)
    assert scene.wait() == TIMER_N


def test_number_after_a_challenge_counts() -> None:
    """The retry with credentials used another one, so the refresh has the next."""
    scene = Played()
    asked = scene.begin()
    response = respond(asked, 200, "far", (("Expires", "3600"),))
    retried = Response(
        status=200,
        via=(),
        from_=response.from_,
        to=response.to,
        call_id=asked.call_id,
        cseq=CSeq(number=2, method="SUBSCRIBE"),
    )
    scene.it.responded(asked.call_id, retried, scene.now)
    scene.notify(asked)
    scene.it.events()
    scene.later(scene.wait())
    assert scene.asked().request.cseq.number == 3


STEPS = st.sampled_from(
    [
        *(("answer", one) for one in (200, 403, 404, 423, 481, 489, 500)),
        *(
            ("notify", one)
            for one in (
                "active;expires=60",
                "active;expires=0",
                "pending",
                "strange",
                "terminated;reason=timeout",
                "terminated;reason=rejected",
                "terminated",
                ";",
            )
        ),
        ("later", 1),
        ("later", 100),
        ("later", 5000),
        ("silence", 0),
        ("leave", 0),
        ("hurry", 0),
    ]
)


@given(st.lists(STEPS, max_size=30))
def test_no_order_of_events_leaves_it_stuck_or_asking_without_rest(steps: list) -> None:
    """It is over, or wakes up some time; and asks no more than once for each thing that happens."""
    scene = Played()
    asked = None
    for kind, value in [("later", 0), *steps]:
        before = scene.it.phase
        if kind == "later":
            scene.now += value
            if scene.it.deadline is not None and scene.it.deadline <= scene.now:
                scene.it.expire(scene.now)
        elif kind == "leave":
            scene.it.leave(scene.now)
        elif kind == "hurry":
            scene.it.hurry(scene.now)
        elif asked is not None and kind == "answer":
            scene.answer(asked, value)
        elif asked is not None and kind == "silence":
            scene.it.responded(asked.call_id, None, scene.now)
        elif asked is not None:
            assert scene.notify(asked, value) in (200, 400, 481)
        sends = [one for one in scene.it.events() if isinstance(one, Send)]
        assert len(sends) <= 1
        asked = sends[0].request if sends else asked
        assert (scene.it.deadline is None) is (scene.it.phase is Phase.OVER)
        assert before is not Phase.OVER or (scene.it.phase is Phase.OVER and not sends)
