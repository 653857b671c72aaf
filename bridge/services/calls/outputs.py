"""What the machines of a call want done, and what all of one call's machines know."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bridge.calls import CallId, Ending, MediaKind
from bridge.events import ContactId, Outgoing, UserId
from bridge.services.calls.steps import Step
from bridge.xmpp.payloads.jingle import Jingle
from bridge.xmpp.payloads.jingle_message import JingleMessage


class Party(Struct, frozen=True, kw_only=True):
    """Whose call it is: `jid` is the contact's address, as the user's clients know it in this call."""

    call: CallId
    user: UserId
    contact: ContactId
    jid: str
    sid: str
    nick: str = ""


class Tell(Struct, frozen=True):
    """Tell the network."""

    event: Outgoing


class Consult(Struct, frozen=True):
    """Ask the network whether the user may call; then comes `Placed.admitted` or `Placed.refused`."""

    kinds: frozenset[MediaKind]


class Ask(Struct, frozen=True):
    """Send a client a request of a session; then comes `Session.replied`."""

    device: str
    request: Jingle
    step: Step


class Ping(Struct, frozen=True):
    """Ask a client whether it is there; then comes `Session.ponged`."""

    device: str


class Announce(Struct, frozen=True):
    """Send the user's clients, or one of them, a step of XEP-0353; `private`: others are not to see it."""

    to: str
    told: JingleMessage
    private: bool = False


class Explain(Struct, frozen=True):
    """Tell the user in words, from the contact."""

    text: str


Output = Tell | Consult | Ask | Ping | Announce | Explain
Emit = Callable[[Output], None]
Seconds = Callable[[], float]

NEVER = float("inf")
"""The time of what is not going to happen."""
EXPLAINED = frozenset(Ending) - {
    Ending.SUCCESS,
    Ending.BUSY,
    Ending.DECLINED,
    Ending.CANCELLED,
    Ending.TIMED_OUT,
    Ending.ALTERNATIVE,
}
"""Why calls do not come about that clients have no words for."""
