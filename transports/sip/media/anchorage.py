"""One call at an rtpengine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.calls import Codec, Content, Endpoint, MediaKind, SessionDescription, Setup
from bridge.errors import BridgeError, Trouble
from transports.sip.calls.translate import (
    Lines,
    from_sdp,
    lines_of_contents,
    lines_of_media,
    plain,
    to_sdp,
)
from transports.sip.media.backend import Demands, Listener, Protection
from transports.sip.media.config import MediaConfig
from transports.sip.media.nat import is_behind_nat
from transports.sip.media.ng import Ng, NgRefused, Reply
from transports.sip.media.numbering import format_of, keep_numbers
from transports.sip.media.webrtc import is_web, kept
from transports.sip.wire.sdp import Description, Origin, parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed

XMPP, SIP = "xmpp", "sip"
"""The tags by which an instance knows the ends."""
FALLBACKS = ("G722", "PCMU", "PCMA", "telephone-event")
"""What SIP is offered besides what XMPP offers, and is transcoded."""
XMPP_FALLBACKS = ("opus", "PCMU", "telephone-event")
"""Likewise what XMPP is offered."""

AIDS = frozenset({"telephone-event", "cn"})
"""Formats that are nothing to hear by themselves."""

_PROFILES = {
    Protection.NONE: "RTP/AVP",
    Protection.SDES: "RTP/SAVP",
    Protection.DTLS: "UDP/TLS/RTP/SAVP",
}
_SUITES = ["no-AEAD_AES_256_GCM", "no-AEAD_AES_128_GCM"]
"""What of rtpengine's suites phones are not offered in descriptions.

