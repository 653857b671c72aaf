"""One call in the relay's process: ICE, DTLS and SRTP on one side, two ports of RTP and RTCP on the other."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Any

from aioice import Candidate
from pylibsrtp import Error as SrtpError
from pylibsrtp import Session

from transports.sip.media.relay.dtls import Dtls, HandshakeFailed, Identity
from transports.sip.media.relay.ports import Ice, Ports

IDLE = 60.0
"""Seconds without a packet of either side after which the call is lost."""
SETUP = 30.0
"""Seconds that ICE and the handshake may take."""
SOURCES = 64
"""Streams of each end in one call, by their SSRCs."""
CANDIDATES = 64
"""Places where the XMPP side may be."""
UNUSABLE = (SrtpError, ValueError)
"""What is raised for packets that are malformed, and too long."""
STEP = 0.02
"""Seconds between two packets of a key."""
DIGITS = "0123456789*#ABCD"
"""Keys by their event numbers (RFC 4733 §3.2)."""

Address = tuple[str, int]


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP where both come to one port (RFC 5761 §4)."""
    return 192 <= data[1] <= 223


class Port(asyncio.DatagramProtocol):
    """A port of the SIP side; of the peer's address alone it takes packets, and sends to their port.

    Until one came it sends to the port that the peer said. The first packet after each description decides,
    so that a stranger at that address, behind the same NAT, has to be faster (RFC 7362 §5). Of a peer that
    `is_symmetric` the first packet decides about the address too, once for each that it says.
    """

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self.remote: Address | None = None
        self._said: Address | None = None
        self._is_latched = self._is_open = False
        self.transport: Any = None

    def aim(self, said: Address, *, is_symmetric: bool) -> None:
        """The peer is there; if it was there before, its port is still the one that is known."""
        if said != self._said:
            self.remote = self._said = said
            self._is_open = is_symmetric
        self._is_latched = False

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Pass a packet on, if it is one and of the peer."""
        if len(data) < 12 or data[0] >> 6 != 2 or self.remote is None:
            return
        if addr[:2] != self.remote:
            if self._is_latched or not (self._is_open or addr[0] == self.remote[0]):
                return
            self.remote = addr[:2]
        self._is_latched, self._is_open = True, False
        self._receive(data)

    def send(self, data: bytes) -> None:
        """Send a packet, if it is known where to."""
        if self.remote is not None:
            self.transport.sendto(data, self.remote)


class RelayedCall:
    """See the module's docstring; `tell` is told what happens: an event's name and its values."""

    def __init__(self, identity: Identity, address: str, ports: Ports, tell: Callable[..., None]) -> None:
        self._identity, self._address, self._tell = identity, address, tell
        self._ports = ports
        self.ice = Ice(ports)
        self.rtp, self.rtcp = Port(self._from_sip), Port(self._rtcp_from_sip)
        self.events: frozenset[int] = frozenset()
        self.packets = 0
        self._sources: set[bytes] = set()
        self._users: set[bytes] = set()
        """The streams of the XMPP side."""
        self._looked = 0
        self._dtls: Dtls | None = None
        self._handshaken = asyncio.Event()
        self._unprotect: Session | None = None
        self._protect: Session | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._told: tuple[int, int] = (-1, -1)
        self._last: tuple[int, int, int] | None = None
        self._shift = 0
        self._is_pressing = False
        self._keys: asyncio.Queue[tuple[int, int]] = asyncio.Queue(32)

    # ---- life

    async def open(self, is_controlling: bool) -> dict[str, object]:
        """Open ports and gather candidates; return what the ends are to be told. Raises OSError."""
        self.ice.ice_controlling = is_controlling
        self.rtp.transport, self.rtcp.transport = await self._ports.pair(self._address, self.rtp, self.rtcp)
        port = self.rtp.transport.get_extra_info("sockname")[1]
        await self.ice.gather_candidates()
        self._tasks.append(asyncio.create_task(self._watch()))
        return {
            "ufrag": self.ice.local_username,
            "password": self.ice.local_password,
            "fingerprint": self._identity.fingerprint,
            "candidates": [candidate.to_sdp() for candidate in self.ice.local_candidates],
            "port": port,
        }

    async def close(self) -> None:
        """Close all."""
        for task in self._tasks:
            task.cancel()
        for port in (self.rtp, self.rtcp):
            if port.transport is not None:
                port.transport.close()
        await self.ice.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(IDLE)
            if self.packets == self._looked:
                self._tell("lost", reason="No media came any more.")
                return
            self._looked = self.packets

    # ---- the XMPP side

    def connect(self, ufrag: str, password: str, hash: str, fingerprint: str, is_client: bool) -> None:
        """Begin ICE and DTLS with the other end, once."""
        if self._dtls is None:
            self.ice.remote_username, self.ice.remote_password = ufrag, password
            self._dtls = Dtls(self._identity, is_client=is_client, hash=hash, fingerprint=fingerprint)
            self._tasks.append(asyncio.create_task(self._begin(self._dtls, is_client)))

    async def add(self, candidate: str) -> None:
        """Take a candidate of it; "" is the last. Each has checks sent, so that some are enough."""
        if len(self.ice.remote_candidates) >= CANDIDATES and candidate:
            return
        with contextlib.suppress(ValueError):
            await self.ice.add_remote_candidate(Candidate.from_sdp(candidate) if candidate else None)

    async def _begin(self, dtls: Dtls, is_client: bool) -> None:
        try:
            async with asyncio.timeout(SETUP):
                await self.ice.connect()
                for protocol in self.ice._protocols:
                    self._hook(protocol)
                if is_client:
                    self._handshake(b"")
                while not self._handshaken.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._handshaken.wait(), dtls.timeout() or 1.0)
                        break
                    dtls.time_out()
                    self._flush(dtls)
        except (TimeoutError, ConnectionError):
            self._tell("lost", reason="The media cannot get through.")

    def _hook(self, protocol: Any) -> None:
        """Take what is not STUN right where it comes in: a queue and a task cost too much."""
        stun = protocol.datagram_received

        def received(data: bytes, addr: Any) -> None:
            if data and data[0] > 127:
                self._from_xmpp(data)
            elif data and data[0] > 19:
                self._handshake(data)
            else:
                stun(data, addr)

        protocol.datagram_received = received
        while not self.ice._queue.empty():
            early = self.ice._queue.get_nowait()
            if early is not None:
                received(early[0], None)

    def _handshake(self, data: bytes) -> None:
        if self._dtls is None:
            return
        try:
            is_done = self._dtls.receive(data)
        except HandshakeFailed as failed:
            if self._unprotect is None:
                self._tell("lost", reason=f"The media are not protected: {failed}.")
            return
        self._flush(self._dtls)
        if is_done and self._unprotect is None:
            self._unprotect, self._protect = self._dtls.sessions()
            self._handshaken.set()
            self._tell("connected")

    def _flush(self, dtls: Dtls) -> None:
        for data in dtls.data_to_send():
            self._to_xmpp(data)

    def _to_xmpp(self, data: bytes) -> None:
        pair = self.ice._nominated.get(1)
        if pair is not None:
            pair.protocol.transport.sendto(data, pair.remote_addr)

    # ---- packets

    def _from_xmpp(self, data: bytes) -> None:
        if self._unprotect is None or len(data) < 12:
            return
        self.packets += 1
        rtcp = is_rtcp(data)
        source = data[4:8] if rtcp else data[8:12]
        if source not in self._users and len(self._users) >= SOURCES:
            return
        try:
            clear = self._unprotect.unprotect_rtcp(data) if rtcp else self._unprotect.unprotect(data)
        except UNUSABLE:
            return
        self._users.add(source)
        if rtcp:
            self.rtcp.send(clear)
        else:
            self._to_sip(clear)

    def _to_sip(self, data: bytes) -> None:
        """Pass a packet on, with a place for the packets of keys that were put in before it."""
        sequence, time, source = struct.unpack_from("!HII", data, 2)
        self._last = (sequence, time, source)
        if self._is_pressing:
            self._shift -= 1
            return
        if self._shift:
            shifted = (sequence + self._shift) & 0xFFFF
            data = data[:2] + shifted.to_bytes(2, "big") + data[4:]
        self.rtp.send(data)

    def _from_sip(self, data: bytes) -> None:
        self.packets += 1
        if data[1] & 0x7F in self.events:
            self._hear_key(data)
        if self._protect is not None and self._is_source(data[8:12]):
            try:
                self._to_xmpp(self._protect.protect(data))
            except UNUSABLE:
                return

    def _rtcp_from_sip(self, data: bytes) -> None:
        if self._protect is not None and self._is_source(data[4:8]):
            with contextlib.suppress(*UNUSABLE):
                self._to_xmpp(self._protect.protect_rtcp(data))

    def _is_source(self, source: bytes) -> bool:
        """Tell whether a stream of the SIP peer's is passed on; what is kept of each is looked through."""
        if source not in self._sources:
            if len(self._sources) >= SOURCES:
                return False
            self._sources.add(source)
        return True

    # ---- keys (RFC 4733)

    def _hear_key(self, data: bytes) -> None:
        """Tell of a key at the end of its event, which is said three times (§2.5.1.4)."""
        body = data[12 + 4 * (data[0] & 15) :]
        told = struct.unpack_from("!II", data, 4)
        if len(body) >= 4 and body[1] & 0x80 and body[0] < len(DIGITS) and told != self._told:
            self._told = told
            self._tell("pressed", digit=DIGITS[body[0]])

    def press(self, digit: str, duration: int) -> None:
        """Have the SIP peer hear a key, after those that wait."""
        if digit in DIGITS and self.events:
            with contextlib.suppress(asyncio.QueueFull):
                self._keys.put_nowait((DIGITS.index(digit), duration))
            if not self._is_pressing:
                self._is_pressing = True
                self._tasks.append(asyncio.create_task(self._send_keys()))

    async def _send_keys(self) -> None:
        while not self._keys.empty():
            await self._send_key(*self._keys.get_nowait())
        self._is_pressing = False

    async def _send_key(self, event: int, duration: int) -> None:
        """Send an event as RFC 4733 §2.5 has it: marked first, longer and longer, its end three times."""
        sequence, time, source = self._last or (0, 0, 1)
        payload = min(self.events)
        steps = max(1, round(duration / 1000 / STEP))
        for n in range(1, steps + 3):
            is_first, is_last = n == 1, n >= steps
            if self._last is not None:
                sequence = self._last[0]
            self._shift += 1
            head = struct.pack(
                "!BBHII", 128, payload | is_first << 7, (sequence + self._shift) & 0xFFFF, time, source
            )
            body = struct.pack("!BBH", event, is_last << 7 | 10, min(n, steps) * 160)
            self.rtp.send(head + body)
            await asyncio.sleep(STEP)
