"""Who is in a room, put together from what several guests are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Kick, Leave, NickChange, Occupant, OccupantChange, RoomId
from bridge.services.guests import roster as module
from bridge.services.guests.roster import Roster
from bridge.xmpp.payloads.muc import MucItem, MucUser

ROOM = RoomId("verona@muc.example")
GONE = MucUser()


def test_one_who_sees_less_takes_nothing_away():
    """A moderator of ours is shown the address, another guest is not."""
    roster = Roster(ROOM)
    full = Occupant(nick="romeo", address="romeo@montague.example/x", identity="romeo@montague.example")
    roster.there(full, listening=True)
    assert roster.there(Occupant(nick="romeo", identity="o1"), listening=True) == []
    assert roster.get("romeo") == full


def test_who_went_is_gone_whoever_was_told():
    """The listener may have been lost."""
    roster = Roster(ROOM)
    roster.there(Occupant(nick="romeo"), listening=True)
    assert roster.gone("romeo", GONE, "bye") == [Leave(room=ROOM, nick="romeo", reason="bye")]
    assert roster.gone("romeo", GONE, "bye") == []


def test_kick_and_ban_are_told_apart():
    """XEP-0045 §8.2, §9.1."""
    roster = Roster(ROOM)
    for code, banned in ((307, False), (301, True)):
        roster.there(Occupant(nick="romeo"), listening=True)
        user = MucUser(item=MucItem(actor="nurse", reason="out"), codes=frozenset({code}))
        kick = Kick(room=ROOM, nick="romeo", actor="nurse", reason="out", banned=banned)
        assert roster.gone("romeo", user, "") == [kick]


def test_new_nick_keeps_the_person():
    """XEP-0045 §7.6: two presences are one change."""
    roster = Roster(ROOM)
    roster.there(Occupant(nick="romeo"), listening=True)
    user = MucUser(item=MucItem(nick="montague"), codes=frozenset({303}))
    assert roster.gone("romeo", user, "") == []
    new = Occupant(nick="montague")
    assert roster.there(new, listening=True) == [NickChange(room=ROOM, old="romeo", occupant=new)]


def test_room_of_too_many_is_cut(monkeypatch):
    """What is kept has a bound."""
    monkeypatch.setattr(module, "MAX_OCCUPANTS", 2)
    roster = Roster(ROOM)
    told = [roster.there(Occupant(nick=nick), listening=True) for nick in "abc"]
    assert [len(events) for events in told] == [1, 1, 0]


def test_snapshot_does_not_change():
    """It is given to many."""
    roster = Roster(ROOM)
    roster.there(Occupant(nick="romeo"), listening=True)
    before = roster.snapshot()
    assert roster.snapshot() is before
    roster.there(Occupant(nick="juliet"), listening=True)
    assert (set(before), set(roster.snapshot())) == ({"romeo"}, {"romeo", "juliet"})


@pytest.mark.parametrize(
    ("codes", "fate"), [({307}, ""), ({321}, "struck"), ({322}, "struck"), ({301, 321}, "banned")]
)
def test_who_is_put_out_does_not_just_leave(codes, fate):
    """By a moderator, with his membership, or for good (XEP-0045 §15.6.2)."""
    roster = Roster(ROOM)
    roster.there(Occupant(nick="romeo"), listening=True)
    user = MucUser(item=MucItem(actor="prince", reason="brawl"), codes=frozenset(codes))
    [kick] = roster.gone("romeo", user, "")
    assert (kick.actor, kick.reason) == ("prince", "brawl")
    assert (kick.struck, kick.banned) == (fate == "struck", fate == "banned")


class Told:
    """Who is there according to what was told."""

    def __init__(self) -> None:
        self.there: dict[str, Occupant] = {}

    def take(self, events) -> None:
        for event in events:
            if isinstance(event, Leave):
                del self.there[event.nick]
                continue
            one = event.occupant
            if isinstance(event, NickChange):
                del self.there[event.old]
            else:
                assert (one.nick in self.there) is isinstance(event, OccupantChange)
            assert self.there.get(one.nick) != one
            self.there[one.nick] = one


class Service:
    """A room's own view; what happens is what it tells each guest of: somebody who is there, or is gone."""

    def __init__(self) -> None:
        self.there: dict[str, Occupant] = {}

    def happens(self, what: str, nick: str, other: str) -> list:
        if what == "come" and nick not in self.there:
            self.there[nick] = Occupant(nick=nick)
            return [self.there[nick]]
        if what == "come" or nick not in self.there:
            return []
        if what == "go":
            del self.there[nick]
            return [(nick, GONE)]
        if what == "away":
            self.there[nick] = Occupant(nick=nick, away="" if self.there[nick].away is None else None)
            return [self.there[nick]]
        if other in self.there:
            return []
        del self.there[nick]
        self.there[other] = Occupant(nick=other)
        return [(nick, MucUser(item=MucItem(nick=other), codes=frozenset({303}))), self.there[other]]


happenings = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "go", "rename", "away"]),
        st.sampled_from("abcd"),
        st.sampled_from("wxyz"),
        st.booleans(),
    ),
    max_size=40,
)


@given(happenings)
def test_what_is_told_leads_to_who_is_there(happenings):
    """Two guests are shown each thing, one after the other; it is told once, and the listener may change."""
    roster, service, told, listener = Roster(ROOM), Service(), Told(), 0
    for what, nick, other, is_change in happenings:
        shown = service.happens(what, nick, other)
        for guest in (0, 1):
            for one in shown:
                if isinstance(one, Occupant):
                    told.take(roster.there(one, listening=guest == listener))
                else:
                    told.take(roster.gone(*one, ""))
        if is_change:
            listener = 1 - listener
            told.take(roster.take_over())
        assert told.there == service.there == roster.snapshot()


@given(happenings, st.integers(0, 40))
def test_listener_who_fell_out_leaves_nobody_behind(happenings, last):
    """Nothing comes to him from some time on; when the other takes over, all who are there are known."""
    roster, service, told = Roster(ROOM), Service(), Told()
    for number, (what, nick, other, _) in enumerate(happenings):
        shown = service.happens(what, nick, other)
        for guest in (0, 1) if number < last else (1,):
            for one in shown:
                if isinstance(one, Occupant):
                    told.take(roster.there(one, listening=guest == 0))
                else:
                    told.take(roster.gone(*one, ""))
    told.take(roster.take_over())
    assert set(told.there) == set(service.there)
