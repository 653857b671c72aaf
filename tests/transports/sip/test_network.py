"""The whole network in front of a SIP server in memory."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace
from twisted.names import dns

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ContactId,
    ContactPresence,
    Depart,
    DirectMessage,
    Enter,
    Exited,
    Failed,
    Kind,
    Message,
    NotEntered,
    Presence,
    Ref,
    RoomId,
    Sent,
    ServerId,
    Show,
    Subscribe,
    Text,
    Typing,
    TypingState,
    Undelivered,
    Unsubscribe,
    UserId,
)
from bridge.network import ContactAddress, ContactInfo, ContactPing, ContactQuery, ContactVersion, RoomList
from bridge.secret import Secret
from tests.transports.sip.samples import request
from tests.transports.sip.wires import PEER, Bridge, Names, Reactor
from transports.sip.address import user_uri
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.lines.cycle import FIRST_PAUSE
from transports.sip.lines.line import ASK_INTERVAL
from transports.sip.messages.pager import GRACE
from transports.sip.network import SipNetwork
from transports.sip.reception import CHECKS
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Request, Response, respond, write
from transports.sip.wire.uri import parse_uri

ROMEO, JULIET = UserId("romeo@example.org"), UserId("juliet@example.org")
BOB = ContactId("bob@pbx.example")
STRANGER = "203.0.113.9"
DESK = TrunkConfig(
    server=f"sip:{PEER}",
    domain="pbx.example",
    username="4711",
    password=Secret("word"),
    register=True,
    owner=JULIET,
)
PBX = TrunkConfig(server=f"sip:{PEER}", domain="pbx.example", users=("example.org",), numbers=("+1555*",))
NAMES = {("A", "far.example"): [dns.Record_A(STRANGER)]}


class Scene:
    """A network that listens, with its trunk's answers to OPTIONS already given."""

    def __init__(
        self, trunks: dict[str, TrunkConfig] | None = None, *, kept: dict | None = None, **config: object
    ) -> None:
        self.reactor, self.bridge, self.names = Reactor(), Bridge(), Names(NAMES)
        self.bridge.kept = kept or {}
        config.setdefault("allowed_peers", ("203.0.113.0/24", "198.51.100.0/24"))
        config.setdefault("listen", ("udp 192.0.2.1:5060", "tcp 192.0.2.1:5060"))
        self.config = SipConfig(
            domain="gw.example",
            trunks={"pbx": PBX} if trunks is None else trunks,
            **config,
        )
        self.network = SipNetwork(self.config, self.reactor, self.names, Random(1), None, lambda: 1e9)
        self.network.start(self.bridge)

    def up(self) -> Scene:
        """Let the trunk answer, and forget what was told of it."""
        for asked in self.asked():
            self.reply(asked)
        self.bridge.taken()
        return self

    def asked(self) -> list[Request]:
        return [one for one in self.reactor.taken() if isinstance(one, Request)]

    def answers(self) -> list[int]:
        return [one.status for one in self.reactor.taken() if isinstance(one, Response)]

    def reply(self, asked: Request, status: int = 200, fields=(), host: str = PEER) -> None:
        self.reactor.arrive(write(respond(asked, status, "far", fields)), host)

    def say(
        self, body: str, contact: ContactId = BOB, user: UserId = ROMEO, ref: int = 1, **more: object
    ) -> None:
        self.network.submit(user, DirectMessage(contact=contact, body=Text(plain=body), ref=Ref(ref), **more))

    def hear(
        self,
        body: str,
        sender: str = "sip:bob@pbx.example",
        uri: str = "",
        host: str = PEER,
        branch: str = "1",
        **more: object,
    ) -> None:
        asked = request(
            "MESSAGE",
            uri=uri or str(user_uri(ROMEO, "gw.example")),
            branch=f"z9hG4bK{branch}",
            from_tag=f"f{branch}",
            body=body.encode(),
            **more,
        )
        fields = (*asked.fields, ("User-Agent", "x" * 60))
        asked = replace(
            asked, from_=NameAddr(uri=parse_uri(sender), display="Bob").with_tag(branch), fields=fields
        )
        self.reactor.arrive(write(asked), host)


def troubles(scene: Scene) -> list[Trouble]:
    return [event.error.trouble for _, event in scene.bridge.taken() if isinstance(event, Failed)]


# ---- from XMPP


