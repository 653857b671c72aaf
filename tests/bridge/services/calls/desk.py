"""A gateway domain whose contacts can be called, with clients that speak Jingle by `Wire`s of their own."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from bridge.calls import (
    CallAnswer,
    CallEnd,
    CallId,
    CallOffer,
    Candidate,
    Codec,
    Content,
    Ending,
    Endpoint,
    Fingerprint,
    MediaKind,
    SessionDescription,
    Setup,
)
from bridge.capabilities import Capabilities, Level
from bridge.events import ContactId, UserId
from bridge.network import CallQuery
from bridge.router import Route, Target
from bridge.services.calls.service import Calls
from bridge.services.calls.steps import Step
from bridge.services.calls.wire import Wire
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.caps import NS_CAPS
from bridge.xmpp.payloads.disco import NS_INFO, Identity, Info, build_info
from bridge.xmpp.payloads.jingle import NS_JINGLE, Action, Jingle, Reason, build_jingle, parse_jingle
from bridge.xmpp.payloads.jingle_message import JingleMessage, build_jingle_message, parse_jingle_message
from bridge.xmpp.payloads.jingle_message import Step as Told
from bridge.xmpp.stanza import NS_COMPONENT, NS_STANZA_ERRORS
from tests.bridge.services.scene import NURSE, Scene

USER = "romeo@montague.example"
ROMEO = f"{USER}/garden"
PHONE = f"{USER}/phone"
CONTACT = ContactId("nurse%irc.example")
SID = "5f2c-sid"
CALL = CallId("call-of-the-nurse")

ENDPOINT = Endpoint(
    ufrag="8hhy",
    password="asd88fgpdd777uzjYhagZg",
    candidates=(
        Candidate(
            foundation="1",
            component=1,
            protocol="udp",
            priority=2_130_706_431,
            address="192.0.2.3",
            port=8_998,
            type="host",
        ),
    ),
    fingerprint=Fingerprint(hash="sha-256", value=":".join(["AB"] * 32), setup=Setup.ACTPASS),
)
ANSWERING = structs.replace(
    ENDPOINT,
    ufrag="9uB6",
    password="YH75Fviy6338Vbrhrlp8Yh",
    fingerprint=Fingerprint(hash="sha-256", value=":".join(["CD"] * 32), setup=Setup.PASSIVE),
)
VOICE = Content(
    name="voice",
    kind=MediaKind.AUDIO,
    codecs=(
        Codec(payload=111, name="opus", clock=48_000, channels=2),
        Codec(payload=0, name="PCMU", clock=8_000),
    ),
    endpoint=ENDPOINT,
    rtcp_mux=True,
)
FILM = structs.replace(
    VOICE, name="film", kind=MediaKind.VIDEO, codecs=(Codec(payload=96, name="VP8", clock=90_000),)
)
OFFER = SessionDescription(contents=(VOICE,))
BOTH = SessionDescription(contents=(VOICE, FILM))
ANSWER = SessionDescription(contents=(structs.replace(VOICE, endpoint=ANSWERING),))
BOTH_ANSWER = SessionDescription(
    contents=tuple(structs.replace(one, endpoint=ANSWERING) for one in BOTH.contents)
)
JMI = ("urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:rtp:1", "urn:xmpp:jingle-message:0")


def content(name: str, **changes: Any) -> Content:
    """Return a content of audio like `VOICE`."""
    return structs.replace(VOICE, name=name, **changes)


class Client:
    """One device in one session; it remembers who made which content."""

    def __init__(self, desk: Desk, jid: str, sid: str, *, is_initiator: bool) -> None:
        self.jid = jid
        self.sid = sid
        self._desk = desk
        self._wire = Wire(sid, jid, is_initiator=is_initiator)

    def ask(self, action: Action, **step: Any) -> str:
        """Ask for a step; return the condition of Jingle's, or of the error, "" if it is taken."""
        wanted = Step(action=action, **step)
        self._wire.made(wanted, by_us=True)
        return self._desk.iq_of(self.jid, self._wire.write(wanted))

    def read(self, stanza: Element) -> Step:
        """Read a request of ours as the device would."""
        payload = stanza.child("jingle", NS_JINGLE)
        assert payload is not None
        step = self._wire.read(parse_jingle(payload))
        self._wire.made(step, by_us=False)
        return step


