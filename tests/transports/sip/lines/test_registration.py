"""What a registrar says of a registration, and several of one account, over a network in memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.calls import CallAnswer, CallId, CallOffer
from bridge.events import ContactId, Subscribe
from tests.transports.sip.calling import AUDIO, ROMEO, Gateway, described
from tests.transports.sip.phone import Phone
from tests.transports.sip.test_network import BOB, DESK, JULIET, Scene
from tests.transports.sip.wires import PEER, hang_up
from transports.sip.lines.cycle import FIRST_PAUSE
from transports.sip.lines.registration import MAX_ROUTE
from transports.sip.wire.framing import MessageBuffer
from transports.sip.wire.headers import parse_name_addr
from transports.sip.wire.message import Fields, Request, parse, respond, write

EDGES = ("198.51.100.21", "198.51.100.22")
PROXIED = replace(DESK, outbound_proxies=tuple(f"sip:{edge};transport=tcp" for edge in EDGES))


def registered(*fields: tuple[str, str], **options: object) -> tuple[Scene, Request]:
    """Return the scene after a registration, and its request."""
    scene = Scene({"desk": replace(DESK, **options)})
    [register] = scene.asked()
    scene.reply(register, 200, fields)
    return scene, register


def said(scene: Scene) -> Request:
    scene.say("hello", user=JULIET)
    [asked] = scene.asked()
    return asked


# ---- Service-Route


@pytest.mark.spec("RFC 3608 §6.1")
@pytest.mark.parametrize(("domain", "first"), [("", EDGES[0]), ("pbx.example", PEER)])
def test_requests_go_by_the_route_of_the_registrar(domain: str, first: str) -> None:
    """In its order, and at last to whom it is for; the registration does not.

    They go to its first element, or where the registration goes if that is a proxy.
    """
    route = (("Service-Route", f"<sip:{EDGES[0]};lr>"), ("Service-Route", "<sip:core.example;lr>"))
    scene, register = registered(*route, domain=domain)
    scene.say("hello", ContactId(f"bob@{domain or PEER}"), user=JULIET)
    [(data, address)] = scene.reactor.ports[0].sent
    asked = parse(data)
    assert isinstance(asked, Request) and address == (first, 5060)
    assert asked.get("Route") == f"<sip:{EDGES[0]};lr>, <sip:core.example;lr>"
    assert str(asked.uri) == f"sip:bob@{domain or PEER}" and register.get("Route") is None


def test_where_a_route_began_is_no_trunk_when_it_is_another() -> None:
    """Addresses speak for the trunk as long as the registrar sends us there."""
    fields = ("Expires", "600")
    scene, _ = registered(("Service-Route", f"<sip:{EDGES[0]};lr>"), fields, domain="")
    contact, guard = ContactId(f"bob@{PEER}"), scene.network._guard
    scene.say("hello", contact, user=JULIET)
    assert guard.trunks(EDGES[0]) == guard.trunks(PEER) == ["desk"]
    scene.reactor.advance(600)
    [again] = [one for one in scene.asked() if one.method == "REGISTER"]
    scene.reply(again, 200, (("Service-Route", f"<sip:{EDGES[1]};lr>"), fields))
    scene.say("hello", contact, ref=2, user=JULIET)
    assert [guard.trunks(host) for host in (*EDGES, PEER)] == [[], ["desk"], ["desk"]]


def test_route_changes_and_goes_with_the_registration() -> None:
    """The last answer counts; one without it, or a refusal, ends it."""
    scene, _ = registered(("Service-Route", f"<sip:{PEER}:5060;lr>"), ("Expires", "600"))
    assert said(scene).get("Route") == f"<sip:{PEER}:5060;lr>"
    for fields, status, expected in [
        ((("Service-Route", f"<sip:{PEER};lr;x=2>"), ("Expires", "600")), 200, f"<sip:{PEER};lr;x=2>"),
        ((("Expires", "600"),), 200, None),
        ((("Service-Route", f"<sip:{PEER};lr>"), ("Expires", "600")), 200, f"<sip:{PEER};lr>"),
        ((), 403, None),
    ]:
        scene.reactor.advance(600)
        [again] = [one for one in scene.asked() if one.method == "REGISTER"]
        scene.reply(again, status, fields)
        assert said(scene).get("Route") == expected


@pytest.mark.parametrize(
    "route",
    ["<sip:strict.example>", "<tel:+1;lr>", '"', ", ".join(["<sip:a.example;lr>"] * (MAX_ROUTE + 1))],
)
def test_route_that_makes_no_sense_is_none(route: str) -> None:
    """The registration stands all the same."""
    scene, _ = registered(("Service-Route", route))
    assert said(scene).get("Route") is None and scene.network.users() == [JULIET]


LINE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=60)
SHREDS = st.lists(
    st.sampled_from(["<", ">", '"', ";", ",", "sip:", "lr", "pub-gruu=", "expires=", "@", "\\", "9" * 30])
    | LINE
).map("".join)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["Service-Route", "Contact", "Expires", "Flow-Timer", "Require"]), SHREDS)
)
def test_whatever_a_registrar_says_the_registration_stands(said_so: dict[str, str]) -> None:
    """And is renewed in time; requests go on."""
    scene, _ = registered(*said_so.items())
    assert scene.network.users() == [JULIET]
    scene.say("hello", user=JULIET)
    scene.reactor.advance(3600)
    assert [one for one in scene.asked() if one.method == "REGISTER"]


# ---- GRUU


def gruus(register: Request) -> Fields:
    """What a registrar answers: other devices' bindings, and ours."""
    ours = register.get("Contact") or ""
    mine = f'{ours};pub-gruu="sip:4711@pbx.example;gr=urn:x";temp-gruu="sip:tgruu.7@pbx.example;gr"'
    other = '<sip:4711@192.0.2.77>;expires=9;+sip.instance="<urn:o>";pub-gruu="sip:4711@pbx.example;gr=other"'
    return (("Contact", f"{other}, {mine}"),)


