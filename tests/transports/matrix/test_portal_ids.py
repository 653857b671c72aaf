"""Aliases and ghosts of rooms of XMPP."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.errors import BridgeError
from bridge.events import Occupant, RoomId
from bridge.xmpp.jid import Jid, JidError
from transports.matrix.portal_ids import alias_of, ghost_in, room_of

from .raw import IDS

ROOM = RoomId("balcony@conf.capulet.example")


@pytest.mark.parametrize(
    ("alias", "room"),
    [
        ("#_xmpp_balcony=40conf.capulet.example:hs.example", ROOM),
        ("#_xmpp_Balcony=40CONF.capulet.example:hs.example", ROOM),
        ("#_xmpp_conf.capulet.example_balcony:hs.example", ROOM),
        ("#_xmpp_conf.capulet.example_the_balcony:hs.example", "the_balcony@conf.capulet.example"),
        ("#_xmpp_=23chan=25irc.libera.chat=40irc.gw:hs.example", "#chan%irc.libera.chat@irc.gw"),
        ("#_xmpp_=c3=a9=40conf.example:hs.example", "é@conf.example"),
        ("#_xmpp_conf.capulet.example:hs.example", None),
        ("#_xmpp_localhost_balcony:hs.example", None),
        ("#_xmpp_balcony=40conf.example/nick:hs.example", None),
        ("#_xmpp_=ff=40conf.example:hs.example", None),
        ("#_xmpp_a=40=20:hs.example", None),
        ("#_xmpp_balcony=40conf.example:other.example", None),
        ("#balcony:hs.example", None),
        ("#_xmpp_:hs.example", None),
    ],
)
def test_alias_names_a_room_or_none(alias, room):
    """Our own form and the one of other bridges are read; everything else means no room."""
    assert room_of(alias, IDS) == room


@given(
    st.text(min_size=1, max_size=20), st.sampled_from(["conf.example", "xn--mnchen-3ya.example", "irc.gw"])
)
def test_every_room_has_an_alias_that_leads_back(local, domain):
    """Whatever its name holds."""
    try:
        jid = Jid.parse(f"{local}@{domain}")
    except JidError:
        return
    assume(jid.local and not jid.resource)
    room = RoomId(jid.bare)
    assert room_of(alias_of(room, IDS), IDS) == room


def test_room_with_a_very_long_name_has_no_alias():
    """What is longer than an alias may be is refused."""
    with pytest.raises(BridgeError):
        alias_of(RoomId("a" * 300 + "@conf.example"), IDS)


def test_ghost_is_the_users_own_where_the_room_shows_him():
    """Elsewhere it is known in this room alone, by his id there, or else by his nick."""
    shown = Occupant(
        nick="Romeo", address="romeo@montague.example/orchard", identity="romeo@montague.example"
    )
    assert ghost_in(ROOM, shown, IDS) == IDS.ghost("romeo@montague.example")
    hidden = Occupant(nick="Romeo", identity="X7aB=")
    assert ghost_in(ROOM, hidden, IDS) == IDS.ghost(f"{ROOM}/X7aB=")
    assert ghost_in(ROOM, Occupant(nick="Romeo"), IDS) == IDS.ghost(f"{ROOM}/Romeo")
    assert IDS.ghost_of(ghost_in(ROOM, hidden, IDS)) == f"{ROOM}/X7aB="
