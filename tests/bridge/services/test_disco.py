"""Service discovery."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail

from bridge.capabilities import Capabilities, Level
from bridge.errors import BridgeError, Trouble
from bridge.events import Entered, Occupant, RoomId, Topic
from bridge.forms import Command, Done
from bridge.network import AvatarQuery, GatewayAddress, Photo, RoomInfo, RoomList, RoomPage, RoomQuery
from bridge.services.commands import Commands
from bridge.services.disco import PATIENCE, Disco
from bridge.services.greetings import greetings
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.caps import verification
from bridge.xmpp.payloads.disco import NS_INFO, NS_ITEMS, Info, parse_info
from bridge.xmpp.payloads.forms import parse_form_type, parse_values
from bridge.xmpp.payloads.moderation import NS_MODERATION
from bridge.xmpp.payloads.muc import FORM_ROOM_INFO, NODE_NICK, NODE_TRAFFIC
from bridge.xmpp.payloads.rsm import NS_RSM
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import DOMAIN, JULIET, NURSE, ROMEO, ROOM, SERVER, Scene, condition

COMMANDS = "http://jabber.org/protocol/commands"
ROOM_ID = RoomId("#verona%irc.example")


def administration(_address: object) -> list[Command]:
    return [Command(node="reload", name="Reload", begin=lambda _context: Done(), admin=True)]


class Played(Scene):
    """A scene with disco; Romeo is in the room."""

    def __init__(self) -> None:
        super().__init__()
        commands = Commands(
            [greetings, administration], lambda jid: jid.local == "friar", self.clock.seconds, str
        )
        contacts = {"admin": ["mailto:friar@church.example"], "abuse": []}
        self.disco = Disco(DOMAIN, self.network, commands, contacts, self.clock)
        self.add(self.disco)
        self.network.inside["romeo@montague.example", ROOM_ID] = Entered(
            room=ROOM_ID,
            me=Occupant(nick="Romeo"),
            occupants={"Nurse": Occupant(nick="Nurse"), "Romeo": Occupant(nick="Romeo")},
            topic=Topic(room=ROOM_ID, text="Balconies"),
            moderated=True,
        )

    def info(self, to: str, node: str | None = None, sender: str = ROMEO) -> Info:
        query = self.get(to, Element("query", NS_INFO, {"node": node}), sender)
        assert query.get("node") == node
        return parse_info(query)

    def items(self, to: str, *children: Element, node: str | None = None, sender: str = ROMEO) -> Element:
        return self.get(to, Element("query", NS_ITEMS, {"node": node}, *children), sender)


@pytest.fixture
def scene() -> Played:
    return Played()


def jids(query: Element) -> list[str | None]:
    return [item.get("jid") for item in query.all("item")]


def page(**parts: str) -> Element:
    return Element("set", NS_RSM, None, *(Element(name, NS_RSM, None, text) for name, text in parts.items()))


def room_form(info: Info) -> dict[str, tuple[str, ...]]:
    return next((parse_values(form) for form in info.forms if parse_form_type(form) == FORM_ROOM_INFO), {})


# ---- disco#info


def test_gateway_is_a_conference_and_a_gateway(scene):
    """Clients find rooms by conference/irc and gateways by gateway/irc; features are what works."""
    info = scene.info(DOMAIN)
    assert [(one.category, one.type, one.name) for one in info.identities] == [
        ("conference", "irc", "IRC gateway"),
        ("gateway", "irc", "IRC gateway"),
    ]
    wanted = {
        "jabber:iq:version",
        COMMANDS,
        "urn:xmpp:ping",
        "urn:xmpp:mam:2",
        "http://jabber.org/protocol/muc",
    }
    assert wanted <= set(info.features)
    assert len(set(info.features)) == len(info.features)


def test_gateway_without_rooms_is_no_place_for_them(scene):
    """Else clients would offer to join rooms there."""
    scene.network.levels = Capabilities(rooms=Level.REJECTED, archive=Level.REJECTED)
    info = scene.info(DOMAIN)
    assert [one.category for one in info.identities] == ["gateway"]
    assert not {"urn:xmpp:mam:2", "http://jabber.org/protocol/muc"} & set(info.features)


def test_gateway_tells_how_to_reach_its_operators(scene):
    """XEP-0157: only the contacts that there are."""
    (form,) = scene.info(DOMAIN).forms
    assert parse_values(form) == {
        "FORM_TYPE": ("http://jabber.org/network/serverinfo",),
        "admin-addresses": ("mailto:friar@church.example",),
    }


def test_contacts_may_change(scene):
    """What the operator writes into the configuration holds from the next reading on."""
    scene.disco.set_contacts({})
    assert scene.info(DOMAIN).forms == ()


def test_fault_of_the_network_is_no_missing_room(scene):
    """A bug shows as an internal error, not as an empty room."""
    scene.network.answers[RoomQuery] = fail(ValueError())
    answer = scene.iq("get", ROOM, Element("query", NS_INFO), JULIET)
    assert condition(answer)[1] == "internal-server-error"


def test_server_is_a_conference_by_its_name(scene):
    """The server JID is the place of its rooms."""
    (identity,) = scene.info(SERVER).identities
    assert (identity.category, identity.type, identity.name) == ("conference", "irc", "irc.example")


def test_capabilities_hash_leads_to_the_same_info(scene):
    """XEP-0115 §6.2: the node of a presence of ours is answered."""
    caps = scene.disco.caps(GatewayAddress())
    node = f"{caps.get('node')}#{caps.get('ver')}"
    assert scene.info(DOMAIN, node) == scene.info(DOMAIN)


def test_room_one_is_in_tells_its_state(scene):
    """XEP-0045 §6.4: occupants counted once each, the subject, moderation."""
    info = scene.info(ROOM)
    assert info.identities[0].name == "#verona on irc.example"
    assert {"muc_nonanonymous", "muc_moderated", "urn:xmpp:sid:0", "urn:xmpp:mam:2"} <= set(info.features)
    assert room_form(info) == {
        "FORM_TYPE": (FORM_ROOM_INFO,),
        "muc#roominfo_occupants": ("2",),
        "muc#roominfo_subject": ("Balconies",),
    }


def test_moderation_of_messages_is_offered_where_it_works(scene):
    """XEP-0425 §3: clients show the button only where the server can."""
    assert NS_MODERATION not in scene.info(ROOM).features
    scene.network.levels = Capabilities(moderation=Level.NATIVE)
    assert NS_MODERATION in scene.info(ROOM).features


def test_room_one_is_not_in_is_looked_up(scene):
    """What the network tells outsiders."""
    scene.network.answers[RoomQuery] = RoomInfo(room=ROOM_ID, description="Fair", occupants=9)
    info = scene.info(ROOM, sender=JULIET)
    assert room_form(info)["muc#roominfo_description"] == ("Fair",)
    assert room_form(info)["muc#roominfo_occupants"] == ("9",)
    assert "Balconies" not in str(info)


@pytest.mark.parametrize("trouble", [Trouble.NOT_CONNECTED, Trouble.NO_PRIVILEGE, Trouble.TIMED_OUT])
def test_room_that_cannot_be_looked_up_can_still_be_joined(scene, trouble):
    """A client asks before it joins; that must not fail because nobody is connected yet."""
    scene.network.answers[RoomQuery] = BridgeError(trouble)
    info = scene.info(ROOM, sender=JULIET)
    assert "http://jabber.org/protocol/muc" in info.features
    assert info.forms == ()


def test_room_that_there_is_not_is_told_to_be_none(scene):
    """XEP-0030 §7: item-not-found; not to who is inside, whatever the network says."""
    scene.network.answers[RoomQuery] = BridgeError(Trouble.NO_SUCH_ROOM)
    query = Element("query", NS_INFO)
    attributes = {"type": "get", "from": JULIET, "to": ROOM, "id": "1"}
    [answer] = scene.give(Element("iq", NS_COMPONENT, attributes, query))
    assert condition(answer) == ("cancel", "item-not-found")
    assert scene.info(ROOM, sender=ROMEO).forms


@pytest.mark.parametrize("sender", [ROMEO, JULIET])
def test_room_tells_the_hash_of_its_picture(scene, sender):
    """XEP-0486 §4.3: inside and outside, where rooms have pictures."""
    scene.network.answers[RoomQuery] = RoomInfo(room=ROOM_ID, occupants=9)
    assert "vcard-temp" not in scene.info(ROOM, sender=sender).features
    scene.network.levels = Capabilities(profiles=Level.NATIVE)
    scene.network.answers[AvatarQuery] = Photo(type="image/png", data=b"", id="a" * 40)
    info = scene.info(ROOM, sender=sender)
    assert room_form(info)["muc#roominfo_avatarhash"] == ("a" * 40,)
    assert "vcard-temp" in info.features
    scene.network.answers[AvatarQuery] = BridgeError(Trouble.NOT_FOUND)
    assert "muc#roominfo_avatarhash" not in room_form(scene.info(ROOM, sender=sender))


def test_slow_look_up_is_not_waited_for(scene):
    """A join is not held up by a server that is slow to list."""
    scene.network.answers[RoomQuery] = Deferred()
    query = Element("query", NS_INFO)
    stanza = Element(
        "iq", "jabber:component:accept", {"type": "get", "from": JULIET, "to": ROOM, "id": "1"}, query
    )
    assert scene.give(stanza) == []
    scene.clock.advance(PATIENCE)
    (answer,) = scene.taken()
    assert answer.get("type") == "result"


def test_people_are_accounts(scene):
    """Contacts, and occupants for those in their room."""
    assert scene.info(NURSE).identities[0].name == "nurse"
    assert scene.info(f"{ROOM}/Nurse").identities[0].name == "Nurse"
    refused = scene.iq("get", f"{ROOM}/Nurse", Element("query", NS_INFO), JULIET)
    assert condition(refused)[1] == "not-acceptable"


@pytest.mark.parametrize("node", [NODE_TRAFFIC, NODE_NICK])
def test_nodes_of_rooms_say_nothing(scene, node):
    """XEP-0045 §6.4 traffic, §7.12 reserved nick: nothing is allowed or reserved in particular."""
    assert scene.info(ROOM, node) == Info()


def test_command_nodes_are_described(scene):
    """XEP-0050 §2.3."""
    assert scene.info(DOMAIN, COMMANDS).identities[0].type == "command-list"
    assert scene.info(DOMAIN, "hello").identities[0].name == "Receive a custom greeting"
    assert "jabber:x:data" in scene.info(DOMAIN, "hello").features


@pytest.mark.parametrize("to", [DOMAIN, SERVER, ROOM, NURSE, f"{ROOM}/Nurse"])
def test_unknown_node_is_not_found(scene, to):
    """XEP-0030 §7; an admin's command is unknown to others."""
    for node in ("urn:nothing", "reload"):
        answer = scene.iq("get", to, Element("query", NS_INFO, {"node": node}))
        assert condition(answer)[1] == "item-not-found"