class Chats:
    """Takes other messages to contacts; the MUC does that elsewhere."""

    def routes(self) -> list[Route]:
        return [Route("message", "*", frozenset({Target.CONTACT}), lambda _request: None)]


class Desk(Scene):
    """See the module's docstring; requests of ours are acknowledged at once, if `acknowledges`."""

    def __init__(self) -> None:
        super().__init__()
        self.network.levels = Capabilities(calls=Level.NATIVE)
        self.network.answers[CallQuery] = None
        self.tokens = 0
        self.acknowledges = True
        self.shown: list[tuple[str, str, bool]] = []
        self.calls = Calls(
            self.router,
            self.network,  # type: ignore[arg-type]
            self.clock,
            self._token,
            lambda user, contact, is_there: self.shown.append((user, contact, is_there)),
        )
        self.add(self.calls, Chats())

    def _token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    # ---- what comes out

    def told(self) -> list[Any]:
        """Return what the network was told since the last time."""
        told = [event for _user, event in self.network.submitted]
        self.network.submitted.clear()
        return told

    def out(self) -> list[Element]:
        """Return what clients got since the last time but results, acknowledging requests of Jingle."""
        found: list[Element] = []
        while self.sent:
            for stanza in self.taken():
                found.append(stanza)
                if self.acknowledges and stanza.name == "iq" and stanza.get("type") == "set":
                    self.reply(stanza)
        return [one for one in found if one.get("type") != "result"]

    def actions(self) -> list[str]:
        """Return, in words, what clients got: actions of Jingle, steps of XEP-0353, bodies."""
        return [describe(stanza) for stanza in self.out()]

    def reply(self, iq: Element, condition: str = "", *children: Element) -> None:
        """Answer a request of ours."""
        to, by, ident = iq.get("from"), iq.get("to"), iq.get("id")
        answer = Element(
            "iq",
            NS_COMPONENT,
            {"type": "error" if condition else "result", "from": by, "to": to, "id": ident},
        )
        for child in children:
            answer.add(child)
        if condition:
            error = Element("error", NS_COMPONENT, {"type": "cancel"}, Element(condition, NS_STANZA_ERRORS))
            answer.add(error)
        self.router.receive(answer)

    # ---- what clients say

    def iq_of(self, device: str, request: Jingle, to: str = NURSE) -> str:
        """Send a request; the answer is the first stanza of what it leads to."""
        self.tokens += 1
        ident = f"iq-{self.tokens}"
        iq = Element("iq", NS_COMPONENT, {"type": "set", "from": device, "to": to, "id": ident})
        before = self.taken()
        self.router.receive(iq.add(build_jingle(request)))
        answer, *self.sent = self.sent
        self.sent = before + self.sent
        assert (answer.get("id"), answer.get("to")) == (ident, device)
        return "" if answer.get("type") == "result" else condition_of(answer)

    def say(self, device: str, step: Told, sid: str = SID, to: str = NURSE, **told: Any) -> None:
        """Send a step of XEP-0353."""
        message = Element("message", NS_COMPONENT, {"type": "chat", "from": device, "to": to, "id": "m1"})
        self.router.receive(message.add(build_jingle_message(JingleMessage(step=step, sid=sid, **told))))

    def there(self, device: str) -> None:
        """A device shows itself to the contact."""
        stanza = Element("presence", NS_COMPONENT, {"from": device, "to": NURSE})
        self.calls.came(
            self._request(stanza.add(Element("c", NS_CAPS, {"node": "n", "ver": device, "hash": "x"})))
        )

    def away(self, device: str) -> None:
        """A device is unavailable."""
        self.calls.went(self._request(Element("presence", NS_COMPONENT, {"from": device, "to": NURSE})))

    def bounce(self, ident: str, condition: str) -> bool:
        """A message of ours comes back; tell whether it was about a call."""
        error = Element("error", NS_COMPONENT, {"type": "cancel"}, Element(condition, NS_STANZA_ERRORS))
        stanza = Element(
            "message", NS_COMPONENT, {"type": "error", "from": USER, "to": NURSE, "id": ident}, error
        )
        return self.calls.bounced(self._request(stanza))

    def _request(self, stanza: Element) -> Any:
        request = self.router._request(stanza)
        assert request is not None
        return request

    def tell_features(self, *features: str) -> None:
        """Answer the questions that devices were asked."""
        questions = [one for one in self.taken() if one.child("query", NS_INFO) is not None]
        for question in questions:
            self.reply(question, "", features_of(*features))

    # ---- how tests begin

    def hear(self, event: Any) -> None:
        """The network tells something."""
        self.calls.deliver(UserId(USER), event)

    def placed(self, offer: SessionDescription = OFFER, device: str = ROMEO) -> tuple[Client, CallId]:
        """The user calls without XEP-0353; the network has the offer."""
        client = Client(self, device, SID, is_initiator=True)
        assert client.ask(Action.SESSION_INITIATE, description=offer) == ""
        (event,) = self.told()
        assert event == CallOffer(call=event.call, contact=CONTACT, description=offer)
        return client, event.call

    def called(self, offer: SessionDescription = OFFER, nick: str = "Nurse") -> str:
        """The contact calls; return the session's id."""
        self.hear(CallOffer(call=CALL, contact=CONTACT, nick=nick, description=offer))
        (proposal,) = [one for one in self.out() if one.name == "message"]
        told = parse_jingle_message(proposal)
        assert told is not None and told.step is Told.PROPOSE
        return told.sid

    def taken_up(self, device: str = ROMEO, offer: SessionDescription = OFFER) -> Client:
        """The contact calls, and one device has the call; it is to accept the session."""
        sid = self.called(offer)
        self.say(device, Told.PROCEED, sid)
        (initiate,) = self.out()
        client = Client(self, device, sid, is_initiator=False)
        assert client.read(initiate).description == offer
        return client


