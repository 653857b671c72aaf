"""The room of Matrix that is made for a room of XMPP."""

from __future__ import annotations

from bridge.events import RoomId
from bridge.network import RoomInfo
from transports.matrix.portal_room import creation, notice, promoted

BOT = "@xmppbridge:hs.example"
ROOM = RoomId("balcony@conf.example")
ALIAS = "#_xmpp_balcony=40conf.example:hs.example"


def test_room_is_public_and_says_whereto_it_leads():
    """Its name and description are those on XMPP; what is decided there nobody changes here."""
    made = creation(ROOM, RoomInfo(room=ROOM, name="The Balcony", description="roses"), ALIAS, BOT)
    assert (made["preset"], made["room_alias_name"]) == ("public_chat", "_xmpp_balcony=40conf.example")
    assert (made["name"], made["topic"]) == ("The Balcony", "roses")
    assert {one["type"] for one in made["initial_state"]} == {"m.bridge", "uk.half-shot.bridge"}
    assert made["initial_state"][0]["content"]["channel"]["external_url"] == f"xmpp:{ROOM}?join"
    power = made["power_level_content_override"]
    # privileged creators may not be named in it (room version 12)
    assert "users" not in power and power["events"]["m.room.encryption"] == 100
    bare = creation(ROOM, RoomInfo(room=ROOM), ALIAS, BOT)
    assert bare["name"] == "balcony" and "topic" not in bare


def test_room_that_is_closed_shows_nothing_of_the_past():
    """Who may not enter is put out, but was in for a moment."""
    kinds = {}
    for closed in (True, False, None):
        made = creation(ROOM, RoomInfo(room=ROOM, closed=closed), ALIAS, BOT)
        kinds[closed] = [one["content"] for one in made["initial_state"] if one["state_key"] == ""]
    assert kinds == {True: [{"history_visibility": "joined"}], False: [], None: []}


def test_moderator_has_a_level_of_his_own():
    """The others keep theirs."""
    power = {"users": {BOT: 100}, "ban": 50}
    higher = promoted(power, "@alice:hs.example", moderates=True)
    assert higher == {"users": {BOT: 100, "@alice:hs.example": 50}, "ban": 50}
    assert promoted(higher, "@alice:hs.example", moderates=False) == power


def test_notice_may_be_about_an_event():
    """It is a reply then, and mentions nobody."""
    assert "m.relates_to" not in notice("words")
    assert notice("words", "$one")["m.relates_to"] == {"m.in_reply_to": {"event_id": "$one"}}
