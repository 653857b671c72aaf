"""Which back end carries a call's media, by the configuration."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from bridge.calls import CallId
from transports.sip.agent.bound import token
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.media.backend import Anchor, Demands, Listener, MediaBackend, Protection
from transports.sip.media.direct import DirectAnchor
from transports.sip.media.relay.backend import Relay
from transports.sip.media.rtpengine import Rtpengines

MakeBackend = Callable[[Callable[[], None]], MediaBackend]
"""Makes a back end; it calls back when its trouble is another."""

_PROTECTION = {
    "sdes": Protection.SDES,
    **dict.fromkeys(("dtls", "webrtc", "direct"), Protection.DTLS),
}


def demands_of(trunk: TrunkConfig | None, family: int, *, is_page: bool = False) -> Demands:
    """Return what a peer wants that is behind a trunk, or none, reached by that version of IP.

    What `is_page`, and behind no trunk, is a web phone.
    """
    if trunk is None:
        return Demands(family=family, has_ice=is_page)
    return Demands(
        protection=_PROTECTION.get(trunk.media, Protection.NONE),
        codecs=trunk.codecs,
        family=family,
        has_ice=trunk.media == "webrtc",
        is_direct=trunk.media == "direct",
        is_symmetric=trunk.rtp_symmetric,
    )


def backend_of(config: SipConfig, reactor: Any) -> MakeBackend | None:
    """Return what makes the back end that is configured; None if no calls are to be carried."""
    media = config.media
    if media is None:
        return None

    def make(changed: Callable[[], None]) -> MediaBackend:
        if media.relay_address:
            return Choice(Relay(media, reactor, changed))
        return Choice(Rtpengines(media, reactor, token, changed))

    return make


class Choice:
    """The back end of a gateway: a call is anchored, unless its trunk wants it direct."""

    def __init__(self, anchoring: MediaBackend) -> None:
        self._anchoring = anchoring
        self.start, self.stop = anchoring.start, anchoring.stop

    def anchor(self, call: CallId, demands: Demands, listener: Listener) -> Anchor:
        """Return a new anchor. Raises BridgeError OVERLOADED and UNREACHABLE."""
        if demands.is_direct:
            return DirectAnchor(demands, secrets.randbits(62))
        return self._anchoring.anchor(call, demands, listener)

    @property
    def trouble(self) -> str:
        """What is wrong with what anchors."""
        return self._anchoring.trouble
