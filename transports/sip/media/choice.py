"""Which back end carries a call's media, by the configuration."""

from __future__ import annotations

from transports.sip.config import TrunkConfig
from transports.sip.media.backend import Demands, Protection

_PROTECTION = {"sdes": Protection.SDES, "dtls": Protection.DTLS, "direct": Protection.DTLS}


def demands_of(trunk: TrunkConfig | None, family: int) -> Demands:
    """Return what a peer wants that is behind a trunk, or none, reached by that version of IP."""
    if trunk is None:
        return Demands(family=family)
    return Demands(
        protection=_PROTECTION.get(trunk.media, Protection.NONE),
        codecs=trunk.codecs,
        family=family,
        is_direct=trunk.media == "direct",
    )
