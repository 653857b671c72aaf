"""What calls in both directions have in common: a session with one client at last, and what is said of it."""

from __future__ import annotations

from bridge.calls import CallEnd, CallEvent, CallRefused, CallTransfer, Ending
from bridge.errors import BridgeError
from bridge.events import ContactId
from bridge.services.calls.outputs import NEVER, Announce, Emit, Explain, Party, Seconds, Tell
from bridge.services.calls.session import Phase, Session
from bridge.services.calls.steps import Step
from bridge.xmpp.payloads.jingle import Condition, Jingle, Reason, jingle_error
from bridge.xmpp.payloads.jingle_message import JingleMessage
from bridge.xmpp.payloads.jingle_message import Step as Told


class Call:
    """One call. `is_over`: nothing of it is left; `is_told` clients learn of its end by XEP-0353 too."""

    def __init__(self, party: Party, emit: Emit, seconds: Seconds) -> None:
        self.party = party
        self.session: Session | None = None
        self.is_over = False
        self.is_told = False
        self._emit = emit
        self._seconds = seconds
        self._until = NEVER
        self._is_transferring = False

    # ---- what is known of it

    @property
    def is_active(self) -> bool:
        """Tell whether both talk."""
        return self.session is not None and self.session.phase is Phase.ACTIVE

    def session_of(self, device: str) -> Session | None:
        """Return the session that a client has in this call, None if it has none."""
        return self.session if self.session is not None and self.session.device == device else None

    @property
    def deadline(self) -> float:
        """When `wake` is due."""
        return min(self._until, NEVER if self.session is None else self.session.deadline)

    # ---- what clients say

    def take(self, device: str, request: Jingle) -> None:
        """Do what a client asks in its session; no other client has a say in it (XEP-0166 §10)."""
        session = self.session_of(device)
        if session is None:
            raise jingle_error(Condition.UNKNOWN_SESSION)
        session.take(request)
        self.settle()

    def message(self, device: str, told: JingleMessage) -> None:
        """Do what a client says of the call in a message (XEP-0353)."""
        session = self.session_of(device)
        if session is not None and told.step in (Told.FINISH, Told.RETRACT, Told.REJECT):
            reason = told.reason or Reason(Ending.SUCCESS if self.is_active else Ending.CANCELLED)
            session.end(reason.ending, reason.text)
            self.settle()

    def transfer(self, device: str, contact: ContactId, replaces: Call | None) -> None:
        """The client wants the contact to talk to somebody else (XEP-0251)."""
        if self.session_of(device) is None:
            raise jingle_error(Condition.UNKNOWN_SESSION)
        if not self.is_active:
            raise jingle_error(Condition.OUT_OF_ORDER)
        self._is_transferring = True
        other = None if replaces is None else replaces.party.call
        self._emit(Tell(CallTransfer(call=self.party.call, contact=contact, replaces=other)))

    def replied(self, device: str, step: Step, error: BridgeError | None) -> None:
        """A client answered a request of ours, or did not."""
        session = self.session_of(device)
        if session is not None:
            session.replied(step, error)
            self.settle()

    def ponged(self, device: str, error: BridgeError | None) -> None:
        """A client answered a ping, or did not."""
        session = self.session_of(device)
        if session is not None:
            session.ponged(error)
            self.settle()

    def gone(self, device: str) -> None:
        """A client is not available any more (RFC 6121 §4.5)."""
        session = self.session_of(device)
        if session is not None:
            session.end(Ending.GONE)
            self.settle()

    # ---- what the network says

    def hear(self, event: CallEvent) -> None:
        """Take what the network says of this call."""
        session = self.session
        if session is None:
            return
        if isinstance(event, CallRefused) and self._is_transferring and not session.talk.is_asked:
            self._is_transferring = False
            self._emit(Explain("The call could not be transferred."))
            return
        if isinstance(event, CallEnd):
            self.explain(event)
        session.hear(event)
        self.settle()

    def explain(self, event: CallEnd) -> None:
        """Tell in words why a call did not come about, where that is worth it."""

    # ---- its end

    def stop(self, ending: Ending, text: str = "") -> None:
        """End it on both sides."""
        if self.session is not None:
            self.session.end(ending, text)
            self.settle()

    def migrate(self, sid: str) -> None:
        """The user goes on in another session, which takes this one's place (XEP-0353 §4.2)."""
        session = self.session
        if session is not None:
            session.end(Ending.SUCCESS)
            self._finish(session.device, Reason(Ending.EXPIRED, "Session migrated"), sid)

    def wake(self) -> None:
        """Do what is due."""
        if self.session is not None:
            self.session.wake()
            self.settle()

    def settle(self) -> None:
        """If the session is over, so is the call; all devices of the user are to know (XEP-0353 §3.8)."""
        session = self.session
        if session is not None and session.phase is Phase.ENDED and not self.is_over:
            self._finish(session.device, session.reason or Reason(Ending.SUCCESS))

    def _finish(self, device: str, reason: Reason, migrated: str = "") -> None:
        self.is_over, self._until = True, NEVER
        if self.is_told:
            self._announce(device, Told.FINISH, reason, migrated)

    def _announce(self, to: str, step: Told, reason: Reason | None = None, migrated: str = "") -> None:
        told = JingleMessage(step=step, sid=self.party.sid, reason=reason, migrated=migrated)
        self._emit(Announce(to, told))

    def _tell(self, event: CallEvent) -> None:
        self._emit(Tell(event))
