"""Who is in which room, and what is forgotten with him."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from tests.transports.matrix.homeserver import GARDEN, JULIET, ROMEO, ROOM_ID
from tests.transports.matrix.raw import IDS
from transports.matrix.room import Room
from transports.matrix.session import RoomSession, Stay
from transports.matrix.stays import Stays


def seated(stays: Stays, session: RoomSession, user) -> Stay:
    stay = Stay(user, GARDEN, IDS.ghost(user), "nick", id=ROOM_ID)
    stays.add(stay)
    stays.seat(stay, session)
    return stay


def test_user_is_found_once_he_is_inside():
    """On the way in he wants to be there, and is not."""
    stays, session = Stays(), RoomSession(ROOM_ID, Room(GARDEN, IDS))
    stays.sessions[ROOM_ID] = session
    stay = seated(stays, session, ROMEO)
    assert stays.get(ROMEO, GARDEN) is stay
    with pytest.raises(BridgeError) as raised:
        stays.find(ROMEO, GARDEN)
    assert raised.value.trouble is Trouble.NOT_IN_ROOM
    stay.inside = True
    assert stays.find(ROMEO, GARDEN) == (stay, session)


def test_room_is_forgotten_with_the_last_who_leaves():
    """Its address too; who leaves twice does no harm."""
    stays, session = Stays(), RoomSession(ROOM_ID, Room(GARDEN, IDS))
    stays.sessions[ROOM_ID] = session
    romeo, juliet = seated(stays, session, ROMEO), seated(stays, session, JULIET)
    assert [stays.unseat(romeo, session), stays.by_address] == [False, {GARDEN: session}]
    assert [stays.unseat(juliet, session), stays.by_address, stays.sessions] == [True, {}, {}]
    assert stays.unseat(juliet, session) is False
    for stay in (romeo, juliet, juliet):
        stays.forget(stay)
    assert (stays.by_user, list(stays.all())) == ({}, [])
