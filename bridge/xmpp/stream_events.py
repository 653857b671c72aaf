"""What streams between servers tell their owners (`bridge.xmpp.server_stream`)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bridge.xmpp.dialback import Pair, Verdict
from bridge.xmpp.element import Element
from bridge.xmpp.stream_management import Session


class StartTls(Struct, frozen=True):
    """TLS is to begin now; `tls_started` is called when it has."""


class PairOpened(Struct, frozen=True):
    """The peer takes stanzas of this pair, whose sender is ours."""

    pair: Pair


class PairRefused(Struct, frozen=True):
    """It does not; `condition` is a stanza error's (XEP-0220 §2.5)."""

    pair: Pair
    condition: str


class PairAdmitted(Struct, frozen=True):
    """We take stanzas of this pair, whose sender is the peer's; `how` says on what evidence."""

    pair: Pair
    how: Literal["certificate", "dialback"]


class Verified(Struct, frozen=True):
    """The authoritative server's answer about a key (`ServerStream.verify`)."""

    pair: Pair
    stream_id: str
    verdict: Verdict


class AcknowledgementRequested(Struct, frozen=True):
    """The peer asks what became of its stanzas: `acknowledge(handled)` once they are safe."""

    handled: int


class Acknowledged(Struct, frozen=True):
    """The peer has taken more of what was sent."""


class TooLarge(Struct, frozen=True):
    """A stanza over our limit was read past; `stanza` has its name, addresses, id, type and language."""

    stanza: Element


class StreamFailed(Struct, frozen=True):
    """The stream ended against our will; `condition` is RFC 6120 §4.9.3's, "" if the link just broke.

    `by_peer`: it was the peer who ended it.
    """

    condition: str
    text: str
    by_peer: bool


class StreamEnded(Struct, frozen=True):
    """The stream was closed properly, by either side."""


class Opened(Struct, frozen=True):
    """A peer opened a stream: `local` and `remote` are the domains it names, `remote` "" if none.

    `IncomingStream.greet` goes on.
    """

    local: str
    remote: str


class DialbackRequested(Struct, frozen=True):
    """The peer wants a pair admitted; `IncomingStream.answer` goes on."""

    pair: Pair
    stream_id: str
    key: str


class SessionOpened(Struct, frozen=True):
    """The stream has a session that may outlive it."""

    session: Session


class ResumeRequested(Struct, frozen=True):
    """The peer wants to go on with a session; `IncomingStream.resume` or `refuse_resume` goes on."""

    id: str
    handled: int


class Ready(Struct, frozen=True):
    """The stream is negotiated so far that it carries dialback; pairs may be requested."""


class SessionResumed(Struct, frozen=True):
    """The former stream's session goes on here."""


class SessionLost(Struct, frozen=True):
    """The session could not be resumed; nobody has to keep what it held but the sender."""

    session: Session


Event = (
    Acknowledged
    | AcknowledgementRequested
    | DialbackRequested
    | Element
    | Opened
    | PairAdmitted
    | PairOpened
    | PairRefused
    | Ready
    | ResumeRequested
    | SessionLost
    | SessionOpened
    | SessionResumed
    | StartTls
    | StreamEnded
    | StreamFailed
    | TooLarge
    | Verified
)
