"""Calls between a user and a contact: what is said about one, in neither Jingle's nor the network's words.

A call begins by `CallOffer`, from either side, and is over for both after one `CallEnd`, from either side;
nothing about it follows. Between them each offer, the first included, is answered by `CallAnswer`, or,
if it is a later one, by `CallRefused`. A network also answers a call of the user's that it cannot make by
`CallEnd`, and ends what it cannot go on with. One offer waits at a time: a side that offers while the
other's offer waits for its answer is told `CallRefused`.
"""

from __future__ import annotations

from enum import Enum
from typing import NewType

from bridge.vocabulary import ContactId, Value

CallId = NewType("CallId", str)
"""A call, unique and not to be guessed; whoever begins it makes it up."""

Parameters = tuple[tuple[str, str], ...]
"""Names and values; a value that has no name has the name ""."""


class MediaKind(Enum):
    """What people hear or see."""

    AUDIO = "audio"
    VIDEO = "video"


class Flow(Enum):
    """Which way media go, as the author of a description sees it (RFC 8866 §6.7)."""

    BOTH = "sendrecv"
    SENDS = "sendonly"
    RECEIVES = "recvonly"
    NONE = "inactive"


class Setup(Enum):
    """Who begins the handshake of DTLS (RFC 5763 §5); an answer is never ACTPASS."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"


class Ending(Enum):
    """Why a call is over, by the names of XEP-0166 §7.4."""

    SUCCESS = "success"
    BUSY = "busy"
    DECLINED = "decline"
    CANCELLED = "cancel"
    TIMED_OUT = "timeout"
    EXPIRED = "expired"
    GONE = "gone"
    ALTERNATIVE = "alternative-session"
    CONNECTIVITY = "connectivity-error"
    FAILED_APPLICATION = "failed-application"
    FAILED_TRANSPORT = "failed-transport"
    INCOMPATIBLE = "incompatible-parameters"
    MEDIA = "media-error"
    SECURITY = "security-error"
    UNSUPPORTED_APPLICATIONS = "unsupported-applications"
    UNSUPPORTED_TRANSPORTS = "unsupported-transports"
    GENERAL = "general-error"


# ---- what an offer or answer consists of


class Feedback(Value, frozen=True, kw_only=True):
    """RTCP that the author takes (RFC 4585), e.g. type ``nack``, subtype ``pli``."""

    type: str
    subtype: str = ""


class Codec(Value, frozen=True, kw_only=True):
    """One format of RTP: payload type, and what it means; `ptime` and `maxptime` in milliseconds."""

    payload: int
    name: str
    clock: int
    channels: int = 1
    parameters: Parameters = ()
    feedback: tuple[Feedback, ...] = ()
    ptime: int | None = None
    maxptime: int | None = None


class HeaderExtension(Value, frozen=True, kw_only=True):
    """RFC 8285; `flow` as the author sees it."""

    id: int
    uri: str
    flow: Flow = Flow.BOTH


class Source(Value, frozen=True, kw_only=True):
    """RFC 5576: an SSRC and what is said of it."""

    ssrc: int
    parameters: Parameters = ()


class SourceGroup(Value, frozen=True, kw_only=True):
    """RFC 5576 §4.2."""

    semantics: str
    ssrcs: tuple[int, ...]


class Candidate(Value, frozen=True, kw_only=True):
    """An address at which media may arrive (RFC 8839 §5.1)."""

    foundation: str
    component: int
    protocol: str
    priority: int
    address: str
    port: int
    type: str
    related_address: str = ""
    related_port: int | None = None
    tcp_type: str = ""
    generation: int = 0


class Fingerprint(Value, frozen=True, kw_only=True):
    """The certificate that DTLS will show (RFC 8122)."""

    hash: str
    value: str
    setup: Setup


class Crypto(Value, frozen=True, kw_only=True):
    """Keys of SRTP in the description itself (RFC 4568)."""

    tag: int
    suite: str
    key: str
    session: str = ""


class Endpoint(Value, frozen=True, kw_only=True):
    """How one end of a content is reached; without `ufrag` there is no ICE, and one candidate a component.

    `complete` says that no candidates follow.
    """

    ufrag: str = ""
    password: str = ""
    candidates: tuple[Candidate, ...] = ()
    fingerprint: Fingerprint | None = None
    crypto: tuple[Crypto, ...] = ()
    complete: bool = False


class Content(Value, frozen=True, kw_only=True):
    """One stream of media, known in its call by its name; `bandwidth` in kbit/s."""

    name: str
    kind: MediaKind
    flow: Flow = Flow.BOTH
    codecs: tuple[Codec, ...]
    endpoint: Endpoint
    rtcp_mux: bool = False
    feedback: tuple[Feedback, ...] = ()
    extensions: tuple[HeaderExtension, ...] = ()
    sources: tuple[Source, ...] = ()
    groups: tuple[SourceGroup, ...] = ()
    bandwidth: int | None = None


class SessionDescription(Value, frozen=True, kw_only=True):
    """What one end offers or answers: all contents that the call is to have.

    An answer has those contents of its offer that are taken, by their names. `bundles` are the names
    of contents that share one `Endpoint` (RFC 9143).
    """

    contents: tuple[Content, ...]
    bundles: tuple[tuple[str, ...], ...] = ()


# ---- what happens


class CallOffer(Value, frozen=True, kw_only=True):
    """Outgoing: the user calls `contact`; incoming: the contact, who calls himself `nick`, calls him."""

    call: CallId
    contact: ContactId
    nick: str = ""
    description: SessionDescription


class CallRinging(Value, frozen=True, kw_only=True):
    """Who is called is being alerted."""

    call: CallId


class CallAnswer(Value, frozen=True, kw_only=True):
    """The offer that waits is answered; if it was the first, the call stands."""

    call: CallId
    description: SessionDescription


class CallUpdate(Value, frozen=True, kw_only=True):
    """A new offer in a call that stands: media more or less, or from elsewhere."""

    call: CallId
    description: SessionDescription


class CallRefused(Value, frozen=True, kw_only=True):
    """A `CallUpdate` is not taken: what was agreed before holds on. `crossed`: both offered at once."""

    call: CallId
    crossed: bool = False


class CallCandidates(Value, frozen=True, kw_only=True):
    """More candidates of a content, or the news that they are complete (trickle ICE, XEP-0176 §5.3)."""

    call: CallId
    content: str
    endpoint: Endpoint


class CallHold(Value, frozen=True, kw_only=True):
    """The author hears and sends nothing for now, or does again (XEP-0167 §8.1)."""

    call: CallId
    held: bool


class CallDigits(Value, frozen=True, kw_only=True):
    """Keys that were pressed, where they do not come in the media: of ``0-9*#A-D``; milliseconds for each."""

    call: CallId
    digits: str
    duration: int = 160


class CallTransfer(Value, frozen=True, kw_only=True):
    """Outgoing: the contact is to talk to somebody else instead; `replaces` is a call that it takes over.

    Answered by `CallEnd`, or by `CallRefused`.
    """

    call: CallId
    contact: ContactId
    replaces: CallId | None = None


class CallEnd(Value, frozen=True, kw_only=True):
    """The call is over, or did not come about; `text` is for people."""

    call: CallId
    ending: Ending
    text: str = ""


CallEvent = (
    CallOffer
    | CallRinging
    | CallAnswer
    | CallUpdate
    | CallRefused
    | CallCandidates
    | CallHold
    | CallDigits
    | CallEnd
)
"""What either side tells the other."""
