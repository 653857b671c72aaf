"""A call that the user makes: proposed by XEP-0353 or begun at once, then a session that we answer."""

from __future__ import annotations

from bridge.calls import CallEnd, CallOffer, Ending
from bridge.errors import BridgeError
from bridge.services.calls.bounds import INITIATE_TIME, PATIENCE
from bridge.services.calls.call import Call
from bridge.services.calls.outputs import EXPLAINED, NEVER, Consult, Emit, Explain, Party, Seconds
from bridge.services.calls.session import Session
from bridge.services.calls.wire import Wire
from bridge.xmpp.payloads.jingle import Condition, Jingle, Reason, jingle_error
from bridge.xmpp.payloads.jingle_message import JingleMessage
from bridge.xmpp.payloads.jingle_message import Step as Told

_ENDINGS = {
    "forbidden": Ending.SECURITY,
    "not-authorized": Ending.SECURITY,
    "recipient-unavailable": Ending.EXPIRED,
    "remote-server-timeout": Ending.TIMED_OUT,
    "resource-constraint": Ending.BUSY,
    "item-not-found": Ending.GONE,
}
"""How a client is told by Jingle why the network takes no call; by the condition of its error."""


class Placed(Call):
    """See the module's docstring; `device` is the client that calls."""

    def __init__(self, party: Party, device: str, emit: Emit, seconds: Seconds) -> None:
        super().__init__(party, emit, seconds)
        self.device = device

    # ---- until there is a session

    def propose(self, told: JingleMessage) -> None:
        """The client asks whether it may call (XEP-0353 §3.1)."""
        self.is_told = True
        if not told.kinds:
            self._reject(Reason(Ending.UNSUPPORTED_APPLICATIONS))
        else:
            self._emit(Consult(frozenset(told.kinds)))

    def admitted(self) -> None:
        """The network takes the call: so the client is to begin its session, where the offer is."""
        if not self.is_over:
            self._until = self._seconds() + INITIATE_TIME
            self._announce(self.device, Told.PROCEED)

    def refused(self, error: BridgeError) -> None:
        """The network does not take it."""
        if not self.is_over:
            self._reject(Reason(_ENDINGS.get(error.trouble.value.condition, Ending.GENERAL), error.text))
            self._emit(Explain(error.text))

    def _reject(self, reason: Reason) -> None:
        self.is_over, self._until = True, NEVER
        self._announce(self.device, Told.REJECT, reason)

    def initiate(self, device: str, request: Jingle) -> None:
        """The client begins its session; see `take`."""
        if device != self.device:
            raise jingle_error(Condition.UNKNOWN_SESSION)
        if self.session is not None or (self.is_told and self._until == NEVER):
            raise jingle_error(Condition.OUT_OF_ORDER)
        party = self.party
        wire = Wire(party.sid, party.jid, is_initiator=False)
        step = wire.read(request)
        session = Session(party.call, device, wire, self._emit, self._seconds, is_initiator=False)
        self.session = session
        session.called_by_client(step)
        self._until = self._seconds() + PATIENCE
        if step.flaw is not None:
            session.hang_up(step.flaw)
            self.settle()
        else:
            self._tell(CallOffer(call=party.call, contact=party.contact, description=step.description))

    # ---- afterwards

    def message(self, device: str, told: JingleMessage) -> None:
        """XEP-0353: before there is a session, the client can only give up."""
        if self.session is not None:
            super().message(device, told)
        elif device == self.device and told.step in (Told.RETRACT, Told.FINISH, Told.REJECT):
            self.is_over, self._until = True, NEVER

    def gone(self, device: str) -> None:
        """The client that calls is not there any more."""
        if self.session is None and device == self.device:
            self.is_over, self._until = True, NEVER
        super().gone(device)

    def explain(self, event: CallEnd) -> None:
        """Clients show no words that come with the end of a session."""
        if not self.is_active and event.ending in EXPLAINED and event.text:
            self._emit(Explain(event.text))

    def stop(self, ending: Ending, text: str = "") -> None:
        """End it on both sides, or say that it is not to begin."""
        if self.session is None:
            self._reject(Reason(ending, text))
        super().stop(ending, text)

    def wake(self) -> None:
        """The session does not begin, or the network does not answer in time."""
        if self.is_active:
            self._until = NEVER
        elif self._seconds() >= self._until and self.session is None:
            self._finish(self.device, Reason(Ending.TIMED_OUT))
        elif self._seconds() >= self._until:
            self.stop(Ending.TIMED_OUT)
        super().wake()