def test_people_share_one_verification_string(scene):
    """XEP-0115: so it holds no name, and clients ask once for all (§6.2)."""
    caps = scene.disco.person_caps()
    node = f"{caps.get('node')}#{caps.get('ver')}"
    info = scene.info(NURSE, node)
    assert [(one.category, one.name) for one in info.identities] == [("account", "")]
    assert verification(info) == caps.get("ver")


# ---- disco#items


def test_people_have_no_items(scene):
    """Like accounts that show nothing."""
    assert jids(scene.items(NURSE)) == []
    answer = scene.iq("get", NURSE, Element("query", NS_ITEMS, {"node": COMMANDS}))
    assert condition(answer)[1] == "item-not-found"


def test_gateway_has_no_items(scene):
    """Which servers there are is each user's own business."""
    assert jids(scene.items(DOMAIN)) == []


def test_commands_are_listed_by_rights(scene):
    """XEP-0050 §2.2: admins see more."""
    assert [item.get("node") for item in scene.items(DOMAIN, node=COMMANDS).all("item")] == ["ping", "hello"]
    admin = scene.items(DOMAIN, node=COMMANDS, sender="friar@church.example/cell")
    assert [item.get("node") for item in admin.all("item")] == ["ping", "hello", "reload"]
    assert admin.get("node") == COMMANDS
    answer = scene.iq("get", f"{ROOM}/Romeo", Element("query", NS_ITEMS, {"node": COMMANDS}))
    assert condition(answer) == ("cancel", "feature-not-implemented")