def test_message_goes_to_the_trunk_and_its_answer_to_the_user() -> None:
    """From is the user's address in our domain; there is no Contact (RFC 3428 §4)."""
    scene = Scene().up()
    scene.say("hello")
    [asked] = scene.asked()
    assert (asked.method, str(asked.uri), asked.body) == ("MESSAGE", "sip:bob@pbx.example", b"hello")
    assert str(asked.from_.uri) == "sip:romeo%40example.org@gw.example" and asked.get("Contact") is None
    scene.reply(asked)
    assert scene.bridge.taken() == [(ROMEO, Sent(ref=Ref(1)))]


def test_refusal_and_silence_are_told_the_sender() -> None:
    """Nothing is lost."""
    scene = Scene().up()
    scene.say("hello")
    scene.reply(scene.asked()[0], 404)
    assert troubles(scene) == [Trouble.NOT_FOUND]
    scene.say("hello")
    scene.reactor.pump([1.0] * 33)
    assert troubles(scene) == [Trouble.TIMED_OUT]


def test_next_message_waits_for_the_answer_to_the_one_before() -> None:
    """RFC 3428 §8; one to somebody else does not."""
    scene = Scene().up()
    scene.say("one", ref=1)
    scene.say("waves", ref=2, kind=Kind.EMOTE)
    scene.say("other", contact=ContactId("+15550"), ref=3)
    one, other = scene.asked()
    assert (one.body, other.body, str(other.uri)) == (b"one", b"other", "sip:+15550@pbx.example;user=phone")
    scene.reply(one)
    [two] = scene.asked()
    assert two.body == b"/me waves"


def test_queue_of_somebody_who_does_not_answer_ends_soon() -> None:
    """What waited too long for its turn is not tried any more."""
    scene = Scene().up()
    for ref in range(1, 8):
        scene.say("anybody?", ref=ref)
    scene.reactor.pump([1.0] * 100)
    assert troubles(scene) == [Trouble.TIMED_OUT] * 7
    assert len({asked.call_id for asked in scene.asked() if asked.method == "MESSAGE"}) == 2


def test_message_over_the_limit_is_refused_with_a_number() -> None:
    """RFC 7572 §6: policy-violation."""
    scene = Scene().up()
    scene.say("x" * 1300)
    [(_, failed)] = scene.bridge.taken()
    assert failed.error.trouble is Trouble.TOO_LONG and "bytes" in failed.error.text
    assert scene.asked() == []


def test_rooms_and_the_rest_are_refused() -> None:
    """Each event that wants an answer has one."""
    scene = Scene().up()
    room = RoomId("room@pbx.example")
    scene.network.submit(ROMEO, Enter(room=room, nick="romeo"))
    scene.network.submit(ROMEO, Depart(room=room))
    scene.network.submit(ROMEO, Message(room=room, body=Text(plain="x"), ref=Ref(1)))
    scene.network.submit(ROMEO, Presence(show=Show.AWAY))
    told = [type(event) for _, event in scene.bridge.taken()]
    assert told == [NotEntered, Exited, Failed]
    assert scene.network.snapshot(ROMEO, room) is None
    with pytest.raises(BridgeError):
        scene.network.contact(room, "nick")


# ---- from SIP


def test_message_is_passed_on_and_answered_a_moment_later() -> None:
    """202: it is on its way (RFC 3428 §7)."""
    scene = Scene().up()
    scene.hear("Ay me")
    assert scene.answers() == []
    [(user, event)] = scene.bridge.taken()
    assert user == ROMEO and event == DirectMessage(
        contact=BOB, nick="Bob", body=Text(plain="Ay me"), id="m1"
    )
    scene.reactor.advance(GRACE)
    assert scene.answers() == [202]
    assert scene.network.nick(BOB) == "Bob"


@pytest.mark.parametrize(("sender", "contact"), [("+1555-0", "+15550"), ("4712", "4712@pbx.example")])
def test_number_is_one_that_an_answer_reaches(sender: str, contact: str) -> None:
    """Others are addresses at their domain, which the trunk carries."""
    scene = Scene().up()
    scene.hear("hello", sender=f"sip:{sender}@pbx.example")
    [(_, event)] = scene.bridge.taken()
    assert event.contact == contact
    scene.say("answer", contact=event.contact)
    assert len([one for one in scene.asked() if one.method == "MESSAGE"]) == 1


