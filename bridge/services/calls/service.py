"""Calls between users and contacts: which stanza and which event belongs to which call.

A call of the user's is known by the contact and the session's id, which his client made up; one of the
network's by its `CallId`. Nothing of a call survives the bridge: a client that goes on with one from before
is told that the session is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.interfaces import IReactorTime

from bridge.calls import CallEnd, CallEvent, CallId, CallOffer, Ending
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from bridge.network import ContactAddress, Network
from bridge.router import ANSWERED, Answered, Request, Route, Router, Target, iq_get, iq_set
from bridge.services.calls.agenda import ID_PREFIX, Agenda
from bridge.services.calls.bounds import CALLS, CALLS_PER_USER
from bridge.services.calls.call import Call
from bridge.services.calls.devices import Abilities, Devices
from bridge.services.calls.outputs import Party
from bridge.services.calls.placed import Placed
from bridge.services.calls.received import Received
from bridge.services.contacts import user_of
from bridge.xmpp.element import Element
from bridge.xmpp.jid import escape, unescape
from bridge.xmpp.payloads.external_services import NS_EXTERNAL, build_services
from bridge.xmpp.payloads.jingle import (
    NS_JINGLE,
    Action,
    Condition,
    Jingle,
    Reason,
    jingle_error,
    parse_jingle,
)
from bridge.xmpp.payloads.jingle_message import (
    NS_JINGLE_MESSAGE,
    JingleMessage,
    Step,
    parse_jingle_message,
)
from bridge.xmpp.payloads.jingle_rtp import NS_RTP
from bridge.xmpp.payloads.jingle_transfer import Transfer, parse_transfer
from bridge.xmpp.stanza import error_from, result_reply

Key = tuple[UserId, str, str]
"""Of whom, with which bare JID, in which session."""
TOO_MANY = "Too many calls at once."
_BOUNCES = {"gone": Ending.GONE, "item-not-found": Ending.GONE}
"""Why a call that reached no client is over, by the condition; otherwise nobody is there now."""


class Calls:
    """See the module's docstring.

    `token` makes ids that nobody can guess; `show` is told of a contact who comes into a call with a user,
    and goes when none is left (XEP-0353 §3.1).
    """

    def __init__(
        self,
        router: Router,
        network: Network,
        clock: IReactorTime,
        token: Callable[[], str],
        show: Callable[[UserId, ContactId, bool], None],
    ) -> None:
        self._router = router
        self._network = network
        self._clock = clock
        self._token = token
        self._show = show
        self._shown: set[tuple[UserId, ContactId]] = set()
        self._devices = Devices(router)
        self._agenda = Agenda(router, network, clock, self._admitted, self._over)
        self._by_key: dict[Key, Call] = {}
        self._by_id: dict[CallId, Call] = {}
        self._by_user: dict[UserId, dict[Call, None]] = {}
        self._is_stopping = False
        self._is_carried = "calls" in network.capabilities(UserId(""), None).carried

    def routes(self) -> list[Route]:
        """Declare what it answers, where the network carries calls."""
        if not self._is_carried:
            return []
        contact = frozenset({Target.CONTACT})
        return [
            iq_set(NS_JINGLE, "jingle", self.jingle, Target.CONTACT),
            iq_get(NS_EXTERNAL, "services", self.services, Target.GATEWAY),
            *(Route("message", "*", contact, self.message, (NS_JINGLE_MESSAGE, step.value)) for step in Step),
        ]

    # ---- what clients ask

    def services(self, request: Request) -> Element:
        """XEP-0215 §3.1: none are needed, since the other end of media can be reached by everybody."""
        return build_services(request.payload, ())

    def jingle(self, request: Request) -> Answered:
        """XEP-0166: what comes of a request follows its answer."""
        told = parse_jingle(request.payload)
        call = self._by_key.get(self._key(request, told.sid))
        device = str(request.sender)
        if told.action is Action.SESSION_INITIATE:
            call = self._initiate(request, told, call)
        elif call is None:
            raise jingle_error(Condition.UNKNOWN_SESSION)
        else:
            transfer = parse_transfer(told) if told.action is Action.SESSION_INFO else None
            if transfer is not None:
                self._transfer(request, call, transfer)
            else:
                call.take(device, told)
        self._router.send(result_reply(request.element, None))
        self._agenda.run(call)
        return ANSWERED

    def _initiate(self, request: Request, told: Jingle, call: Call | None) -> Call:
        device = str(request.sender)
        if call is not None and not isinstance(call, Placed):
            raise jingle_error(Condition.OUT_OF_ORDER)
        if call is None:
            ringing = self._ringing_at(request, device)
            if ringing is not None and ringing.party.sid.encode() < told.sid.encode():
                raise jingle_error(Condition.TIE_BREAK)  # XEP-0166 §7.2.16
            if not self._has_room(user_of(request)):
                raise BridgeError(Trouble.TOO_MANY, TOO_MANY)
            placed = self._place(request, told.sid)
            placed.initiate(device, told)
            self._enter(placed)
            self._appear(placed)
            if ringing is not None:
                ringing.yield_to()
            return placed
        call.initiate(device, told)
        return call

    def _ringing_at(self, request: Request, device: str) -> Received | None:
        """Return the call of the contact that rings at this very client, by Jingle alone."""
        for call in self._others(request):
            if isinstance(call, Received) and call.rings and call.session_of(device) is not None:
                return call
        return None

    def _transfer(self, request: Request, call: Call, transfer: Transfer) -> None:
        """XEP-0251 §2 and §3: to people of this network only."""
        to = transfer.to
        if to is None or to.domain != self._router.domain:
            raise BridgeError(Trouble.NOT_ACCEPTABLE)
        address = self._network.address(unescape(to.local))
        if not isinstance(address, ContactAddress):
            raise BridgeError(Trouble.NOT_ACCEPTABLE)
        replaced = self._by_key.get((user_of(request), to.bare, transfer.sid)) if transfer.sid else None
        if transfer.sid and replaced is None:
            raise BridgeError(Trouble.NOT_FOUND)
        call.transfer(str(request.sender), address.contact, replaced)

    def message(self, request: Request) -> None:
        """XEP-0353."""
        told = parse_jingle_message(request.element)
        if told is None:
            return
        call = self._by_key.get(self._key(request, told.sid))
        if call is not None:
            call.message(str(request.sender), told)
            self._agenda.run(call)
        elif told.step is Step.PROPOSE:
            self._proposed(request, told)
        elif told.step in (Step.RINGING, Step.PROCEED):
            # it is over, or of before a crash: the client is not to wait for a session
            gone = JingleMessage(step=Step.RETRACT, sid=told.sid, reason=Reason(Ending.GONE))
            self._agenda.reply(request, gone)

    def _proposed(self, request: Request, told: JingleMessage) -> None:
        for other in self._others(request):
            if isinstance(other, Received) and other.rings:
                if other.party.sid.encode() < told.sid.encode():
                    tie = Reason(Ending.EXPIRED, "Tie-Break")
                    self._agenda.reply(
                        request, JingleMessage(step=Step.REJECT, sid=told.sid, reason=tie, tie_break=True)
                    )
                    return
                other.yield_to()
                self._agenda.run(other)
        if not self._has_room(user_of(request)):
            self._agenda.reply(
                request, JingleMessage(step=Step.REJECT, sid=told.sid, reason=Reason(Ending.BUSY, TOO_MANY))
            )
            return
        call = self._place(request, told.sid)
        self._enter(call)
        call.propose(told)
        self._agenda.run(call)

    def _admitted(self, call: Placed) -> None:
        """The network takes a call; one that the user has with the contact goes on in it (XEP-0353 §4.2)."""
        party = call.party
        for other in list(self._by_user.get(party.user, ())):
            if other.is_active and other.party.contact == party.contact:
                other.migrate(party.sid)
                self._agenda.run(other)
        self._appear(call)
        call.admitted()

    # ---- what is heard of clients

    def came(self, request: Request) -> None:
        """A client shows itself to a contact."""
        if self._is_carried:
            self._devices.came(request)

    def went(self, request: Request) -> None:
        """A client is unavailable to a contact, so in no call with him."""
        self._devices.went(request)
        for call in self._others(request):
            call.gone(str(request.sender))
            self._agenda.run(call)

    def bounced(self, request: Request) -> bool:
        """A message came back; tell whether it was one of ours, about a call."""
        if not request.id.startswith(ID_PREFIX):
            return False
        about, _, sid = request.id.removeprefix(ID_PREFIX).partition("-")
        call = self._by_key.get(self._key(request, sid))
        if about == Step.PROPOSE.value and isinstance(call, Received):
            error = error_from(request.element)
            call.bounced(_BOUNCES.get(error.trouble.value.condition, Ending.EXPIRED), error)
            self._agenda.run(call)
        return True

    # ---- what the network says

    def deliver(self, user: UserId, event: CallEvent) -> None:
        """Take what happened in a call of the user's."""
        call = self._by_id.get(event.call)
        if isinstance(event, CallOffer):
            if call is None:
                self._called(user, event)
        elif call is not None and call.party.user == user:
            call.hear(event)
            self._agenda.run(call)

    def _called(self, user: UserId, event: CallOffer) -> None:
        if self._is_stopping or not self._has_room(user):
            self._network.submit(user, CallEnd(call=event.call, ending=Ending.BUSY, text=TOO_MANY))
            return
        party = Party(
            call=event.call,
            user=user,
            contact=event.contact,
            jid=f"{escape(event.contact)}@{self._router.domain}",
            sid=self._token(),
            nick=event.nick,
        )
        call = self._agenda.emitter(party, lambda emit: Received(party, event, emit, self._clock.seconds))
        assert isinstance(call, Received)
        self._enter(call)
        self._appear(call)
        call.ring()
        self._agenda.run(call)
        devices = dict(self._devices.of(user, party.jid))
        call.expect(len(devices))
        for device, caps in devices.items():
            asked = self._devices.abilities(device, caps, party.jid)
            asked.addCallback(self._found, call, device)

    def _found(self, abilities: Abilities, call: Received, device: str) -> None:
        """A client told what it can do; one that tells nothing may be able to do more."""
        is_able = NS_JINGLE_MESSAGE in abilities
        is_hope = is_able or not abilities
        is_direct = not is_hope and {NS_JINGLE, NS_RTP} <= abilities
        call.found(device, is_direct=is_direct, is_hope=is_hope, is_able=is_able)
        self._agenda.run(call)

    # ---- the table

    def stop(self, reason: str) -> None:
        """End all calls: clients are not to ring, or to wait for media, for ever."""
        self._is_stopping = True
        for call in list(self._by_id.values()):
            call.stop(Ending.GONE, reason)
            self._agenda.run(call)

    def _key(self, request: Request, sid: str) -> Key:
        return user_of(request), request.to.bare, sid

    def _others(self, request: Request) -> Iterator[Call]:
        """Iterate over the user's calls with the contact."""
        for call in list(self._by_user.get(user_of(request), ())):
            if call.party.jid.partition("/")[0] == request.to.bare:
                yield call

    def _has_room(self, user: UserId) -> bool:
        return len(self._by_user.get(user, ())) < CALLS_PER_USER and len(self._by_id) < CALLS

    def _place(self, request: Request, sid: str) -> Placed:
        assert isinstance(request.address, ContactAddress)
        party = Party(
            call=CallId(self._token()),
            user=user_of(request),
            contact=ContactId(request.address.contact),
            jid=str(request.to),
            sid=sid,
        )
        device = str(request.sender)
        call = self._agenda.emitter(party, lambda emit: Placed(party, device, emit, self._clock.seconds))
        assert isinstance(call, Placed)
        return call

    def _enter(self, call: Call) -> None:
        party = call.party
        self._by_key[self._key_of(call)] = self._by_id[party.call] = call
        self._by_user.setdefault(party.user, {})[call] = None

    def _appear(self, call: Call) -> None:
        pair = call.party.user, call.party.contact
        if pair not in self._shown:
            self._shown.add(pair)
            self._show(*pair, True)

    def _over(self, call: Call) -> None:
        """A call is over: forget it."""
        if self._by_id.pop(call.party.call, None) is None:
            return
        del self._by_key[self._key_of(call)]
        calls = self._by_user[call.party.user]
        del calls[call]
        pair = call.party.user, call.party.contact
        if pair in self._shown and not any(other.party.contact == pair[1] for other in calls):
            self._shown.discard(pair)
            self._show(*pair, False)
        if not calls:
            del self._by_user[call.party.user]

    def _key_of(self, call: Call) -> Key:
        return call.party.user, call.party.jid.partition("/")[0], call.party.sid