def test_occupants_are_items_for_those_inside(scene):
    """XEP-0045 §6.5."""
    assert jids(scene.items(ROOM)) == [f"{ROOM}/Nurse", f"{ROOM}/Romeo"]
    assert jids(scene.items(ROOM, sender=JULIET)) == []


def test_unknown_items_node_is_not_found(scene):
    """XEP-0030 §7."""
    answer = scene.iq("get", DOMAIN, Element("query", NS_ITEMS, {"node": "urn:nothing"}))
    assert condition(answer)[1] == "item-not-found"


def rooms(*names: str, **more: object) -> RoomPage:
    return RoomPage(rooms=[RoomInfo(room=RoomId(f"{name}%irc.example"), name=name) for name in names], **more)


def test_channels_are_items_of_the_server(scene):
    """Names escaped, in a page of at most 100, with first, last and count."""
    scene.network.answers[RoomList] = rooms("#a/b", "#c", first_index=0, total=2, complete=True)
    query = scene.items(SERVER)
    assert jids(query) == [f"#a\\2fb%irc.example@{DOMAIN}", f"#c%irc.example@{DOMAIN}"]
    assert query.child("item").get("name") == "#a/b"
    bounds = query.child("set", NS_RSM)
    assert bounds.child_text("first") == f"#a\\2fb%irc.example@{DOMAIN}"
    assert bounds.child("first").get("index") == "0"
    assert (bounds.child_text("last"), bounds.child_text("count")) == (f"#c%irc.example@{DOMAIN}", "2")
    assert scene.network.asked[-1][1] == RoomList(server="irc.example", limit=100)