class GruuDesk:
    """A gateway with calls, whose account has GRUUs, and the phone at the other end."""

    def __init__(self, **options: object) -> None:
        account = {
            "username": "4711",
            "password": DESK.password,
            "register": True,
            "owner": "romeo@a.example",
            "gruu": True,
            **options,
        }
        self.gateway = Gateway("a", "b", account, {})
        self.phone = Phone(self.gateway.reactor, PEER)
        self.register = self.phone.asked("REGISTER")
        self.phone.respond(self.register, 200, *gruus(self.register))

    def contact(self, method: str) -> str:
        """Return the Contact of the next message of a method that it sends, and is no 100."""
        self.phone._read()
        found = [one for one in self.phone.got if one.cseq.method == method]
        self.phone.got.clear()
        return next(one.get("Contact") for one in found if one.get("Contact")) or ""


PUBLIC = "<sip:4711@pbx.example;gr=urn:x>"


@pytest.mark.spec("RFC 5627 §4.4")
def test_dialogs_have_the_gruu_as_contact() -> None:
    """Those made by the account and those made to it; the registrar was told that it is wanted."""
    desk = GruuDesk()
    assert "gruu" in desk.register.values("Supported")
    desk.phone.invite("sip:4711@a.gw")
    [offer] = desk.gateway.told()
    desk.gateway.do(CallAnswer(call=offer.call, description=described("audio0")))
    assert desk.contact("INVITE") == PUBLIC
    desk.gateway.do(CallOffer(call=CallId("c"), contact=ContactId("bob@b.gw"), description=AUDIO))
    desk.gateway.reactor.advance(0.5)
    assert desk.contact("INVITE") == PUBLIC
    desk.gateway.network.submit(ROMEO, Subscribe(contact=ContactId("bob@b.gw")))
    desk.gateway.reactor.advance(0.5)
    assert desk.contact("SUBSCRIBE") == PUBLIC


@pytest.mark.parametrize(
    ("gruu", "shown"), [(True, "tgruu.7@pbx.example;gr"), (False, "anonymous@192.0.2.1:5060")]
)
def test_anonymous_call_has_a_contact_that_names_nobody(gruu: bool, shown: str) -> None:
    """The temporary GRUU, where there is one (RFC 5627 §4.4)."""
    desk = GruuDesk(gruu=gruu, anonymous=("*",))
    desk.gateway.do(CallOffer(call=CallId("c"), contact=ContactId("bob@b.gw"), description=AUDIO))
    desk.gateway.reactor.advance(0.5)
    assert desk.contact("INVITE") == f"<sip:{shown}>"


def test_gruu_is_asked_for_and_used_only_where_it_is_wanted() -> None:
    """By default the registrar need not know what it is within dialogs."""
    desk = GruuDesk(gruu=False)
    assert desk.register.values("Supported") == ["path"]
    desk.gateway.do(CallOffer(call=CallId("c"), contact=ContactId("bob@b.gw"), description=AUDIO))
    desk.gateway.reactor.advance(0.5)
    assert desk.contact("INVITE") == "<sip:4711@192.0.2.1:5060>"


def test_gruu_of_a_registration_that_was_refused_is_used_no_more() -> None:
    """RFC 5627 §4.4: it has to be active."""
    desk = GruuDesk()
    desk.gateway.reactor.advance(3600)
    desk.phone.respond(desk.phone.asked("REGISTER"), 403)
    desk.gateway.do(CallOffer(call=CallId("c"), contact=ContactId("bob@b.gw"), description=AUDIO))
    desk.gateway.reactor.advance(0.5)
    assert desk.contact("INVITE") == "<sip:4711@192.0.2.1:5060>"


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:4711@pbx.example;gr=urn:x", 0),
        ("sip:tgruu.7@pbx.example;gr", 0),
        ("sip:4711@pbx.example;gr=other", 404),
        ("sip:4711@pbx.example", 404),
        ("sip:4711@a.gw;gr=whatever", 0),
    ],
)
def test_request_for_a_gruu_is_for_the_account(uri: str, status: int) -> None:
    """Where a proxy passes it on as it is; that of another device is not ours."""
    desk = GruuDesk()
    desk.phone.invite(uri)
    assert len(desk.gateway.told()) == (not status)
    if status:
        desk.phone.take(status)


