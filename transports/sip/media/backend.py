"""What anchors the media of calls between XMPP, which speaks ICE and DTLS-SRTP, and a SIP peer.

A back end makes one `Anchor` for each call. Of the XMPP side it takes and gives `SessionDescription`s,
of the SIP side SDP; an offer of one side becomes the offer to the other, and likewise its answer.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from bridge.calls import CallId, Endpoint, SessionDescription
from transports.sip.wire.sdp import Description


class Protection(Enum):
    """How media of a SIP peer are protected."""

    NONE = "none"
    SDES = "sdes"
    DTLS = "dtls"


class Demands(Struct, frozen=True, kw_only=True):
    """What a SIP peer wants: `codecs` are names of RTP's registry, the preferred first, () for all.

    `family` is the version of IP that it is reached by. `has_ice`: it speaks ICE and DTLS, as browsers do;
    who offers them is taken to, anyway. `is_direct`: it does, and media go past us. `is_symmetric`: its media
    may come from another address than it names.
    """

    protection: Protection = Protection.NONE
    codecs: tuple[str, ...] = ()
    family: int = 4
    has_ice: bool = False
    is_direct: bool = False
    is_symmetric: bool = False


class Listener(Protocol):
    """Who made an anchor, and is told what happens to its media."""

    @property
    def signalled_from(self) -> str:
        """The address that the SIP peer's signalling comes from, who is spoken with now; "" if unknown."""

    def media_lost(self, reason: str) -> None:
        """Nothing can flow any more: end the call."""

    def pressed(self, digit: str) -> None:
        """The SIP peer pressed a key (RFC 4733), and the XMPP side may not hear it in its media."""


class Anchor(Protocol):
    """The media of one call.

    The Deferreds fail with BridgeError within ten seconds; NOT_ACCEPTABLE: no media in common.
    """

    def offer_to_sip(self, offer: SessionDescription) -> Deferred[Description]:
        """Take an offer from XMPP, the first or a later one; return what is offered to the SIP peer."""

    def answer_to_xmpp(self, answer: Description) -> Deferred[SessionDescription]:
        """Take the SIP peer's answer to it; return what XMPP is answered."""

    def offer_to_xmpp(self, offer: Description) -> Deferred[SessionDescription]:
        """Take an offer from the SIP peer; return what is offered to XMPP."""

    def answer_to_sip(self, answer: SessionDescription) -> Deferred[Description]:
        """Take XMPP's answer to it; return what the SIP peer is answered."""

    def candidates(self, content: str, endpoint: Endpoint) -> None:
        """Take more candidates of the XMPP side."""

    def press(self, digit: str, duration: int) -> None:
        """Have the SIP peer hear a key for that many milliseconds, if the XMPP side offered no RFC 4733."""

    def end(self) -> None:
        """Let go of it; safe to call at any time, and twice."""


class MediaBackend(Protocol):
    """Makes anchors."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> Deferred[None]:
        """End every anchor; fires within five seconds."""

    def anchor(self, call: CallId, demands: Demands, listener: Listener) -> Anchor:
        """Return a new anchor. Raises BridgeError OVERLOADED and UNREACHABLE."""

    @property
    def trouble(self) -> str:
        """What is wrong with it, in words for the operator; "" if nothing is."""
