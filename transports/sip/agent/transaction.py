"""The four transactions as tables (RFC 3261 §17 as corrected by RFC 6026 §7.1 and §7.2).

A row is (state, input) → (next state, actions); an input without a row does nothing. A timer
among the actions is started; one that has no row in the state it finds is of no account.
`transactions` does what the actions say.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from transports.sip.agent.routing import Hop
from transports.sip.wire.message import Request, Response


class State(Enum):
    """States of a transaction."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Input(Enum):
    """What can happen beside timers: responses and requests that arrive, responses of the user, errors."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    REQUEST = "request"
    ACK = "ACK"
    SEND_PROVISIONAL = "1xx from user"
    SEND_SUCCESS = "2xx from user"
    SEND_FAILURE = "300-699 from user"
    ERROR = "transport error"


class Timer(Enum):
    """Timers by their letters (RFC 3261 table 4); TRYING is that of 100 (§17.2.1)."""

    A = "A"
    B = "B"
    D = "D"
    E = "E"
    F = "F"
    G = "G"
    H = "H"
    I = "I"  # noqa: E741 (the RFC's letter)
    J = "J"
    K = "K"
    L = "L"
    M = "M"
    TRYING = "100"


class Action(Enum):
    """What is to be done; DELIVER, TIMEOUT and FAIL tell the user of the transaction."""

    SEND_REQUEST = "send the request"
    SEND_RESPONSE = "send the last response, if there is one"
    SEND_TRYING = "send 100"
    SEND_ACK = "send ACK"
    DELIVER = "pass on what arrived"
    TIMEOUT = "tell of the timeout"
    FAIL = "tell of the transport's failure"


Actions = tuple[Action | Timer, ...]
Table = Mapping[tuple[State, Input | Timer], tuple[State, Actions]]

CLIENT_INVITE: Table = {
    (State.CALLING, Timer.A): (State.CALLING, (Action.SEND_REQUEST, Timer.A)),
    (State.CALLING, Timer.B): (State.TERMINATED, (Action.TIMEOUT,)),
    (State.CALLING, Input.ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.CALLING, Input.PROVISIONAL): (State.PROCEEDING, (Action.DELIVER,)),
    (State.CALLING, Input.SUCCESS): (State.ACCEPTED, (Action.DELIVER, Timer.M)),
    (State.CALLING, Input.FAILURE): (State.COMPLETED, (Action.SEND_ACK, Action.DELIVER, Timer.D)),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, (Action.DELIVER,)),
    (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, (Action.DELIVER, Timer.M)),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, (Action.SEND_ACK, Action.DELIVER, Timer.D)),
    (State.COMPLETED, Input.FAILURE): (State.COMPLETED, (Action.SEND_ACK,)),
    (State.COMPLETED, Input.ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.COMPLETED, Timer.D): (State.TERMINATED, ()),
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, (Action.DELIVER,)),
    (State.ACCEPTED, Timer.M): (State.TERMINATED, ()),
}

CLIENT_OTHER: Table = {
    (State.TRYING, Timer.E): (State.TRYING, (Action.SEND_REQUEST, Timer.E)),
    (State.TRYING, Timer.F): (State.TERMINATED, (Action.TIMEOUT,)),
    (State.TRYING, Input.ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, (Action.DELIVER,)),
    (State.TRYING, Input.SUCCESS): (State.COMPLETED, (Action.DELIVER, Timer.K)),
    (State.TRYING, Input.FAILURE): (State.COMPLETED, (Action.DELIVER, Timer.K)),
    (State.PROCEEDING, Timer.E): (State.PROCEEDING, (Action.SEND_REQUEST, Timer.E)),
    (State.PROCEEDING, Timer.F): (State.TERMINATED, (Action.TIMEOUT,)),
    (State.PROCEEDING, Input.ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, (Action.DELIVER,)),
    (State.PROCEEDING, Input.SUCCESS): (State.COMPLETED, (Action.DELIVER, Timer.K)),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, (Action.DELIVER, Timer.K)),
    (State.COMPLETED, Timer.K): (State.TERMINATED, ()),
}

SERVER_INVITE: Table = {
    (State.PROCEEDING, Timer.TRYING): (State.PROCEEDING, (Action.SEND_TRYING,)),
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.PROCEEDING, Input.SEND_PROVISIONAL): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.PROCEEDING, Input.SEND_SUCCESS): (State.ACCEPTED, (Action.SEND_RESPONSE, Timer.L)),
    (State.PROCEEDING, Input.SEND_FAILURE): (State.COMPLETED, (Action.SEND_RESPONSE, Timer.G, Timer.H)),
    (State.PROCEEDING, Input.ERROR): (State.PROCEEDING, (Action.FAIL,)),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.SEND_RESPONSE,)),
    (State.COMPLETED, Timer.G): (State.COMPLETED, (Action.SEND_RESPONSE, Timer.G)),
    (State.COMPLETED, Timer.H): (State.TERMINATED, (Action.TIMEOUT,)),
    (State.COMPLETED, Input.ACK): (State.CONFIRMED, (Timer.I,)),
    (State.COMPLETED, Input.ERROR): (State.COMPLETED, (Action.FAIL,)),
    (State.CONFIRMED, Timer.I): (State.TERMINATED, ()),
    (State.ACCEPTED, Input.SEND_SUCCESS): (State.ACCEPTED, (Action.SEND_RESPONSE,)),
    (State.ACCEPTED, Input.ACK): (State.ACCEPTED, (Action.DELIVER,)),
    (State.ACCEPTED, Input.ERROR): (State.ACCEPTED, (Action.FAIL,)),
    (State.ACCEPTED, Timer.L): (State.TERMINATED, ()),
}

SERVER_OTHER: Table = {
    (State.TRYING, Input.SEND_PROVISIONAL): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.TRYING, Input.SEND_SUCCESS): (State.COMPLETED, (Action.SEND_RESPONSE, Timer.J)),
    (State.TRYING, Input.SEND_FAILURE): (State.COMPLETED, (Action.SEND_RESPONSE, Timer.J)),
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.PROCEEDING, Input.SEND_PROVISIONAL): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.PROCEEDING, Input.SEND_SUCCESS): (State.COMPLETED, (Action.SEND_RESPONSE, Timer.J)),
    (State.PROCEEDING, Input.SEND_FAILURE): (State.COMPLETED, (Action.SEND_RESPONSE, Timer.J)),
    (State.PROCEEDING, Input.ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.SEND_RESPONSE,)),
    (State.COMPLETED, Input.ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.COMPLETED, Timer.J): (State.TERMINATED, ()),
}


class Timings(Struct, frozen=True):
    """Seconds (RFC 3261 table 4): round trip, longest pause between retransmissions, life of a message."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    d: float = 32.0
    trying: float = 0.2

    def pause(self, timer: Timer, is_reliable: bool, count: int, state: State) -> float | None:
        """Return how long a timer runs that was started `count` times before; None if it does not."""
        if timer in (Timer.A, Timer.E, Timer.G):
            if is_reliable:
                return None
            if timer is Timer.E and state is State.PROCEEDING:
                return self.t2
            longest = float("inf") if timer is Timer.A else self.t2
            return min(self.t1 * 2.0 ** min(count, 32), longest)
        if timer is Timer.TRYING:
            return self.trying
        if is_reliable and timer in (Timer.D, Timer.I, Timer.J, Timer.K):
            return 0.0
        if timer is Timer.D:
            return self.d
        return self.t4 if timer in (Timer.I, Timer.K) else 64 * self.t1