COMPAT baresip 1.0: it takes the first of them, with a key that is too short, and hears nothing.
"""
_WEB_OFFER = {
    **{"ICE": "force", "transport-protocol": "UDP/TLS/RTP/SAVPF"},
    **{"SDES": ["off"], "rtcp-mux": ["offer", "require"]},
}
_WEB_ANSWER = {"ICE": "force", "rtcp-mux": ["accept"], "DTLS": "passive"}
"""How peers are offered and answered that speak ICE and DTLS."""
_ORIGIN = Origin("-", 1, 1, "127.0.0.1")
"""The instance puts its own address there."""


class Home(Protocol):
    """What an anchor sees of an instance."""

    ng: Ng
    anchors: dict[str, RtpengineAnchor]


class RtpengineAnchor:
    """See `backend.Anchor`; `homes` are the instances that may have the call, the first first."""

    log = Logger()

    def __init__(
        self, config: MediaConfig, homes: Sequence[Home], id: str, demands: Demands, listener: Listener
    ) -> None:
        self.id, self.listener = id, listener
        self._config, self._demands = config, demands
        self._home, *self._others = homes
        self._lines: Lines = ()
        self._offered: Lines = ()
        self._formats: dict[str, tuple[Codec, ...]] = {}
        self._learning = "endpoint-learning-off"
        """How the SIP peer's address is learned; each exchange sets it for both ends."""
        self._has_ice = demands.has_ice
        self._is_known = self._is_waiting = self._is_over = False
        self._home.anchors[id] = self

    # ---- offers and answers

    def offer_to_sip(self, offer: SessionDescription) -> Deferred[Description]:
        """See `Anchor`."""

        async def do() -> Description:
            lines = lines_of_contents(offer, self._lines)
            flags = {
                **self._from(XMPP, SIP),
                **self._direction(self._config.xmpp_interface, self._config.sip_interface),
                **(_WEB_OFFER if self._has_ice else self._plain_offer()),
                "address-family": f"IP{self._demands.family}",
                "codec": self._codecs(),
                "flags": ["trickle-ICE", self._learning],
            }
            found = self._of_sip(await self._ask("offer", to_sdp(self._xmpp(offer), lines, _ORIGIN), flags))
            self._offered = lines
            return found

        return self._run(do)

    def answer_to_xmpp(self, answer: Description) -> Deferred[SessionDescription]:
        """See `Anchor`."""

        async def do() -> SessionDescription:
            sdp = self._of_sip(answer)
            flags = {
                **self._from(XMPP, SIP),
                "ICE": "force",
                "rtcp-mux": ["accept"],
                "DTLS": "passive",
                **self._only_of(sdp, "trickle-ICE"),
            }
            found = from_sdp(await self._ask("answer", sdp, flags), self._offered, is_answer=True)
            self._lines = self._offered
            return self._of_offer(found)

        return self._run(do)

    def offer_to_xmpp(self, offer: Description) -> Deferred[SessionDescription]:
        """See `Anchor`."""

        async def do() -> SessionDescription:
            self._has_ice = is_web(offer)
            theirs = self._of_sip(offer)
            flags = {
                **self._from(SIP, XMPP),
                "ICE": "force",
                **self._direction(self._config.sip_interface, self._config.xmpp_interface),
                "transport-protocol": "UDP/TLS/RTP/SAVPF",
                "SDES": ["off"],  # a client may take the keys in place of DTLS, and servers read them
                "rtcp-mux": ["offer", "require"],
                "codec": {"transcode": list(XMPP_FALLBACKS)},
                **self._only_of(theirs, "generate-mid", "trickle-ICE"),
            }
            sdp = await self._ask("offer", theirs, flags)
            lines = lines_of_media(sdp, self._lines)
            found = from_sdp(sdp, lines, is_answer=False)
            self._offered = lines
            return replace(found, contents=tuple(map(self._numbered, found.contents)))

        return self._run(do)

    def answer_to_sip(self, answer: SessionDescription) -> Deferred[Description]:
        """See `Anchor`."""

        async def do() -> Description:
            flags = {
                **self._from(SIP, XMPP),
                **(_WEB_ANSWER if self._has_ice else {"ICE": "remove"}),
                "flags": ["trickle-ICE", self._learning],
            }
            sdp = await self._ask("answer", to_sdp(self._xmpp(answer), self._offered, _ORIGIN), flags)
            found = self._of_sip(sdp)
            self._lines = self._offered
            return found

        return self._run(do)

    def _run(self, do: Callable[[], Any]) -> Deferred[Any]:
        async def guarded() -> Any:
            if self._is_over:
                raise BridgeError(Trouble.LOST)
            self._is_waiting = True
            try:
                found = await do()
            except Malformed as malformed:
                raise BridgeError(Trouble.NOT_ACCEPTABLE) from malformed
            except NgRefused as refused:
                self.log.warn("rtpengine refuses a call: {reason}", reason=str(refused))
                raise BridgeError(Trouble.NOT_ACCEPTABLE) from refused
            finally:
                self._is_waiting = False
                if self._is_over:
                    self._delete()
            if self._is_over:
                raise BridgeError(Trouble.LOST)
            return found

        return Deferred.fromCoroutine(guarded())

    async def _ask(self, command: str, sdp: Description, flags: dict[str, object]) -> Description:
        values = {**flags, "sdp": write_sdp(sdp).decode("utf-8", "replace")}
        while True:
            try:
                reply = await self._home.ng.ask(command, values)
                break
            except BridgeError:
                if self._is_known or self._is_over or not self._others:
                    raise
                self._move()
        self._is_known = True
        return parse_sdp(str(reply.get("sdp", "")).encode())

    def _move(self) -> None:
        """Go to another instance; nothing of the call is at this one that answers."""
        self._home.anchors.pop(self.id, None)
        self._home = self._others.pop(0)
        self._home.anchors[self.id] = self

    # ---- how it is asked

    def _from(self, one: str, other: str) -> dict[str, object]:
        return {"call-id": self.id, "from-tag": one, "to-tag": other, "replace": ["origin"]}

    def _direction(self, one: str, other: str) -> dict[str, object]:
        return {"direction": [one, other]} if one else {}

    def _only_of(self, description: Description, *flags: str) -> dict[str, object]:
        """Have media taken from the SIP peer alone (RFC 7362 §5), besides those flags.

        Behind NAT nobody knows its port. Then packets of its signalling's address are preferred for three
        seconds, and who was learned remains; so it is with the address that a peer names whose media come
        from elsewhere. Else only where it said that it is counts.

        COMPAT rtpengine 10.5: it knows the key "endpoint-learning", and does not heed its "off".
        """
        named = next((description.address_of(media) for media in description.media if media.port), "")
        if self._has_ice:  # its checks of connectivity say where it is
            self._learning = "endpoint-learning-off"
            return {"flags": list(flags)}
        signalled = self.listener.signalled_from
        if not named or not is_behind_nat(named, signalled):
            self._learning = f"endpoint-learning-{'heuristic' if self._demands.is_symmetric else 'off'}"
            return {"flags": [*flags, "strict-source", self._learning]}
        self._learning = "endpoint-learning-heuristic"
        return {
            "received-from": ["IP6" if ":" in signalled else "IP4", signalled],
            "flags": [*flags, "strict-source", self._learning, "SIP-source-address"],
        }

    def _plain_offer(self) -> dict[str, object]:
        profile = _PROFILES[self._demands.protection]
        return {"ICE": "remove", "transport-protocol": profile, "rtcp-mux": ["demux"], "SDES": _SUITES}

    def _of_sip(self, description: Description) -> Description:
        """Leave out what is of no use on the way to a SIP peer, and from it."""
        return kept(description) if self._has_ice else plain(description)

    def _codecs(self) -> dict[str, object]:
        wanted = self._demands.codecs
        if not wanted:
            return {"transcode": list(FALLBACKS)}
        return {"mask": ["all"], "transcode": list(dict.fromkeys((*wanted, "telephone-event")))}

    def _xmpp(self, description: SessionDescription) -> SessionDescription:
        """Leave out what rtpengine does not speak: candidates of TCP, and bundles.

        COMPAT rtpengine 10.5: where it may choose, it begins DTLS before it was told to be passive.
        """
        self._formats.update({one.name: one.codecs for one in description.contents})
        contents = []
        shared = {name: group[0] for group in description.bundles for name in group}
        by_name = {content.name: content for content in description.contents}
        for content in description.contents:
            endpoint = content.endpoint
            if not (endpoint.ufrag or endpoint.candidates):
                endpoint = by_name.get(shared.get(content.name, ""), content).endpoint
            udp = tuple(one for one in endpoint.candidates if one.protocol.lower() == "udp")
            fingerprint = endpoint.fingerprint
            if fingerprint is not None and fingerprint.setup is Setup.ACTPASS:
                fingerprint = replace(fingerprint, setup=Setup.ACTIVE)
            reached = replace(endpoint, candidates=udp, fingerprint=fingerprint)
            contents.append(replace(content, endpoint=reached))
        return SessionDescription(contents=tuple(contents))

    def _of_offer(self, answer: SessionDescription) -> SessionDescription:
        """Leave out formats that XMPP did not offer (RFC 3264 §6.1). Raises Malformed if no media are left.

        COMPAT rtpengine: what it cannot make from the formats of an offer it answers as the phone did.
        """
        contents = []
        for content in answer.contents:
            offered = {format_of(codec) for codec in self._formats.get(content.name, ())}
            codecs = tuple(codec for codec in content.codecs if format_of(codec) in offered)
            if any(codec.name.lower() not in AIDS for codec in codecs):
                contents.append(replace(content, codecs=codecs))
        if not contents:
            raise Malformed("there is no format that both know")
        return replace(answer, contents=tuple(contents))

    def _numbered(self, content: Content) -> Content:
        """Return a content that is offered again with the numbers that its formats have.

        COMPAT rtpengine 10.5: it numbers anew what it would transcode, each time.
        """
        known = self._formats.get(content.name)
        if known is None or content.kind is not MediaKind.AUDIO:
            return content
        return replace(content, codecs=keep_numbers(content.codecs, known))

    # ---- the rest of its life

    def candidates(self, content: str, endpoint: Endpoint) -> None:
        """Nothing is to be told: the XMPP side reaches the instance, also from behind NAT.

        Its checks of connectivity say where it is (RFC 8445 §7.3.1.3).
        """

    def press(self, digit: str, duration: int) -> None:
        """See `Anchor`."""
        values = {"call-id": self.id, "from-tag": XMPP, "code": digit, "duration": duration}
        self._home.ng.ask("play DTMF", values).addErrback(self._log_failure, "a key")

    def _log_failure(self, failure: Any, what: str) -> None:
        failure.trap(NgRefused, BridgeError)
        self.log.info("rtpengine did not take {what}: {reason}", what=what, reason=failure.value)

    def look(self) -> None:
        """See whether the instance still knows the call, once it did."""
        if self._is_known and not self._is_waiting:
            asked = self._home.ng.ask("query", {"call-id": self.id})
            asked.addCallbacks(lambda reply: None, self._looked)

    def _looked(self, failure: Any) -> None:
        failure.trap(NgRefused, BridgeError)
        if failure.check(NgRefused):
            self.lose("No media came any more.")

    def lose(self, reason: str) -> None:
        """The call is not there any more; tell so, once."""
        if self._leave():
            self.listener.media_lost(reason)

    def end(self) -> None:
        """See `Anchor`."""
        if self._leave():
            self._delete()

    def let_go(self) -> Deferred[Reply | None]:
        """End it; fires when the instance did, or did not answer."""
        self._leave()
        return self._delete()

    def _delete(self) -> Deferred[Reply | None]:
        asked = self._home.ng.ask("delete", {"call-id": self.id, "from-tag": XMPP, "delete-delay": 0})
        return asked.addErrback(self._log_failure, "the end of a call")

    def _leave(self) -> bool:
        """Return whether it was not over before."""
        was_over, self._is_over = self._is_over, True
        self._home.anchors.pop(self.id, None)
        return not was_over
