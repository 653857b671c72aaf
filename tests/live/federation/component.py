"""A component that the bridge hosts, connected with slixmpp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import slixmpp

from tests.live.cast.stanzas import TIMEOUT, normalise
from tests.live.cast.xmpp import Talker
from tests.live.peers.daemon import HOST
from tests.live.peers.xmpp import SECRET


class _Link(slixmpp.ComponentXMPP):
    """slixmpp for stream and handshake; stanzas pass it by."""

    def __init__(self, domain: str, secret: str, port: int, keep: Callable[[bytes], bool]) -> None:
        super().__init__(domain, secret, HOST, port)
        self._keep = keep

    def forget(self) -> None:
        """End the task that slixmpp would otherwise leave to the garbage collector."""
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()

    def _spawn_event(self, xml: ElementTree.Element) -> None:
        if not self._keep(ElementTree.tostring(xml)):
            super()._spawn_event(xml)


class Component(Talker):
    """The component of a domain; what it sends is from `jid`, a user of it, unless it says otherwise."""

    def __init__(self, domain: str, port: int, secret: str = SECRET) -> None:
        super().__init__(f"echo@{domain}")
        self._link = _Link(domain, secret, port, self._keep)
        self._port = port
        self.closed = asyncio.Event()

    async def connect(self) -> None:
        """Connect and shake hands; ConnectionError if that is refused."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._link.add_event_handler("session_start", lambda _: ready.done() or ready.set_result(None))

        def closed(_: object) -> None:
            self.closed.set()
            if not ready.done():
                ready.set_exception(ConnectionRefusedError(self.jid))

        self._link.add_event_handler("disconnected", closed)
        self._link.connect(HOST, self._port)
        await asyncio.wait_for(ready, TIMEOUT)

    def _keep(self, xml: bytes) -> bool:
        stanza = normalise(xml)
        if stanza.tag not in ("iq", "message", "presence"):
            return False
        self.received(stanza)
        return True

    def send(self, xml: str) -> None:
        """Send a stanza as written, but for its sender if it has none."""
        tag, _, rest = xml.partition(" ")
        if " from=" not in xml.partition(">")[0]:
            xml = f"{tag} from={quoteattr(self.jid)} {rest}"
        self._link.send_raw(xml)

    async def log_out(self) -> None:
        """End the stream politely."""
        if not self.closed.is_set():
            await asyncio.wait_for(self._link.disconnect(wait=1.0), TIMEOUT)
        self._link.forget()
