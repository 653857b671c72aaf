"""Settings, memory, subscriptions, occupancies: answered at once, there again after a restart."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.store import Occupancy, Subscription
from bridge.store.values import MEMORIES_PER_OWNER, SUBSCRIPTIONS_PER_CONTACT, VALUE_BYTES

GW = "irc.example.org"
ROMEO = "romeo@montague.lit"


def test_setting_put_is_answered_at_once_and_after_a_restart(desk):
    """What a user sets holds from that moment on."""
    store = desk.open()
    store.put_setting(GW, ROMEO, "server", "irc.libera.chat", b'{"nick":"romeo"}')
    assert store.get_setting(GW, ROMEO, "server", "irc.libera.chat") == b'{"nick":"romeo"}'
    store = desk.reopen(store)
    assert store.get_setting(GW, ROMEO, "server", "irc.libera.chat") == b'{"nick":"romeo"}'
    assert store.get_setting(GW, ROMEO, "room", "irc.libera.chat") is None
    assert list(store.owners(GW)) == [ROMEO]
    assert list(store.owners("other")) == []


def test_setting_put_again_or_forgotten_leaves_the_last(desk):
    """The last word counts, also when both came within one commit."""
    store = desk.open()
    store.put_setting(GW, ROMEO, "room", "a", b"1")
    store.put_setting(GW, ROMEO, "room", "a", b"2")
    store.put_setting(GW, ROMEO, "room", "b", b"3")
    desk.wait(store.flush())
    store.put_setting(GW, ROMEO, "room", "b", None)
    assert store.get_setting(GW, ROMEO, "room", "b") is None
    store = desk.reopen(store)
    assert store.get_setting(GW, ROMEO, "room", "a") == b"2"
    assert store.get_setting(GW, ROMEO, "room", "b") is None


def test_memory_is_a_view_that_cannot_be_changed(desk):
    """What a network remembers is read only, and changes by `remember` alone."""
    store = desk.open()
    store.remember(GW, ROMEO, "sts", b"\0\xff")
    view = store.memory(GW, ROMEO)
    assert dict(view) == {"sts": b"\0\xff"}
    with pytest.raises(TypeError):
        view["sts"] = b""
    store.remember(GW, ROMEO, "gone", None)
    store = desk.reopen(store)
    assert dict(store.memory(GW, ROMEO)) == {"sts": b"\0\xff"}
    store.remember(GW, ROMEO, "sts", None)
    store = desk.reopen(store)
    assert dict(store.memory(GW, ROMEO)) == {}


def test_memory_beyond_its_bounds_is_refused(sqlite_desk):
    """One user cannot fill the gateway's memory."""
    store = sqlite_desk.open()
    for number in range(MEMORIES_PER_OWNER):
        store.remember(GW, ROMEO, str(number), b"")
    with pytest.raises(BridgeError) as error:
        store.remember(GW, ROMEO, "more", b"")
    assert error.value.trouble is Trouble.TOO_MANY
    store.remember(GW, ROMEO, "7", b"replaced")
    with pytest.raises(BridgeError) as error:
        store.put_setting(GW, ROMEO, "room", "#a", b"x" * (VALUE_BYTES + 1))
    assert error.value.trouble is Trouble.TOO_LONG


def test_subscriptions_are_kept_by_contact_and_domain(desk):
    """Who sees whose presence survives a restart."""
    store = desk.open()
    kept = [
        Subscription(domain=GW, local="", contact=ROMEO, inbound=True, outbound=False),
        Subscription(domain=GW, local="irc.libera.chat", contact=ROMEO, inbound=True, outbound=True),
        Subscription(domain=GW, local="", contact="juliet@capulet.lit", inbound=False, outbound=True),
        Subscription(domain="other", local="", contact=ROMEO, inbound=True, outbound=True),
    ]
    for subscription in kept:
        store.put_subscription(subscription)
    store.drop_subscription(GW, "never", ROMEO)
    store = desk.reopen(store)
    assert sorted(store.subscriptions(GW), key=repr) == sorted(kept[:3], key=repr)
    assert sorted(store.subscriptions(GW, ROMEO), key=repr) == sorted(kept[:2], key=repr)
    store.drop_subscription(GW, "", ROMEO)
    store = desk.reopen(store)
    assert store.subscription(GW, "", ROMEO) is None
    assert store.subscription(GW, "irc.libera.chat", ROMEO) == kept[1]


def test_subscriptions_beyond_the_bound_are_refused(sqlite_desk):
    """A contact list that never ends is refused at some point."""
    store = sqlite_desk.open()
    for number in range(SUBSCRIPTIONS_PER_CONTACT + 1):
        one = Subscription(domain=GW, local=str(number), contact=ROMEO, inbound=True, outbound=True)
        if number < SUBSCRIPTIONS_PER_CONTACT:
            store.put_subscription(one)
    with pytest.raises(BridgeError) as error:
        store.put_subscription(one)
    assert error.value.trouble is Trouble.TOO_MANY


def test_occupancies_are_handed_over_once_and_stay_until_dropped(desk):
    """After a crash the rooms that users were in are known, until they are told otherwise."""
    store = desk.open()
    assert store.put_occupancy(GW, "#a%x", ROMEO, "phone", "romeo", "key")
    store.put_occupancy(GW, "#a%x", ROMEO, "phone", "Romeo", "key")
    store.put_occupancy(GW, "#b%x", ROMEO, "", "romeo")
    store.put_occupancy(GW, "#c%x", ROMEO, "desk", "romeo")
    store.drop_occupancy(GW, "#c%x", ROMEO, "desk")
    expected = [
        Occupancy(room="#a%x", owner=ROMEO, resource="phone", nick="Romeo", password="key"),
        Occupancy(room="#b%x", owner=ROMEO, resource="", nick="romeo"),
    ]
    store = desk.reopen(store)
    assert store.occupancies(GW) == expected
    assert store.occupancies(GW) == []
    store.drop_occupancy(GW, "#a%x", ROMEO, "phone")
    store = desk.reopen(store)
    assert store.occupancies(GW) == expected[1:]
