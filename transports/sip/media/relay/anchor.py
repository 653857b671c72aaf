"""One call at the relay: each end is told the relay's addresses in place of the other's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.calls import (
    Candidate,
    Codec,
    Content,
    Endpoint,
    Fingerprint,
    MediaKind,
    SessionDescription,
    Setup,
)
from bridge.errors import BridgeError, Trouble
from transports.sip.calls.translate import (
    Lines,
    from_sdp,
    lines_of_contents,
    lines_of_media,
    plain,
    read_candidate,
    to_sdp,
    write_candidate,
)
from transports.sip.media.backend import Demands, Listener
from transports.sip.media.nat import media_source
from transports.sip.wire.sdp import Description, Origin
from transports.sip.wire.uri import Malformed

T = TypeVar("T")
EVENT = "telephone-event"
EVENT_PAYLOAD = 101
"""What most call it."""
HOST_PRIORITY = (126 << 24) + (65535 << 8)
"""Of an address without ICE; its component is taken off."""


def _keys_beside(content: Content) -> Codec | None:
    """Return a format of keys for a content that has none (RFC 4733 §2.4.1)."""
    if not content.codecs or any(one.name.lower() == EVENT for one in content.codecs):
        return None
    taken = {codec.payload for codec in content.codecs}
    free = next((number for number in (EVENT_PAYLOAD, *range(96, 128)) if number not in taken), None)
    return None if free is None else Codec(payload=free, name=EVENT, clock=8000, parameters=(("", "0-15"),))


class Home(Protocol):
    """What an anchor sees of the back end."""

    def open(self, id: str, is_controlling: bool) -> Deferred[dict[str, Any]]:
        """Have ports opened for a call."""

    def say(self, name: str, id: str, **values: object) -> None:
        """Tell the process what to do with a call."""

    def forget(self, id: str) -> bool:
        """Take a call out; return whether it was there."""


class RelayAnchor:
    """See `backend.Anchor`; of the media it takes the first sound, in the codecs that both ends have."""

    log = Logger()

    def __init__(self, id: str, address: str, home: Home, demands: Demands, listener: Listener) -> None:
        self.id, self.listener = id, listener
        self._address, self._home, self._demands = address, home, demands
        self._origin = Origin("-", 1, 1, address)
        self._lines: Lines = ()
        self._offered: Lines = ()
        self._opened: dict[str, Any] | None = None
        self._theirs: Endpoint | None = None
        self._name = ""
        self._keys: Codec | None = None
        """How keys are told to the SIP peer if XMPP has no such format: the relay presses them itself."""
        self._is_over = False

    # ---- offers and answers

    def offer_to_sip(self, offer: SessionDescription) -> Deferred[Description]:
        """See `Anchor`."""

        async def do() -> Description:
            content = self._sound(offer)
            self._meet(content)
            opened = await self._open(is_controlling=False)
            wanted = self._only_wanted(content)
            self._keys = _keys_beside(wanted)
            shown = SessionDescription(contents=(self._towards_sip(wanted, opened),))
            lines = lines_of_contents(shown, self._lines)
            sdp = plain(to_sdp(shown, lines, self._origin))
            self._offered = lines
            return sdp

        return self._run(do)

    def answer_to_xmpp(self, answer: Description) -> Deferred[SessionDescription]:
        """See `Anchor`."""

        async def do() -> SessionDescription:
            content = self._sound(from_sdp(plain(answer), self._offered, is_answer=True))
            opened = await self._open(is_controlling=False)
            self._aim(content)
            self._connect(is_client=False)
            self._lines = self._offered
            known = tuple(one for one in content.codecs if self._keys is None or one.name.lower() != EVENT)
            shown = self._towards_xmpp(replace(content, codecs=known), opened, Setup.PASSIVE)
            return SessionDescription(contents=(shown,))

        return self._run(do)

    def offer_to_xmpp(self, offer: Description) -> Deferred[SessionDescription]:
        """See `Anchor`."""

        async def do() -> SessionDescription:
            if any("SAVP" in media.protocol.upper() for media in offer.media if media.port):
                raise Malformed("the relay does not speak SRTP with SIP")
            sdp = plain(offer)
            lines = lines_of_media(sdp, self._lines)
            content = self._sound(from_sdp(sdp, lines, is_answer=False))
            opened = await self._open(is_controlling=True)
            self._aim(content)
            self._offered = lines
            self._keys = next((one for one in content.codecs if one.name.lower() == EVENT), None)
            return SessionDescription(contents=(self._towards_xmpp(content, opened, Setup.ACTPASS),))

        return self._run(do)

    def answer_to_sip(self, answer: SessionDescription) -> Deferred[Description]:
        """See `Anchor`."""

        async def do() -> Description:
            content = self._sound(answer)
            self._meet(content)
            opened = await self._open(is_controlling=True)
            fingerprint = content.endpoint.fingerprint
            self._connect(is_client=fingerprint is not None and fingerprint.setup is Setup.PASSIVE)
            shown = self._towards_sip(content, opened)
            sdp = plain(to_sdp(SessionDescription(contents=(shown,)), self._offered, self._origin))
            self._lines = self._offered
            return sdp

        return self._run(do)

    def _run(self, do: Callable[[], Awaitable[T]]) -> Deferred[T]:
        async def guarded() -> T:
            try:
                found = await do()
            except Malformed as malformed:
                raise BridgeError(Trouble.NOT_ACCEPTABLE) from malformed
            if self._is_over:
                raise BridgeError(Trouble.LOST)
            return found

        return Deferred.fromCoroutine(guarded())

    # ---- what is told and shown

    def _sound(self, description: SessionDescription) -> Content:
        """Return the one content that is relayed. Raises Malformed."""
        found = [one for one in description.contents if one.kind is MediaKind.AUDIO]
        if not found:
            raise Malformed("there is no sound")
        chosen = next((one for one in found if one.name == self._name), found[0])
        self._name = chosen.name
        return chosen

    def _only_wanted(self, content: Content) -> Content:
        names = {name.lower() for name in self._demands.codecs}
        kept = tuple(one for one in content.codecs if one.name.lower() in {*names, EVENT})
        return replace(content, codecs=kept) if names else content

    def _meet(self, content: Content) -> None:
        """Keep how XMPP is reached. Raises Malformed if not by ICE and DTLS, or elsewhere than before."""
        endpoint = content.endpoint
        if not endpoint.ufrag or endpoint.fingerprint is None or not content.rtcp_mux:
            raise Malformed("the relay needs ICE, DTLS and one port for all")
        if self._theirs is not None and self._theirs.ufrag != endpoint.ufrag:
            raise Malformed("the relay does not begin ICE anew")
        self._theirs = self._theirs or endpoint

    async def _open(self, is_controlling: bool) -> dict[str, Any]:
        if self._is_over:
            raise BridgeError(Trouble.LOST)
        if self._opened is None:
            self._opened = await self._home.open(self.id, is_controlling)
            if self._is_over:
                self._home.say("close", self.id)
        return self._opened

    def _aim(self, content: Content) -> None:
        """Tell the relay where the SIP peer is; nothing while it hears nothing (RFC 3264 §8.4)."""
        places = {one.component: one for one in content.endpoint.candidates}
        if 1 in places and not ip_address(places[1].address).is_unspecified:
            self._home.say(
                "aim",
                self.id,
                host=media_source(places[1].address, self.listener.signalled_from),
                port=places[1].port,
                rtcp=places[2].port if 2 in places else places[1].port,
                is_symmetric=self._demands.is_symmetric,
                events=[codec.payload for codec in content.codecs if codec.name.lower() == EVENT],
            )

    def _connect(self, is_client: bool) -> None:
        theirs = self._theirs
        if theirs is None or theirs.fingerprint is None:
            raise Malformed("there is nobody to connect with")
        self._home.say(
            "connect",
            self.id,
            ufrag=theirs.ufrag,
            password=theirs.password,
            hash=theirs.fingerprint.hash,
            fingerprint=theirs.fingerprint.value,
            is_client=is_client,
        )
        self._add(theirs)

    def _add(self, endpoint: Endpoint) -> None:
        for candidate in endpoint.candidates:
            if candidate.protocol.lower() == "udp" and candidate.component == 1:
                self._home.say("candidate", self.id, candidate=write_candidate(candidate))
        if endpoint.complete:
            self._home.say("candidate", self.id, candidate="")

    def _towards_sip(self, content: Content, opened: dict[str, Any]) -> Content:
        """Show the relay's two ports."""
        places = tuple(
            Candidate(
                foundation="1",
                component=component,
                protocol="udp",
                priority=HOST_PRIORITY + 256 - component,
                address=self._address,
                port=opened["port"] + component - 1,
                type="host",
            )
            for component in (1, 2)
        )
        return Content(
            name=content.name,
            kind=content.kind,
            flow=content.flow,
            codecs=(*(replace(codec, feedback=()) for codec in content.codecs), *self._added_keys(content)),
            endpoint=Endpoint(candidates=places),
            bandwidth=content.bandwidth,
        )

    def _added_keys(self, content: Content) -> tuple[Codec, ...]:
        if self._keys is None or any(one.name.lower() == EVENT for one in content.codecs):
            return ()
        return (self._keys,)

    def _towards_xmpp(self, content: Content, opened: dict[str, Any], setup: Setup) -> Content:
        """Show the relay's ICE and DTLS."""
        found = map(read_candidate, opened["candidates"])
        return Content(
            name=content.name,
            kind=content.kind,
            flow=content.flow,
            codecs=content.codecs,
            endpoint=Endpoint(
                ufrag=opened["ufrag"],
                password=opened["password"],
                candidates=tuple(one for one in found if one is not None),
                fingerprint=Fingerprint(hash="sha-256", value=opened["fingerprint"], setup=setup),
                complete=True,
            ),
            rtcp_mux=True,
            bandwidth=content.bandwidth,
        )

    # ---- the rest of its life

    def candidates(self, content: str, endpoint: Endpoint) -> None:
        """See `Anchor`."""
        if content == self._name:
            self._add(endpoint)

    def press(self, digit: str, duration: int) -> None:
        """See `Anchor`."""
        self._home.say("press", self.id, digit=digit, duration=duration)

    def lose(self, reason: str) -> None:
        """The call is not there any more; tell so, once."""
        if self._leave():
            self.listener.media_lost(reason)

    def end(self) -> None:
        """See `Anchor`."""
        self._leave()

    def _leave(self) -> bool:
        was_over, self._is_over = self._is_over, True
        if self._home.forget(self.id) and self._opened is not None:
            self._home.say("close", self.id)
        return not was_over
