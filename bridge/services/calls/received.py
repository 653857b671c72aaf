"""A call that a contact makes: it rings at all clients of the user, until one takes it (XEP-0353 §3).

Clients that do not know XEP-0353 are called one by one; the first that accepts has the call.
"""

from __future__ import annotations

from bridge.calls import CallAnswer, CallCandidates, CallEnd, CallEvent, CallOffer, CallRinging, Ending
from bridge.errors import BridgeError
from bridge.services.calls.bounds import CANDIDATES_KEPT, DIRECT_DEVICES, RING_TIME, SILENCE
from bridge.services.calls.call import Call
from bridge.services.calls.outputs import NEVER, Announce, Emit, Output, Party, Seconds, Tell
from bridge.services.calls.session import Session
from bridge.services.calls.wire import Wire
from bridge.xmpp.payloads.jingle import Reason
from bridge.xmpp.payloads.jingle_message import JingleMessage
from bridge.xmpp.payloads.jingle_message import Step as Told

ELSEWHERE = Reason(Ending.CANCELLED, "Answered on another device")
_DECISIONS = frozenset({Ending.BUSY, Ending.DECLINED, Ending.SUCCESS, Ending.CANCELLED, Ending.GONE})
"""Why one client ends a call for all; other reasons are its own."""


class Received(Call):
    """See the module's docstring."""

    def __init__(self, party: Party, offer: CallOffer, emit: Emit, seconds: Seconds) -> None:
        super().__init__(party, emit, seconds)
        self.is_told = True
        self._offer = offer
        self._direct: dict[str, Session] = {}
        self._candidates: list[CallCandidates] = []
        self._is_ringing = False
        self._presumed = NEVER
        self._unknown = 0
        self._hopes = False
        self._failure: Reason | None = None

    # ---- it rings

    def ring(self) -> None:
        """Propose it to all clients, also if none is known to be there: a push may wake one (XEP-0353 §2)."""
        self._until = self._seconds() + RING_TIME
        kinds = tuple(dict.fromkeys(content.kind for content in self._offer.description.contents))
        told = JingleMessage(step=Told.PROPOSE, sid=self.party.sid, kinds=kinds)
        self._emit(Announce(self.party.user, told))

    @property
    def rings(self) -> bool:
        """Tell whether no client has it yet."""
        return self.session is None and not self.is_over

    def _ring_at(self, device: str) -> None:
        """Call a client that does not know XEP-0353."""
        if not self.rings or device in self._direct or len(self._direct) >= DIRECT_DEVICES:
            return
        self._direct[device] = session = self._make(device, lambda output: self._from_direct(device, output))
        self._begin(session, self._candidates, self._until - self._seconds())

    @property
    def deadline(self) -> float:
        """When `wake` is due."""
        is_presumed = self.rings and not self._is_ringing
        return min(super().deadline, self._presumed if is_presumed else NEVER)

    def expect(self, count: int) -> None:
        """So many clients are being asked what they can do."""
        self._unknown += count

    def found(self, device: str, *, is_direct: bool, is_hope: bool, is_able: bool) -> None:
        """One of them told: it is called by Jingle alone, or may take the call by XEP-0353, or cannot.

        COMPAT Dino 0.4 rings without saying so (XEP-0353 §3.2), and the caller would hear nothing meanwhile.
        """
        self._unknown -= 1
        self._hopes = self._hopes or is_hope
        if is_able and self._failure is None:
            self._presumed = min(self._presumed, self._seconds() + SILENCE)
        if is_direct:
            self._ring_at(device)
        self._despair()

    def _despair(self) -> None:
        """If it rings nowhere any more, and can ring nowhere, nobody waits for the ring time."""
        failure = self._failure
        if failure is not None and self.rings and not (self._direct or self._unknown or self._hopes):
            self._retract(failure.ending, failure.text)
            self._give_up(failure.ending, failure.text)

    def _make(self, device: str, emit: Emit) -> Session:
        wire = Wire(self.party.sid, self.party.jid, is_initiator=True)
        return Session(self.party.call, device, wire, emit, self._seconds, is_initiator=True)

    def _begin(self, session: Session, candidates: list[CallCandidates], *patience: float) -> None:
        session.call_client(self._offer.description, *patience)
        for event in candidates:
            session.hear(event)

    def _from_direct(self, device: str, output: Output) -> None:
        """Of what several clients want, tell the network what is so for the call."""
        event = output.event if isinstance(output, Tell) else None
        if isinstance(event, CallAnswer) and self.rings:
            self._chosen(self._direct.pop(device))
            # it tells others nothing by XEP-0353; there the call is over
            self._retract(ELSEWHERE.ending, ELSEWHERE.text)
            self.is_told = False
        if self.session is not None and self.session.device == device:
            self._emit(output)
        elif isinstance(event, CallRinging):
            self._rings_somewhere()
        elif isinstance(event, CallEnd):
            self._direct.pop(device, None)
            self._refused_by_one(event)
        elif event is None:
            self._emit(output)

    def _refused_by_one(self, event: CallEnd) -> None:
        self._failure = Reason(event.ending, event.text)
        if self.rings and event.ending in _DECISIONS:
            self._retract(event.ending, event.text)
            self._give_up(event.ending, event.text)
        self._despair()

    def _rings_somewhere(self) -> None:
        if not self._is_ringing and self.rings:
            self._is_ringing = True
            self._tell(CallRinging(call=self.party.call))

    def _chosen(self, session: Session) -> None:
        """A client has it: others are not to ring any more."""
        self.session, self._until = session, NEVER
        self._candidates.clear()
        self._hang_up_others(ELSEWHERE)

    def _hang_up_others(self, reason: Reason) -> None:
        others, self._direct = self._direct, {}
        for other in others.values():
            other.hang_up(reason.ending, reason.text)

    # ---- what clients say

    def session_of(self, device: str) -> Session | None:
        """Return the session of a client that has the call, or at which it rings."""
        return self._direct.get(device) or super().session_of(device)

    def message(self, device: str, told: JingleMessage) -> None:
        """XEP-0353 §3.2 to §3.8."""
        if not self.rings:
            if told.step is Told.PROCEED and self.session_of(device) is None:
                late = JingleMessage(step=Told.RETRACT, sid=self.party.sid, reason=ELSEWHERE)
                self._emit(Announce(device, late, private=True))
            else:
                super().message(device, told)
        elif told.step is Told.RINGING:
            self._hopes = True
            self._rings_somewhere()
        elif told.step is Told.PROCEED:
            self._proceed(device)
        elif told.step is Told.REJECT:
            reason = told.reason or Reason(Ending.DECLINED)
            self._give_up(reason.ending, reason.text)

    def _proceed(self, device: str) -> None:
        ringing = self._direct.pop(device, None)
        session = ringing or self._make(device, self._emit)
        candidates = self._candidates.copy()
        self._chosen(session)
        if ringing is None:
            self._begin(session, candidates)

    def bounced(self, ending: Ending, error: BridgeError) -> None:
        """The proposal reached no client."""
        self._hopes, self._failure = False, Reason(ending, error.text)
        self._presumed = NEVER
        self._despair()

    def gone(self, device: str) -> None:
        """A client at which it rings is gone, or the one that has it."""
        session = self._direct.pop(device, None)
        if session is not None:
            session.hang_up(Ending.GONE)
        else:
            super().gone(device)

    # ---- what the network says

    def hear(self, event: CallEvent) -> None:
        """Before a client has it, the contact can only give up, or tell where he may be reached."""
        if not self.rings:
            super().hear(event)
        elif isinstance(event, CallEnd):
            self._retract(event.ending, event.text)
            self._hang_up_others(Reason(event.ending, event.text))
            self.is_over, self._until = True, NEVER
        elif isinstance(event, CallCandidates) and len(self._candidates) < CANDIDATES_KEPT:
            self._candidates.append(event)
            for session in self._direct.values():
                session.hear(event)

    # ---- its end

    def _retract(self, ending: Ending, text: str, *, tie_break: bool = False) -> None:
        reason = Reason(ending, text)
        told = JingleMessage(step=Told.RETRACT, sid=self.party.sid, reason=reason, tie_break=tie_break)
        self._emit(Announce(self.party.user, told))

    def _give_up(self, ending: Ending, text: str = "") -> None:
        self._hang_up_others(Reason(ending, text))
        self.is_over, self._until = True, NEVER
        self._tell(CallEnd(call=self.party.call, ending=ending, text=text))

    def yield_to(self) -> None:
        """Both called at once, and the user's call is the one that goes on (XEP-0353 §4.1)."""
        self._retract(Ending.EXPIRED, "Tie-Break", tie_break=True)
        self._give_up(Ending.ALTERNATIVE)

    def stop(self, ending: Ending, text: str = "") -> None:
        """End it on both sides."""
        if self.rings:
            self._retract(ending, text)
            self._give_up(ending, text)
        else:
            super().stop(ending, text)

    def wake(self) -> None:
        """Nobody takes it, or none of the clients that ring has said so."""
        if self._seconds() >= self._presumed:
            self._rings_somewhere()
        if self.rings and self._seconds() >= self._until:
            self.stop(Ending.TIMED_OUT)
        super().wake()