def test_message_that_comes_back_in_time_is_refused() -> None:
    """And one that comes back later is told by a message."""
    scene = Scene().up()
    scene.hear("one")
    error = BridgeError(Trouble.UNAVAILABLE, "He is not there.")
    scene.network.submit(ROMEO, Undelivered(contact=BOB, id="m1", error=error))
    assert scene.answers() == [480]
    scene.hear("two", branch="2")
    scene.reactor.advance(GRACE)
    assert scene.answers() == [202]
    for _ in range(2):
        scene.network.submit(ROMEO, Undelivered(contact=BOB, id="m2", error=error))
    [told] = scene.asked()
    assert b"He is not there." in told.body and str(told.from_.uri) == str(user_uri(ROMEO, "gw.example"))


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"uri": "sip:romeo%40example.org@else.example"}, 404),
        ({"uri": "sip:romeo@gw.example"}, 404),
        ({"uri": "sip:paris%40other.example@gw.example"}, 403),
        ({"uri": "sips:romeo%40example.org@gw.example"}, 416),
        ({"sender": "sips:bob@pbx.example"}, 416),
        ({"sender": "sip:pbx.example"}, 400),
        ({"fields": (("Require", "foo"),)}, 420),
        ({"fields": (("Content-Type", "text/html"),)}, 415),
        ({"to_tag": "t"}, 481),
        ({"host": STRANGER}, 403),
    ],
)
def test_message_that_is_not_for_us_is_refused(more: dict, status: int) -> None:
    """Nothing of it reaches anybody."""
    scene = Scene().up()
    scene.hear("hello", **more)
    assert scene.answers() == [status] and scene.bridge.taken() == []


def test_empty_message_is_nothing_and_a_flood_of_the_store_is_put_off() -> None:
    """The sender comes again when we take messages again."""
    scene = Scene().up()
    scene.hear(" ")
    scene.network.pause()
    scene.hear("later", branch="2")
    assert scene.answers() == [200, 503] and scene.bridge.taken() == []
    scene.network.resume()
    scene.hear("now", branch="3")
    assert len(scene.bridge.taken()) == 1


@pytest.mark.parametrize(
    ("sender", "host", "is_heard"),
    [
        ("sip:eve@far.example", STRANGER, True),
        (f"sip:eve@{STRANGER}:5070", STRANGER, True),
        ("sip:eve@far.example", "203.0.113.8", False),
        ("sip:eve@unknown.example", STRANGER, False),
        ("sip:bob@pbx.example", STRANGER, False),
        ("sip:juliet%40example.org@gw.example", STRANGER, False),
        ("tel:+15551234", STRANGER, False),
    ],
)
def test_stranger_is_believed_where_his_domain_is(sender: str, host: str, is_heard: bool) -> None:
    """In open federation; trunks' people and our own are never strangers."""
    scene = Scene(federation=True).up()
    scene.hear("hello", sender=sender, host=host)
    scene.reactor.advance(GRACE)
    assert scene.answers() == ([202] if is_heard else [403])
    assert len(scene.bridge.taken()) == is_heard


def test_typing_is_shown_to_who_shows_it() -> None:
    """RFC 3994; each change once, and not while a message is under way."""
    scene = Scene().up()
    state = Typing(contact=BOB, state=TypingState.COMPOSING)
    scene.network.submit(ROMEO, state)
    assert scene.asked() == []
    kind = (("Content-Type", "application/im-iscomposing+xml"),)
    scene.hear("<isComposing><state>active</state></isComposing>", fields=kind)
    assert scene.bridge.taken() == [(ROMEO, Typing(contact=BOB, state=TypingState.COMPOSING))]
    assert scene.answers() == [200]
    for _ in range(2):
        scene.network.submit(ROMEO, state)
    [asked] = scene.asked()
    assert b"<state>active</state>" in asked.body
    scene.reply(asked)
    scene.network.submit(ROMEO, Typing(contact=BOB, state=TypingState.PAUSED))
    assert b"<state>idle</state>" in scene.asked()[0].body


def test_only_so_many_strangers_are_looked_up_at_a_time() -> None:
    """The DNS is not flooded for who forges addresses."""
    scene = Scene(federation=True, request_burst=1000).up()
    scene.names.silent = True
    for number in range(CHECKS + 1):
        scene.hear(
            "hello", sender="sip:eve@far.example", host=STRANGER, branch=f"{number}", number=number + 1
        )
    assert scene.answers() == [503]


# ---- trunks


