"""SIP peers that speak ICE and DTLS as browsers do: what of their descriptions is kept (RFC 8839)."""

from __future__ import annotations

from msgspec.structs import replace

from transports.sip.agent.routing import is_address
from transports.sip.calls.translate import MAX_CANDIDATES, plain
from transports.sip.wire.sdp import Description, Media

_ICE = frozenset({"ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "candidate", "end-of-candidates", "mid"})


def is_web(description: Description) -> bool:
    """Tell whether a description is of a peer that speaks ICE and DTLS."""
    places = (description.attributes, *(each.attributes for each in description.media))
    return {"ice-ufrag", "fingerprint"} <= {name for attributes in places for name, _ in attributes}


def kept(description: Description) -> Description:
    """Return SDP without what belongs to bundles, sources and extensions. Raises Malformed.

    Of ICE's candidates those are kept that rtpengine could reach: by UDP, at addresses, and not too many.
    """
    found = plain(description, _ICE)
    return replace(found, media=tuple(map(_reachable, found.media)))


def _reachable(media: Media) -> Media:
    candidates = [value for name, value in media.attributes if name == "candidate" and _is_reachable(value)]
    others = tuple(pair for pair in media.attributes if pair[0] != "candidate")
    reached = tuple(("candidate", value) for value in candidates[:MAX_CANDIDATES])
    return replace(media, attributes=(*others, *reached))


def _is_reachable(candidate: str) -> bool:
    """See RFC 8839 §5.1: foundation, component, protocol, priority, address."""
    words = candidate.split()
    return len(words) > 7 and words[2].lower() == "udp" and is_address(words[4])
