"""Which back end carries a call's media, by the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transports.sip.bound import token
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.media.backend import Demands, MediaBackend, Protection
from transports.sip.media.rtpengine import Rtpengines

MakeBackend = Callable[[Callable[[], None]], MediaBackend]
"""Makes a back end; it calls back when its trouble is another."""

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


def backend_of(config: SipConfig, reactor: Any) -> MakeBackend | None:
    """Return what makes the back end that is configured; None if no calls are to be carried."""
    media = config.media
    if media is None or not media.rtpengine:
        return None
    return lambda changed: Rtpengines(media, reactor, token, changed)