def test_account_registers_and_belongs_to_its_owner() -> None:
    """What comes for it is his, what he says comes from it."""
    scene = Scene({"desk": DESK, "pbx": PBX})
    register = next(one for one in scene.asked() if one.method == "REGISTER")
    assert str(register.uri) == "sip:pbx.example" and str(register.to.uri) == "sip:4711@pbx.example"
    challenge = (("WWW-Authenticate", 'Digest realm="pbx.example", nonce="n", qop="auth"'),)
    scene.reply(register, 401, challenge)
    [again] = scene.asked()
    assert again.get("Authorization") and again.call_id == register.call_id
    contact = again.get("Contact") or ""
    assert contact.startswith("<sip:4711@192.0.2.1:5060>")
    scene.reply(again, 200, (("Contact", f"{contact.partition(';')[0]};expires=100"),))
    assert scene.network.users() == [JULIET]
    scene.hear("for Juliet", uri="sip:4711@192.0.2.1:5060")
    assert scene.bridge.taken()[-1][0] == JULIET
    scene.say("from Juliet", user=JULIET)
    [asked] = [one for one in scene.asked() if one.method == "MESSAGE"]
    assert str(asked.from_.uri) == "sip:4711@pbx.example"
    scene.reactor.pump([10.0] * 8)
    assert "REGISTER" in [one.method for one in scene.asked()]


def test_trunk_that_fails_is_tried_again_and_told_of() -> None:
    """To the operator, and to who subscribed to somebody there who cannot say how he is."""
    scene = Scene({"pbx": replace(PBX, presence=False)})
    scene.network.submit(ROMEO, Subscribe(contact=BOB))
    assert scene.bridge.taken() == [(ROMEO, ContactPresence(contact=BOB, available=True))]
    scene.reply(scene.asked()[0], 503)
    assert scene.bridge.taken() == [(ROMEO, ContactPresence(contact=BOB, available=False))]
    assert scene.bridge.troubles == ["out of reach: pbx"]
    scene.reactor.advance(FIRST_PAUSE)
    scene.reply(scene.asked()[0], 404)
    assert scene.bridge.taken() == [(ROMEO, ContactPresence(contact=BOB, available=True))]
    assert scene.bridge.troubles[-1] == ""
    scene.network.submit(ROMEO, Unsubscribe(contact=BOB))
    scene.reactor.advance(ASK_INTERVAL)
    scene.reply(scene.asked()[0], 503)
    assert scene.bridge.taken() == []


def test_registration_is_taken_back_at_the_end() -> None:
    """The server sends nothing to who is not there."""
    scene = Scene({"desk": DESK})
    scene.reply(scene.asked()[0])
    done: list[object] = []
    scene.network.stop("bye").addCallback(done.append)
    [last] = scene.asked()
    assert last.method == "REGISTER" and last.get("Expires") == "0" and not done
    scene.reply(last)
    assert done and scene.reactor.ports[0].stopped


# ---- questions and names


def test_contact_is_asked_by_options() -> None:
    """Reachable or not, and which program."""
    scene = Scene().up()
    outcome: list = []
    scene.network.ask(ROMEO, ContactVersion(BOB)).addBoth(outcome.append)
    scene.reply(scene.asked()[0], 200, (("User-Agent", "Desk/1.2"),))
    assert (outcome[0].name, outcome[0].version) == ("Desk", "1.2")
    scene.network.ask(ROMEO, ContactPing(BOB)).addBoth(outcome.append)
    scene.reply(scene.asked()[0], 480)
    assert outcome[1].value.trouble is Trouble.UNAVAILABLE
    scene.network.ask(ROMEO, ContactPing(BOB)).addBoth(outcome.append)
    scene.reactor.pump([1.0] * 30)
    assert outcome[2].value.trouble is Trouble.TIMED_OUT
    scene.network.ask(ROMEO, RoomList(ServerId(""))).addBoth(outcome.append)
    assert outcome[3].rooms == ()


def test_contact_is_described_by_what_is_known() -> None:
    """His name as he sends it, and his address."""
    scene = Scene().up()
    scene.hear("hello", sender="sip:BOB@pbx.example")
    found: list[ContactInfo] = []
    for contact in (BOB, ContactId("+15550")):
        scene.network.ask(ROMEO, ContactQuery(contact)).addCallback(found.append)
    assert [(one.nick, one.address) for one in found] == [
        ("Bob", "sip:BOB@pbx.example"),
        ("+15550", "tel:+15550"),
    ]
    address = scene.network.address("+1 555-0")
    assert address == ContactAddress(ContactId("+15550"), ServerId(""))
    assert scene.network.name(address) == "+15550"
    assert scene.network.name(scene.network.address("")) == "gw.example"
    assert scene.network.commands(address) == () and not scene.network.disconnect(ROMEO, "")


def test_reload_puts_new_rules_in_force() -> None:
    """Open federation can be closed at once."""
    scene = Scene(federation=True).up()
    scene.hear("one", sender="sip:eve@far.example", host=STRANGER)
    assert len(scene.bridge.taken()) == 1
    scene.network.reload(replace(scene.config, federation=False))
    scene.hear("two", sender="sip:eve@far.example", host=STRANGER, branch="2")
    assert scene.bridge.taken() == []