def talking(desk: Desk) -> tuple[Client, CallId]:
    """The user called, and both talk."""
    client, call = desk.placed()
    desk.hear(CallAnswer(call=call, description=ANSWER))
    for stanza in desk.out():
        client.read(stanza)
    return client, call


def talking_back(desk: Desk) -> Client:
    """The contact called, and both talk."""
    client = desk.taken_up()
    assert client.ask(Action.SESSION_ACCEPT, description=ANSWER) == ""
    desk.told()
    return client


def features_of(*features: str) -> Element:
    """Return what disco says of a client with these features."""
    return build_info(Info(identities=(Identity("client", "pc"),), features=features))


def describe(stanza: Element) -> str:
    """Return a stanza in a word or two."""
    jingle, body = stanza.child("jingle", NS_JINGLE), stanza.child_text("body")
    if jingle is not None:
        told = parse_jingle(jingle)
        words = [told.action.value, *(one.name for one in told.payloads if one.name != "group")]
        return " ".join(words if told.reason is None else [*words, told.reason.ending.value])
    message = parse_jingle_message(stanza) if stanza.name == "message" else None
    if message is not None:
        ending = "" if message.reason is None else f" {message.reason.ending.value}"
        return f"<{message.step.value}{ending}>"
    return body if body is not None else next(stanza.elements()).name


def condition_of(answer: Element) -> str:
    """Return what is wrong, in Jingle's words if it has any."""
    error = answer.child("error")
    assert error is not None
    names = {child.namespace: child.name for child in error.elements() if child.name != "text"}
    return names.get("urn:xmpp:jingle:errors:1") or names[NS_STANZA_ERRORS]


def ended(ending: Ending, call: CallId = CALL, text: str = "") -> CallEnd:
    """Return the end of a call."""
    return CallEnd(call=call, ending=ending, text=text)


def because(ending: Ending, text: str = "") -> Reason:
    """Return a reason."""
    return Reason(ending, text)
