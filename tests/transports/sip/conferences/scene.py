"""A gateway with sessions in memory, a user who joins a conference, and its focus."""

from __future__ import annotations

from random import Random
from typing import Any

from bridge.events import Enter, Entered, RoomId, UserId
from tests.transports.sip.msrp.test_chats import Peer, sdp
from tests.transports.sip.phone import Phone
from tests.transports.sip.wires import HOST, PEER, Bridge, Names, Reactor
from transports.sip.conferences.info import NS_INFO, TYPE
from transports.sip.conferences.subscription import Subscriptions
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.dialogs.dialog import Dialog
from transports.sip.msrp.config import MsrpConfig
from transports.sip.msrp.cpim import wrap
from transports.sip.msrp.frame import Frame
from transports.sip.msrp.terms import read_terms
from transports.sip.network import SipNetwork
from transports.sip.wire.message import Request
from transports.sip.wire.sdp import parse_sdp

ROMEO, ROOM = UserId("romeo@example.org"), RoomId("conf@pbx.example")
OWN = "sip:romeo%40example.org@gw.example"
FOCUS = ("Contact", f"<sip:conf@{PEER}>;isfocus")
WRAPPED = "a=accept-wrapped-types:text/plain\r\n"
CHATROOM = "a=chatroom:nickname private-messages\r\n"
BOB = "sip:bob@x.example"


def user(entity: str, name: str, state: str = "full") -> str:
    return f"<user entity='{entity}' state='{state}'><display-text>{name}</display-text></user>"


def info(users: str, version: int = 0, state: str = "full", subject: str = "") -> bytes:
    described = f"<conference-description><subject>{subject}</subject></conference-description>" * bool(
        subject
    )
    return (
        f"<conference-info xmlns='{NS_INFO}' version='{version}' state='{state}' entity='sip:{ROOM}'>{described}"
        f"<users state='{state}'>{users}</users></conference-info>"
    ).encode()


class Scene:
    """See the module's docstring. It keeps the dialogs of INVITE and SUBSCRIBE apart."""

    def __init__(self, **config: Any) -> None:
        self.reactor, self.bridge = Reactor(), Bridge()
        trunk = TrunkConfig(server=f"sip:{PEER}", domain="pbx.example", users=("example.org",))
        self.config = SipConfig(
            domain="gw.example",
            listen=(f"udp {HOST}:5060",),
            trunks={"pbx": trunk},
            msrp=MsrpConfig(listen=(f"tcp {HOST}:2855",), **config),
            conferences=("conf*@pbx.example",),
        )
        self.network = SipNetwork(self.config, self.reactor, Names(), Random(1), None, lambda: 1e9)
        self.network.start(self.bridge)  # type: ignore[arg-type]
        self.phone = Phone(self.reactor, PEER)
        self.phone.answer_all(200)
        self.bridge.taken()
        self.peer: Peer
        self.invited: Dialog
        self.subscribed: Dialog

    @property
    def conferences(self) -> Any:
        return self.network._conferences

    @property
    def subscriptions(self) -> Subscriptions:
        assert self.network._conferences is not None
        return self.network._conferences.subscriptions

    def told(self) -> list[Any]:
        return [event for _, event in self.bridge.taken()]

    def wish(self, event: Any) -> None:
        self.network.submit(ROMEO, event)

    # ---- the focus

    def ask(self, nick: str = "Romeo") -> Request:
        """Have the user ask to come in."""
        self.wish(Enter(room=ROOM, nick=nick))
        return self.phone.asked("INVITE")

    def admit(self, invite: Request, chatroom: str = CHATROOM) -> None:
        """Let him into the session."""
        self.phone.accept(invite, FOCUS, body=sdp(types="message/cpim", more=WRAPPED + chatroom))
        self.invited = self.phone.dialog
        self.phone.asked("ACK")
        self.peer = Peer(*self.reactor.dialled(), read_terms(parse_sdp(invite.body)).path[0])

    def name(self, status: int = 200) -> str:
        """Answer what he wants to be called."""
        [asked] = self.peer.got("NICKNAME")
        self.peer.answer(asked, status)
        return asked.get("Use-Nickname") or ""

    def subscribe(self, *fields: tuple[str, str], status: int = 200) -> None:
        """Answer his SUBSCRIBE."""
        asked = self.phone.asked("SUBSCRIBE")
        self.subscribed = Dialog.of_server(asked, "watch", 100)
        self.phone.respond(asked, status, FOCUS, ("Expires", "600"), *fields, tag="watch")

    def inform(self, body: bytes, state: str = "active;expires=600") -> None:
        """Tell him who is in."""
        self.phone.dialog = self.subscribed
        content = (("Content-Type", TYPE),) if body else ()
        self.phone.request(
            "NOTIFY", ("Event", "conference"), ("Subscription-State", state), *content, body=body
        )
        self.phone.take(200)

    def enter(self, users: str = "", subject: str = "", **more: Any) -> Entered:
        """Have him come in, and return how he sees it."""
        self.admit(self.ask(**more))
        self.name()
        self.subscribe()
        self.inform(info(users, subject=subject))
        [entered] = self.told()
        assert isinstance(entered, Entered)
        return entered

    def hang_up(self, *fields: tuple[str, str]) -> None:
        """End his session."""
        self.phone.dialog = self.invited
        self.phone.request("BYE", *fields)
        self.phone.take(200)

    def say(self, sender: str, text: str, to: str = f"<sip:{ROOM}>", **fields: str) -> None:
        """Have somebody say something."""
        self.peer.send(wrap(sender, to, "text/plain", text.encode()), kind="message/cpim", **fields)

    def said(self) -> list[Frame]:
        """Take what he says."""
        return [one for one in self.peer.got() if one.body is not None]
