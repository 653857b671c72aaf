"""Somebody's subscription to how a user of ours is."""

from __future__ import annotations

import pytest

from bridge.events import Show
from tests.transports.sip.samples import request
from transports.sip.dialogs.dialog import Ask
from transports.sip.presence.notifier import PACE, Consent, Notifier, begun
from transports.sip.presence.pidf import CLOSED, TYPE, PidfWriter, State, parse_pidf
from transports.sip.wire.message import Request, respond
from transports.sip.wire.uri import Malformed

HERE, BUSY = State(is_open=True), State(is_open=True, show=Show.DND)
CONTACT = (("Contact", "<sip:ann@192.0.2.9>"),)


class Played:
    """A notifier, its clock, and the watcher."""

    def __init__(self, expires: int = 600) -> None:
        self.now = 100.0
        dialog = begun(request("SUBSCRIBE", fields=CONTACT), "ours")
        self.it = Notifier(PidfWriter("sip:romeo@gw.example"), dialog, expires, self.now)

    def begin(self, state: State | None = HERE, consent: Consent = Consent.GRANTED) -> Played:
        self.it.begin(state, consent, self.now)
        return self

    def sent(self) -> Request:
        (ask,) = self.it.events()
        assert isinstance(ask, Ask) and str(ask.next_hop) == "sip:ann@192.0.2.9"
        return ask.request

    def told(self, status: int = 200) -> tuple[str, State | None]:
        """Return what the one NOTIFY says, and answer it."""
        notify = self.sent()
        assert notify.method == "NOTIFY" and notify.get("Event") == "presence"
        self.it.responded(respond(notify, status), self.now)
        state = parse_pidf(notify.body) if notify.body else None
        assert (notify.get("Content-Type") == TYPE) is (state is not None)
        return notify.get("Subscription-State") or "", state

    def again(self, expires: int, number: int = 2) -> int:
        asked = request("SUBSCRIBE", fields=CONTACT, to_tag="ours", number=number)
        return self.it.refresh(asked, expires, self.now)


def test_watcher_is_told_at_once_and_with_each_change() -> None:
    """RFC 6665 §4.2.1; the same again is nothing new."""
    scene = Played().begin()
    assert scene.told() == ("active;expires=600", HERE)
    scene.it.show(BUSY, scene.now)
    assert scene.told() == ("active;expires=600", BUSY)
    scene.it.show(BUSY, scene.now)
    assert scene.it.events() == []


def test_watcher_without_consent_learns_nothing_until_it_is_given() -> None:
    """RFC 8048 §5.3.1: pending, then active; and a user of whom nothing is known has no document."""
    scene = Played().begin(consent=Consent.PENDING)
    assert scene.told() == ("pending;expires=600", None)
    scene.it.show(BUSY, scene.now)
    assert scene.it.events() == []
    scene.it.consent(Consent.GRANTED, scene.now)
    assert scene.told() == ("active;expires=600", BUSY)
    scene.it.consent(Consent.GRANTED, scene.now)
    assert scene.it.events() == []
    assert Played().begin(state=None).told() == ("active;expires=600", None)


def test_consent_that_is_known_from_the_start_needs_no_second_word() -> None:
    """It comes before the first NOTIFY, and is in it."""
    scene = Played()
    scene.it.consent(Consent.GRANTED, scene.now)
    assert scene.begin().told()[0] == "active;expires=600"
    assert scene.it.events() == []


def test_changes_are_told_no_faster_than_the_rfc_allows() -> None:
    """RFC 3856 §6.10: what comes in between is told at last."""
    scene = Played().begin()
    scene.told()
    scene.it.show(BUSY, scene.now)
    scene.told()
    scene.now += 1
    for state in (HERE, CLOSED, HERE):
        scene.it.show(state, scene.now)
    assert scene.it.events() == [] and scene.it.deadline == scene.now - 1 + PACE
    scene.now += PACE - 1
    scene.it.expire(scene.now)
    assert scene.told() == ("active;expires=595", HERE)


def test_notify_waits_for_the_answer_to_the_one_before() -> None:
    """RFC 6665 §4.2.2: and says then how it is then."""
    scene = Played().begin()
    first = scene.sent()
    scene.it.show(BUSY, scene.now)
    scene.it.end("rejected")
    assert scene.it.events() == []
    scene.it.responded(respond(first, 200), scene.now)
    assert not scene.it.is_over
    assert scene.told() == ("terminated;reason=rejected", CLOSED)
    assert scene.it.is_over


@pytest.mark.parametrize("status", [481, 404, 0])
def test_watcher_who_is_gone_is_forgotten(status: int) -> None:
    """RFC 6665 §4.2.2: no such dialog, or nobody answers; a 500 is no such thing."""
    scene = Played().begin()
    scene.it.responded(respond(scene.sent(), status) if status else None, scene.now)
    assert scene.it.is_over and scene.it.deadline is None
    kept = Played().begin()
    kept.told(500)
    assert not kept.it.is_over


def test_subscription_is_renewed_and_runs_out() -> None:
    """Each renewal is answered by a NOTIFY; at the end it says that it ends (RFC 6665 §4.2.1.4)."""
    scene = Played(60).begin()
    scene.told()
    scene.now += 50
    assert scene.again(60) == 200
    assert scene.told() == ("active;expires=60", HERE)
    assert scene.it.deadline == scene.now + 60
    assert scene.again(60) == 500, "the same number again"
    scene.now += 60
    scene.it.expire(scene.now)
    assert scene.told() == ("terminated;reason=timeout", CLOSED)
    assert scene.it.is_over and scene.again(60, 3) == 481


def test_watcher_who_leaves_is_told_for_the_last_time() -> None:
    """RFC 8048 §5.3.3: closed, timeout."""
    scene = Played().begin()
    scene.told()
    assert scene.again(0) == 200
    assert scene.told() == ("terminated;reason=timeout", CLOSED) and scene.it.is_over


def test_poll_is_answered_once_with_how_the_user_is() -> None:
    """RFC 8048 §7.2."""
    scene = Played(0).begin()
    assert scene.told() == ("terminated;reason=timeout", HERE) and scene.it.is_over


def test_subscription_without_a_place_to_tell_is_refused() -> None:
    """Contact is where NOTIFYs go."""
    with pytest.raises(Malformed):
        Notifier(PidfWriter("sip:romeo@gw.example"), begun(request("SUBSCRIBE"), "ours"), 600, 0.0)
    with pytest.raises(Malformed):
        Played().it.refresh(request("SUBSCRIBE", fields=(("Contact", "<tel:1>"),), number=2), 60, 0.0)