def test_channel_pages_are_asked_for_by_jid(scene):
    """XEP-0059: after, before, last page, and no more than 100."""
    scene.network.answers[RoomList] = rooms(total=None)
    query = scene.items(SERVER, page(max="5000", after=f"#A\\2fb%irc.example@{DOMAIN}"))
    assert scene.network.asked[-1][1] == RoomList(server="irc.example", after="#a/b%irc.example", limit=100)
    assert query.child("set", NS_RSM).children == []
    scene.items(SERVER, page(max="2", before=""))
    assert scene.network.asked[-1][1] == RoomList(server="irc.example", before="", limit=2)
    scene.items(SERVER, page(before=f"#c%irc.example@{DOMAIN}"))
    assert scene.network.asked[-1][1].before == "#c%irc.example"


@pytest.mark.parametrize("place", ["@", "#c%irc.example@other.example", DOMAIN, SERVER, f"\\20@{DOMAIN}"])
def test_place_that_is_no_channel_is_not_found(scene, place):
    """XEP-0059 §2.2: an unknown item is item-not-found."""
    answer = scene.iq("get", SERVER, Element("query", NS_ITEMS, None, page(after=place)))
    assert condition(answer)[1] == "item-not-found"


def test_page_by_index_is_not_offered(scene):
    """XEP-0059 §2.6: feature-not-implemented."""
    answer = scene.iq("get", SERVER, Element("query", NS_ITEMS, None, page(index="3")))
    assert condition(answer)[1] == "feature-not-implemented"


def test_list_of_a_server_out_of_reach_is_an_error(scene):
    """Who is not connected is told so."""
    assert condition(scene.iq("get", SERVER, Element("query", NS_ITEMS)))[1] == "remote-server-not-found"


def test_gateway_of_one_server_lists_its_channels(scene):
    """With a fixed server the gateway's JID is the server's."""
    scene.network.single_server = True
    scene.network.answers[RoomList] = rooms("#a", total=1)
    assert len(jids(scene.items(DOMAIN))) == 1
    assert scene.network.asked[-1][1].server == ""