# ---- several proxies


class Edges:
    """A registration by two proxies over TCP, as they see it."""

    def __init__(self) -> None:
        self.scene = Scene({"desk": PROXIED})
        self.streams = [self.scene.reactor.dialled(index) for index in range(2)]

    def asked(self, edge: int) -> list[Request]:
        """Take what a proxy got."""
        stream = self.streams[edge][1]
        data, found = stream.value(), []
        stream.clear()
        buffer = MessageBuffer(is_acceptor=True)
        buffer.receive_data(data)
        while (event := buffer.next_event()) is not None:
            if isinstance(event, bytes):
                message = parse(event)
                assert isinstance(message, Request)
                found.append(message)
        return found

    def reply(self, edge: int, asked: Request, status: int = 200, *fields: tuple[str, str]) -> None:
        self.streams[edge][0].dataReceived(write(respond(asked, status, "far", fields)))

    def register(self, *edges: int) -> list[Request]:
        """Grant the registrations that are asked for."""
        found = []
        for edge in edges:
            [register] = self.asked(edge)
            self.reply(
                edge,
                register,
                200,
                ("Require", "outbound"),
                ("Service-Route", f"<sip:core{edge}.example;lr>"),
            )
            found.append(register)
        return found


@pytest.mark.spec("RFC 5626 §4.2.1")
def test_each_proxy_has_a_registration_of_its_own() -> None:
    """Of one instance, told apart by reg-id and Call-ID, with the proxy as route."""
    edges = Edges()
    one, other = edges.register(0, 1)
    contacts = [parse_name_addr(register.get("Contact") or "") for register in (one, other)]
    assert [contact.params["reg-id"] for contact in contacts] == ["1", "2"]
    assert contacts[0].params["+sip.instance"] == contacts[1].params["+sip.instance"]
    assert one.call_id != other.call_id and str(one.uri) == "sip:pbx.example"
    assert [register.get("Route") for register in (one, other)] == [
        f"<sip:{edge};transport=tcp;lr>" for edge in EDGES
    ]


def test_requests_go_by_a_proxy_whose_connection_stands() -> None:
    """With its route, and that of its registration; when it is lost, by the other, until it is formed anew."""
    edges = Edges()
    edges.register(0, 1)
    scene = edges.scene
    scene.say("one", user=JULIET)
    [asked] = edges.asked(0)
    assert asked.get("Route") == f"<sip:{EDGES[0]};transport=tcp;lr>, <sip:core0.example;lr>"
    edges.reply(0, asked)
    hang_up(edges.streams[0][0])
    assert scene.network.users() == [JULIET], "the other registration stands"
    scene.say("two", user=JULIET)
    [asked] = edges.asked(1)
    assert asked.get("Route") == f"<sip:{EDGES[1]};transport=tcp;lr>, <sip:core1.example;lr>"
    edges.reply(1, asked)
    scene.reactor.advance(FIRST_PAUSE)
    edges.streams[0] = scene.reactor.dialled()
    [again] = edges.register(0)
    assert "reg-id=1" in (again.get("Contact") or "")
    scene.say("three", user=JULIET)
    assert len(edges.asked(0)) == 1 and edges.asked(1) == []


def test_account_is_down_when_no_proxy_takes_it() -> None:
    """And not before; it is taken back by each at the end."""
    edges = Edges()
    one, other = edges.asked(0) + edges.asked(1)
    edges.reply(0, one, 503)
    assert edges.scene.bridge.troubles == []
    edges.reply(1, other)
    assert edges.scene.network.users() == [JULIET] and edges.scene.bridge.troubles[-1] == ""
    edges.scene.reactor.advance(FIRST_PAUSE)
    edges.register(0)
    edges.scene.network.stop("enough")
    assert [one.get("Expires") for edge in (0, 1) for one in edges.asked(edge)] == ["0", "0"]


@pytest.mark.spec("RFC 5626 §4.3")
def test_dialogs_say_that_they_come_by_the_flow() -> None:
    """So that the proxy leads what belongs to them to the same connection."""
    edges = Edges()
    edges.register(0, 1)
    edges.scene.network.submit(JULIET, Subscribe(contact=BOB))
    edges.scene.reactor.advance(0.5)
    [asked] = edges.asked(0)
    assert (asked.get("Contact") or "").endswith(";transport=tcp;ob>")