START: Mapping[bool, Mapping[bool, tuple[Table, State, Actions]]] = {
    True: {
        True: (CLIENT_INVITE, State.CALLING, (Action.SEND_REQUEST, Timer.A, Timer.B)),
        False: (CLIENT_OTHER, State.TRYING, (Action.SEND_REQUEST, Timer.E, Timer.F)),
    },
    False: {
        True: (SERVER_INVITE, State.PROCEEDING, (Action.DELIVER, Timer.TRYING)),
        False: (SERVER_OTHER, State.TRYING, (Action.DELIVER,)),
    },
}
"""By whether it is a client's, and whether it is of INVITE: the table, the first state, the first actions."""


class Transaction:
    """One transaction: what it knows, and its place in its table; what `is_once` is not sent again."""

    __slots__ = (
        *("_table", "arrived", "counts", "hop", "is_client", "is_once", "request", "response"),
        *("state", "timers"),
    )

    def __init__(self, request: Request, hop: Hop, is_client: bool, is_once: bool = False) -> None:
        self._table, self.state, _ = START[is_client][request.method == "INVITE"]
        self.request = request
        self.hop = hop
        self.is_client = is_client
        self.is_once = is_once
        self.arrived: Request | Response = request
        self.response: Response | None = None
        self.counts: dict[Timer, int] = {}
        self.timers: dict[Timer, int] = {}

    @property
    def first_actions(self) -> Actions:
        """What begins it."""
        return START[self.is_client][self.request.method == "INVITE"][2]

    def step(self, cause: Input | Timer) -> Actions:
        """Go to the next state and return what is to be done."""
        row = self._table.get((self.state, cause))
        if row is None:
            return ()
        self.state, actions = row
        return actions

    def may(self, cause: Input) -> bool:
        """Tell whether an input does anything now."""
        return (self.state, cause) in self._table


def received(response: Response) -> Input:
    """Return what a response is to a client's transaction."""
    if not response.is_final:
        return Input.PROVISIONAL
    return Input.SUCCESS if response.is_success else Input.FAILURE


def sent(response: Response) -> Input:
    """Return what a response of the user is to a server's transaction."""
    if not response.is_final:
        return Input.SEND_PROVISIONAL
    return Input.SEND_SUCCESS if response.is_success else Input.SEND_FAILURE


def ack_failure(invite: Request, response: Response) -> Request:
    """Make the ACK of a final response that is no 2xx (RFC 3261 §17.1.1.3)."""
    return _beside(invite, "ACK", response)


def cancel(invite: Request) -> Request:
    """Make the CANCEL of a request (RFC 3261 §9.1)."""
    return _beside(invite, "CANCEL", None)


def _beside(invite: Request, method: str, response: Response | None) -> Request:
    return Request(
        uri=invite.uri,
        via=invite.via[:1],
        from_=invite.from_,
        to=response.to if response else invite.to,
        call_id=invite.call_id,
        cseq=type(invite.cseq)(number=invite.cseq.number, method=method),
        fields=tuple(field for field in invite.fields if field[0] == "Route"),
    )
