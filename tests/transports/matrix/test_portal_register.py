"""Rooms of XMPP are made on Matrix, and found again."""

from __future__ import annotations

import msgspec
import pytest

from bridge.network import RoomInfo
from tests.transports.matrix.homeserver import BOT, ROOM_ID, Scene
from tests.transports.matrix.test_portals import ALIAS, MUC, asked, made
from transports.matrix.portal_register import KEY, Kept


def test_alias_of_a_room_on_xmpp_makes_a_room():
    """It is remembered before the homeserver is told, listed, and not made twice."""
    scene = made()
    assert scene.server.aliases[ALIAS] == ROOM_ID
    kept = msgspec.json.decode(scene.memory("")[KEY + MUC], type=Kept)
    assert kept == Kept(ROOM_ID)
    path = ("directory", "list", "appservice", "xmpp", ROOM_ID)
    assert ("PUT", BOT, *path, {"visibility": "public"}) in scene.server.asked
    scene.server.asked.clear()
    assert asked(scene) and asked(scene, "#_xmpp_conf.example_balcony:hs.example")
    assert not any("createRoom" in one for one in scene.server.asked)


def test_hidden_room_is_not_listed():
    """Who does not know it does not find it."""
    scene = Scene()
    scene.looked[MUC] = RoomInfo(room=MUC, public=False)
    assert asked(scene)
    assert not any("list" in one for one in scene.server.asked)


@pytest.mark.parametrize("alias", ["#_xmpp_nothing=40conf.example:hs.example", "#_xmpp_:hs.example"])
def test_alias_of_no_room_is_not_there(alias):
    """The homeserver tells whoever asked."""
    scene = Scene()
    assert not asked(scene, alias)


def test_room_that_was_made_and_forgotten_is_found():
    """A crash between both leaves a room that has the alias already."""
    scene = Scene()
    scene.looked[MUC] = RoomInfo(room=MUC)
    scene.server.aliases[ALIAS] = ROOM_ID
    assert asked(scene)
    assert scene.network._portals.has({"room_id": ROOM_ID})


def test_spoilt_memory_of_a_portal_is_passed_over():
    """The room is made, or found, anew."""
    scene = Scene()
    scene.remember("", KEY + MUC, b"{")
    scene.start()
    assert not scene.network._portals.has({"room_id": ROOM_ID})
