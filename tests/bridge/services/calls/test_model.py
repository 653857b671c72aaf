"""Whatever clients and the network do, in whatever order, `bridge.calls` holds and both sides end."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import Struct, structs

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallDigits,
    CallEnd,
    CallHold,
    CallId,
    CallOffer,
    CallRefused,
    CallRinging,
    CallUpdate,
    Ending,
    Flow,
    SessionDescription,
)
from bridge.services.calls.bounds import ANSWER_TIME, CALLS, CALLS_PER_USER, PATIENCE, PING_INTERVAL
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.disco import NS_INFO
from bridge.xmpp.payloads.jingle import NS_JINGLE, Action, parse_jingle
from bridge.xmpp.payloads.jingle_info import Info, Press, State, build_info, build_press
from bridge.xmpp.payloads.jingle_message import Step as Told
from bridge.xmpp.payloads.jingle_message import parse_jingle_message
from tests.bridge.services.calls.desk import (
    ANSWERING,
    CONTACT,
    ENDPOINT,
    FILM,
    PHONE,
    ROMEO,
    VOICE,
    Client,
    Desk,
    because,
    ended,
    features_of,
)

AUDIO = (VOICE.kind,)
DEVICES = st.sampled_from([ROMEO, PHONE])
SIDS = st.sampled_from(["sid-a", "sid-b", "zzz"])
CONTENTS = [VOICE, FILM, structs.replace(VOICE, name="mine"), structs.replace(FILM, endpoint=ANSWERING)]
DESCRIPTIONS = st.lists(
    st.builds(
        lambda one, flow: structs.replace(one, flow=flow), st.sampled_from(CONTENTS), st.sampled_from(Flow)
    ),
    min_size=1,
    unique_by=lambda one: one.name,
).map(lambda contents: SessionDescription(contents=tuple(contents)))
NAMES = st.sampled_from(["voice", "film", "mine"])
RESTARTED = structs.replace(ANSWERING, ufrag="again")
ENDPOINTS = st.sampled_from([ENDPOINT, ANSWERING, RESTARTED])
PAYLOADS = st.sampled_from(
    [(build_info(Info(state)),) for state in State]
    + [(build_press(Press("5")),), (Element("x", "urn:x"),), ()]
)
REASONS = st.sampled_from([None, *(because(ending) for ending in Ending)])
STEPS = st.one_of(
    st.tuples(st.sampled_from(list(Action)), st.fixed_dictionaries({"description": DESCRIPTIONS})),
    st.tuples(st.just(Action.SESSION_ACCEPT), st.fixed_dictionaries({"description": DESCRIPTIONS})),
    st.tuples(st.just(Action.CONTENT_ACCEPT), st.fixed_dictionaries({"description": DESCRIPTIONS})),
    st.tuples(st.sampled_from(list(Action)), st.fixed_dictionaries({"names": NAMES.map(lambda one: (one,))})),
    st.tuples(
        st.just(Action.CONTENT_MODIFY),
        st.fixed_dictionaries({"flows": st.dictionaries(NAMES, st.sampled_from(Flow), min_size=1)}),
    ),
    st.tuples(
        st.sampled_from([Action.TRANSPORT_INFO, Action.TRANSPORT_REPLACE, Action.TRANSPORT_ACCEPT]),
        st.fixed_dictionaries({"endpoints": st.dictionaries(NAMES, ENDPOINTS, min_size=1)}),
    ),
    st.tuples(st.just(Action.SESSION_INFO), st.fixed_dictionaries({"payloads": PAYLOADS})),
    st.tuples(st.just(Action.SESSION_TERMINATE), st.fixed_dictionaries({"reason": REASONS})),
)


class Watched(Struct):
    """A call as the network knows it: whose offer waits for an answer, and whether it stands."""

    call: CallId
    network_waits: bool
    user_waits: bool
    stands: bool = False
    is_over: bool = False


class Calling(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.desk.acknowledges = False
        self.watched: dict[CallId, Watched] = {}
        self.clients: dict[tuple[str, str], Client] = {}
        self.asked: list[Element] = []
        self.sessions: dict[tuple[str, str], int] = {}
        self.number = 0

    # ---- clients

    def client(self, device: str, sid: str, *, is_initiator: bool = True) -> Client:
        key = device, sid
        if key not in self.clients:
            self.clients[key] = Client(self.desk, device, sid, is_initiator=is_initiator)
        return self.clients[key]

    @rule(device=DEVICES, sid=SIDS, description=DESCRIPTIONS)
    def begin(self, device: str, sid: str, description: SessionDescription) -> None:
        client = Client(self.desk, device, sid, is_initiator=True)
        if client.ask(Action.SESSION_INITIATE, description=description) == "":
            self.clients[device, sid] = client
            self.sessions[device, sid] = self.sessions.get((device, sid), 0) + 1

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), step=STEPS)
    def ask(self, data: st.DataObject, step: tuple[Action, dict[str, Any]]) -> None:
        key = data.draw(st.sampled_from(sorted(self.clients)))
        action, fields = step
        is_taken = self.clients[key].ask(action, **fields) == ""
        if is_taken and action is Action.SESSION_TERMINATE:
            self.sessions[key] -= 1
        elif is_taken and action is Action.SESSION_INITIATE:
            self.sessions[key] += 1

    @rule(device=DEVICES, data=st.data(), step=st.sampled_from(Told), reason=REASONS)
    def say(self, device: str, data: st.DataObject, step: Told, reason: Any) -> None:
        sid = data.draw(st.sampled_from(sorted({"sid-a", "zzz", *(key[1] for key in self.clients)})))
        self.desk.say(device, step, sid, kinds=AUDIO if step is Told.PROPOSE else (), reason=reason)

    @rule(device=DEVICES, is_there=st.booleans())
    def show(self, device: str, is_there: bool) -> None:
        (self.desk.there if is_there else self.desk.away)(device)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), condition=st.sampled_from(["", "", "conflict", "item-not-found", "not-allowed"]))
    def reply(self, data: st.DataObject, condition: str) -> None:
        iq = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        if not condition and iq.child("query", NS_INFO) is not None:
            known = data.draw(st.sampled_from([(), (NS_JINGLE, "urn:xmpp:jingle:apps:rtp:1")]))
            self.desk.reply(iq, "", features_of(*known))
        else:
            self.desk.reply(iq, condition)

    @rule(seconds=st.sampled_from([1.0, 31.0, PING_INTERVAL, PATIENCE]))
    def wait(self, seconds: float) -> None:
        self.desk.clock.advance(seconds)

    @rule(sid=st.sampled_from([f"token-{number}" for number in range(1, 20)]))
    def bounce(self, sid: str) -> None:
        self.desk.bounce(f"call-propose-{sid}", "service-unavailable")

    # ---- the network

    @rule(description=DESCRIPTIONS)
    def call(self, description: SessionDescription) -> None:
        self.number += 1
        call = CallId(f"n{self.number}")
        self.watched[call] = Watched(call, network_waits=True, user_waits=False)
        self.desk.hear(CallOffer(call=call, contact=CONTACT, description=description))

    @precondition(lambda self: self.open())
    @rule(data=st.data(), description=DESCRIPTIONS, name=NAMES, flag=st.booleans())
    def happen(self, data: st.DataObject, description: SessionDescription, name: str, flag: bool) -> None:
        one = data.draw(st.sampled_from(self.open()))
        events: list[Any] = [
            CallRinging(call=one.call),
            CallHold(call=one.call, held=flag),
            CallDigits(call=one.call, digits="1#"),
            CallCandidates(call=one.call, content=name, endpoint=ANSWERING),
            ended(Ending.SUCCESS, one.call),
        ]
        if one.user_waits:
            events.append(CallAnswer(call=one.call, description=description))
            if one.stands:
                events.append(CallRefused(call=one.call))
        if one.stands and not one.network_waits:
            events.append(CallUpdate(call=one.call, description=description))
        event = data.draw(st.sampled_from(events))
        if isinstance(event, CallEnd):
            one.is_over = True
        elif isinstance(event, CallUpdate):
            one.network_waits = True
        elif isinstance(event, CallAnswer | CallRefused):
            one.user_waits, one.stands = False, True
        self.desk.hear(event)

    def open(self) -> list[Watched]:
        return [one for one in self.watched.values() if not one.is_over]

    # ---- what holds

    @invariant()
    def contract_holds(self) -> None:
        for event in self.desk.told():
            self.told(event)
        for stanza in self.desk.taken():
            self.seen(stanza)
        assert len(self.desk.calls._by_id) <= CALLS_PER_USER <= CALLS

    def told(self, event: Any) -> None:
        one = self.watched.get(event.call)
        if isinstance(event, CallOffer):
            assert one is None
            self.watched[event.call] = Watched(event.call, network_waits=False, user_waits=True)
            return
        assert one is not None and not one.is_over, event
        match event:
            case CallEnd():
                one.is_over = True
            case CallAnswer():
                assert one.network_waits
                one.network_waits, one.stands = False, True
            case CallRefused():
                assert one.network_waits and one.stands
                one.network_waits = False
            case CallUpdate(description=description):
                assert one.stands and not one.user_waits and description.contents
                one.user_waits = True

    def seen(self, stanza: Element) -> None:
        if stanza.name == "iq" and stanza.get("type") in ("set", "get"):
            self.asked.append(stanza)
        payload = stanza.child("jingle", NS_JINGLE)
        if payload is None:
            assert stanza.name != "message" or stanza.get("type") == "chat" or parse_jingle_message(stanza)
            return
        request = parse_jingle(payload)
        key = stanza.attributes["to"], request.sid
        if request.action is Action.SESSION_INITIATE:
            self.clients[key] = Client(self.desk, *key, is_initiator=False)
            self.clients[key].read(stanza)
            self.sessions[key] = self.sessions.get(key, 0) + 1
        elif request.action is Action.SESSION_TERMINATE:
            self.sessions[key] -= 1
        assert self.sessions.get(key, 0) >= 0

    def teardown(self) -> None:
        """Nobody says anything any more: all is over for both sides, and nothing is left."""
        self.desk.clock.advance(ANSWER_TIME)
        self.contract_holds()
        assert not [one for one in self.open() if one.stands and one.network_waits]
        for _ in range(8):
            self.desk.clock.advance(PATIENCE)
            self.contract_holds()
        assert self.open() == []
        calls = self.desk.calls
        assert (calls._by_id, calls._by_key, calls._by_user) == ({}, {}, {})
        assert self.desk.clock.getDelayedCalls() == []


TestCalling = Calling.TestCase
TestCalling.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
