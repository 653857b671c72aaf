"""Who sends tones and listens: a phone with RTP alone, and a browser with ICE, DTLS and Opus."""

from __future__ import annotations

import asyncio
import math
import os
import random
import struct
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from msgspec.structs import replace
from pylibsrtp import Policy, Session

from bridge.calls import Content, Flow, MediaKind, SessionDescription
from tests.live.cast.pictures import Eye, Picture
from tests.live.cast.stanzas import TIMEOUT
from tests.live.cast.tones import LOUDNESS, RATE, SHARE, Ear, Tone, energy_share
from tests.live.peers.daemon import HOST
from transports.sip.calls.translate import Lines, from_sdp, lines_of_contents, lines_of_media, to_sdp
from transports.sip.wire.sdp import Description, Origin, parse_sdp, write_sdp

HEARD = 1600
"""Samples in which a tone is looked for."""
PACKET = 160
"""Samples of a packet of 20 ms of G.711."""
EVENT = 101
"""Payload type of keys (RFC 4733), unless an offer has another."""
KEYS = "0123456789*#ABCD"
SUITE = "AES_CM_128_HMAC_SHA1_80"
"""The protection that every phone with SRTP knows (RFC 4568 §6.2)."""


def ulaw(sample: int) -> int:
    """Encode a sample (ITU-T G.711)."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 15) & 0xFF


def linear(code: int) -> int:
    """Decode it again."""
    code = ~code & 0xFF
    magnitude = ((code & 15) << 3) + 132 << (code >> 4 & 7)
    return 132 - magnitude if code & 0x80 else magnitude - 132


class Phone(asyncio.DatagramProtocol):
    """RTP of G.711: sends a tone, keeps what it hears and which keys came.

    It is at `address`, and says that it is at `named`, which differs behind NAT.
    """

    def __init__(self, tone: int, address: str = HOST, named: str = HOST) -> None:
        self.tone = tone
        self.address, self.named = address, named
        self.heard: array[int] = array("h")
        self.keys: list[str] = []
        self.packets = 0
        self.remote: tuple[str, int] | None = None
        self.is_silent = False
        self._event = EVENT
        self._arrived = asyncio.Event()
        self._number, self._time, self._source = random.randrange(9999), 0, random.randrange(2**32)
        self._pressed: set[int] = set()
        self._sending: asyncio.Task[None] | None = None
        self._transport: Any = None

    async def start(self) -> None:
        """Open a port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.address, 0))

    @property
    def port(self) -> int:
        """Where it hears."""
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def said_port(self) -> int:
        """Where it says that it hears; NAT has given it another port."""
        return self.port if self.named == self.address else 9

    def sdp(self, direction: str = "sendrecv", codec: str = "0 PCMU") -> Description:
        """Describe it, as an offer or as an answer to one medium of sound."""
        payload, name = codec.split()
        return parse_sdp(
            f"v=0\r\no=phone 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {self.named}\r\nt=0 0\r\n"
            f"m=audio {self.said_port} RTP/AVP {payload} {EVENT}\r\na=rtpmap:{payload} {name}/8000\r\n"
            f"a=rtpmap:{EVENT} telephone-event/8000\r\na=fmtp:{EVENT} 0-15\r\na={direction}\r\n".encode()
        )

    def answer(self, offer: Description, direction: str = "sendrecv") -> Description:
        """Take the G.711 of an offer, and its keys by the number that it gives them; refuse other media."""
        events = [codec.format for codec in offer.media[0].codecs if codec.name == "telephone-event"]
        self._event = int(events[0]) if events else EVENT
        own = parse_sdp(write_sdp(self.sdp(direction)).replace(b"101", str(self._event).encode()))
        refused = tuple(media.refused() for media in offer.media[1:])
        return Description(origin=own.origin, address=own.address, media=(*own.media, *refused))

    def talk(self, remote: Description) -> None:
        """Send to where a description says, from now on."""
        self.remote = (remote.address_of(remote.media[0]), remote.media[0].port)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not self.is_silent:
                self._packet(0, bytes(ulaw(self._sample(n)) for n in range(PACKET)), self._time)
            self._time += PACKET
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _sample(self, n: int) -> int:
        return round(LOUDNESS * math.sin(2 * math.pi * self.tone / RATE * (self._time + n)))

    def _packet(self, payload: int, body: bytes, time: int, marker: bool = False) -> None:
        self._number += 1
        head = struct.pack(
            "!BBHII", 0x80, payload | marker << 7, self._number & 0xFFFF, time & 0xFFFFFFFF, self._source
        )
        self._transport.sendto(self.protect(head + body), self.remote)

    def protect(self, packet: bytes) -> bytes:
        """Return what is sent for a packet."""
        return packet

    def unprotect(self, data: bytes) -> bytes:
        """Return the packet that was sent."""
        return data

    async def press(self, key: str) -> None:
        """Press a key for 100 ms."""
        began = self._time
        self.is_silent = True
        for n in range(1, 9):
            end = 0x80 if n > 5 else 0
            body = struct.pack("!BBH", KEYS.index(key), end | 10, min(n, 6) * PACKET)
            self._packet(self._event, body, began, marker=n == 1)
            await asyncio.sleep(0.02)
        self.is_silent = False

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hear it."""
        data = self.unprotect(data)
        payload, time = data[1] & 0x7F, struct.unpack_from("!I", data, 4)[0]
        self.packets += 1
        if payload == 0:
            self.heard.extend(map(linear, data[12:]))
        elif len(data) == 16 and time not in self._pressed:
            self._pressed.add(time)
            self.keys.append(KEYS[data[12]])
        self._arrived.set()

    async def hears(self, tone: int) -> None:
        """Wait until that tone is what is heard from now on."""
        del self.heard[:]
        await self._until(
            lambda: len(self.heard) > HEARD and energy_share(self.heard[-HEARD:], RATE, tone) > SHARE
        )

    async def hears_keys(self, keys: str) -> None:
        """Wait until these keys came."""
        await self._until(lambda: "".join(self.keys) == keys)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not is_so():
                self._arrived.clear()
                await self._arrived.wait()

    def close(self) -> None:
        """Hang up."""
        if self._sending is not None:
            self._sending.cancel()
        self._transport.close()


class ProtectedPhone(Phone):
    """A phone with SRTP, whose keys are in its descriptions (RFC 4568)."""

    def __init__(self, tone: int) -> None:
        super().__init__(tone)
        self._key = os.urandom(30)
        self._tag = "1"
        self._protect = Session(Policy(key=self._key, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
        self._unprotect: Session | None = None

    def sdp(self, direction: str = "sendrecv", codec: str = "0 PCMU") -> Description:
        """Say the key as well."""
        [audio] = super().sdp(direction, codec).media
        crypto = f"{self._tag} {SUITE} inline:{b64encode(self._key).decode()}"
        told = replace(audio, protocol="RTP/SAVP", attributes=(*audio.attributes, ("crypto", crypto)))
        return replace(super().sdp(direction, codec), media=(told,))

    def answer(self, offer: Description, direction: str = "sendrecv") -> Description:
        """Choose what every phone knows of what is offered."""
        self._tag = self._chosen(offer)[0]
        return super().answer(offer, direction)

    def _chosen(self, description: Description) -> list[str]:
        offered = [value.split() for name, value in description.media[0].attributes if name == "crypto"]
        return next(words for words in offered if words[1] == SUITE)

    def talk(self, remote: Description) -> None:
        """Learn the other key."""
        key = b64decode(self._chosen(remote)[2].removeprefix("inline:").partition("|")[0])
        self._unprotect = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND))
        super().talk(remote)

    def protect(self, packet: bytes) -> bytes:
        """Encrypt it."""
        return self._protect.protect(packet)

    def unprotect(self, data: bytes) -> bytes:
        """Decrypt it; an error if it was not protected by the key that was said."""
        assert self._unprotect is not None
        return self._unprotect.unprotect(data)


class Browser:
    """A peer connection of aiortc, whose descriptions are a call's; with a `shade` it shows pictures."""

    def __init__(self, tone: int, codecs: tuple[str, ...] = ("opus", "PCMU"), shade: int = 0) -> None:
        self._codecs = codecs
        self._connection = RTCPeerConnection()
        self._connection.addTrack(Tone(tone))
        if shade:
            self._connection.addTrack(Picture(shade))
        self._connection.on("track", self._listen)
        self._ear: Ear | None = None
        self._eye: Eye | None = None
        self._found, self._shown = asyncio.Event(), asyncio.Event()
        self._lines: Lines = ()

    async def offer(self, *, has_pictures: bool = False) -> SessionDescription:
        """Make an offer."""
        if has_pictures:
            self._connection.addTransceiver("video")
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._local(is_answer=False)

    def _local(self, *, is_answer: bool) -> SessionDescription:
        sdp = parse_sdp(self._connection.localDescription.sdp.encode())
        if not is_answer:
            self._lines = lines_of_media(sdp)
        made = from_sdp(sdp, self._lines, is_answer=is_answer)
        return self._only(made)

    def _only(self, description: SessionDescription) -> SessionDescription:
        contents = tuple(
            replace(content, codecs=tuple(codec for codec in content.codecs if codec.name in self._codecs))
            if content.kind is MediaKind.AUDIO
            else content
            for content in description.contents
        )
        return replace(description, contents=contents)

    async def answered(self, answer: SessionDescription) -> None:
        """Take the answer."""
        sdp = to_sdp(answer, self._lines, Origin("-", 1, 1, HOST))
        await self._connection.setRemoteDescription(RTCSessionDescription(write_sdp(sdp).decode(), "answer"))

    async def answer(self, offer: SessionDescription) -> SessionDescription:
        """Take an offer, and answer it."""
        offered = self._only(offer)
        self._lines = lines_of_contents(offered)
        sdp = to_sdp(offered, self._lines, Origin("-", 1, 1, HOST))
        await self._connection.setRemoteDescription(RTCSessionDescription(write_sdp(sdp).decode(), "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._local(is_answer=True)

    async def answers_again(self, held: Content) -> SessionDescription:
        """Answer a later offer as a client does, without a new handshake."""
        [own] = self._local(is_answer=True).contents
        flow = Flow.RECEIVES if held.flow is Flow.SENDS else Flow.BOTH
        return SessionDescription(contents=(replace(own, name=held.name, codecs=held.codecs, flow=flow),))

    def held(self) -> SessionDescription:
        """Make a later offer that holds the call."""
        made = self._local(is_answer=False)
        return replace(made, contents=tuple(replace(one, flow=Flow.SENDS) for one in made.contents))

    def _listen(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._ear = Ear(track)
            self._found.set()
        else:
            self._eye = Eye(track)
            self._shown.set()

    async def hears(self, tone: int) -> None:
        """Wait until that tone is what is heard."""
        await self._found.wait()
        assert self._ear is not None
        await self._ear.hears(tone)

    async def sees(self, shade: int) -> None:
        """Wait until that shade is what is seen."""
        await self._shown.wait()
        assert self._eye is not None
        await self._eye.sees(shade)

    async def misses_pictures(self) -> None:
        """Ask for a whole picture (RFC 4585 §6.3.1)."""
        receiver = self._connection.getTransceivers()[1].receiver
        [source] = receiver.getSynchronizationSources()
        await receiver._send_rtcp_pli(source.source)

    def when_asked_for_pictures(self, call: Callable[[], None]) -> None:
        """Be told when somebody asks for a whole picture."""
        self._connection.getTransceivers()[1].sender._send_keyframe = call  # type: ignore[method-assign]

    async def close(self) -> None:
        """Hang up."""
        if self._eye is not None:
            self._eye.close()
        if self._ear is not None:
            self._ear.close()
        await self._connection.close()
