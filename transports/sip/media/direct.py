"""No relay at all: media go from end to end, between two that speak ICE and DTLS both.

What one end offers is what the other is offered, in SDP or as contents. Candidates that come after an
offer are not told to the SIP peer: it learns where the XMPP side is by that one's own checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from bridge.calls import Content, Endpoint, SessionDescription
from bridge.errors import BridgeError, Trouble
from transports.sip.calls.translate import (
    NO_ADDRESS,
    Lines,
    from_sdp,
    lines_of_contents,
    lines_of_media,
    to_sdp,
)
from transports.sip.media.backend import Demands
from transports.sip.wire.sdp import Description, Origin
from transports.sip.wire.uri import Malformed

T = TypeVar("T")
_SIGNALLED = "telephone-event"


class DirectAnchor:
    """See `backend.Anchor`; `session` is the number of our descriptions (RFC 8866 §5.2)."""

    log = Logger()

    def __init__(self, demands: Demands, session: int) -> None:
        self._demands = demands
        self._origin = Origin("-", session, 1, NO_ADDRESS)
        self._lines: Lines = ()
        self._offered: Lines = ()

    def offer_to_sip(self, offer: SessionDescription) -> Deferred[Description]:
        """See `Anchor`."""

        def make() -> Description:
            wanted = self._wanted(offer)
            lines = lines_of_contents(wanted, self._lines)
            sdp = to_sdp(wanted, lines, self._origin)
            self._offered = lines
            return sdp

        return _guarded(make)

    def answer_to_xmpp(self, answer: Description) -> Deferred[SessionDescription]:
        """See `Anchor`."""

        def make() -> SessionDescription:
            found = _checked(from_sdp(answer, self._offered, is_answer=True))
            self._lines = self._offered
            return found

        return _guarded(make)

    def offer_to_xmpp(self, offer: Description) -> Deferred[SessionDescription]:
        """See `Anchor`."""

        def make() -> SessionDescription:
            lines = lines_of_media(offer, self._lines)
            found = _checked(from_sdp(offer, lines, is_answer=False))
            self._offered = lines
            return found

        return _guarded(make)

    def answer_to_sip(self, answer: SessionDescription) -> Deferred[Description]:
        """See `Anchor`."""

        def make() -> Description:
            sdp = to_sdp(_checked(answer), self._offered, self._origin)
            self._lines = self._offered
            return sdp

        return _guarded(make)

    def _wanted(self, offer: SessionDescription) -> SessionDescription:
        """Leave out what the peer does not want."""
        names = {name.lower() for name in self._demands.codecs}
        if not names:
            return _checked(offer)

        def only(content: Content) -> Content:
            codecs = [one for one in content.codecs if one.name.lower() in names | {_SIGNALLED}]
            return replace(content, codecs=tuple(codecs))

        contents = [only(content) for content in offer.contents]
        kept = tuple(one for one in contents if {codec.name for codec in one.codecs} - {_SIGNALLED})
        left = {content.name for content in kept}
        bundles = [tuple(name for name in group if name in left) for group in offer.bundles]
        return _checked(replace(offer, contents=kept, bundles=tuple(filter(None, bundles))))

    def candidates(self, content: str, endpoint: Endpoint) -> None:
        """See the module's docstring."""

    def press(self, digit: str, duration: int) -> None:
        """Keys go in the media, which are not ours."""
        self.log.info("a key is not passed on: media go past the gateway")

    def end(self) -> None:
        """There is nothing to let go of."""


def _checked(description: SessionDescription) -> SessionDescription:
    """Return it if each content, or its bundle, has ICE and DTLS. Raises Malformed."""
    bundled = {name for group in description.bundles for name in group[1:]}
    for content in description.contents:
        endpoint = content.endpoint
        if content.name not in bundled and not (endpoint.ufrag and endpoint.fingerprint):
            raise Malformed("media that go past the gateway need ICE and DTLS")
    if not description.contents:
        raise Malformed("there is no medium")
    return description


def _guarded(make: Callable[[], T]) -> Deferred[T]:
    try:
        return succeed(make())
    except Malformed as malformed:
        error = BridgeError(Trouble.NOT_ACCEPTABLE)
        error.__cause__ = malformed
        return fail(error)
