"""The accepting side of XEP-0114: all that an XMPP server is to a component."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from xml.sax.saxutils import quoteattr

from lxml import etree

from tests.live.cast.stanzas import TIMEOUT, normalise
from tests.live.cast.xmpp import Talker
from tests.live.peers.daemon import HOST
from tests.live.peers.xmpp import SECRET

STREAM_ID = "s1"
CHUNK = 1 << 16


class HostedUser(Talker):
    """A full JID of the host's users."""

    def __init__(self, host: ComponentHost, jid: str) -> None:
        super().__init__(jid)
        self._host = host

    @property
    def bare(self) -> str:
        """The bare JID."""
        return self.jid.partition("/")[0]

    def send(self, xml: str) -> None:
        """Send a stanza; the host adds who it is from, as a server does."""
        head, space, rest = (
            xml.partition(" ") if " " in xml.partition(">")[0] else (*xml.partition(">")[:1], "", "")
        )
        assert space, xml
        self._host.write(f"{head} from={quoteattr(self.jid)} {rest}")


class ComponentHost:
    """Accepts one component and hands its stanzas to the users they are for."""

    def __init__(self) -> None:
        self.port = 0
        self.users: dict[str, HostedUser] = {}
        self.raw = bytearray()
        self.closed = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def connected(self) -> None:
        """Wait until the component has authenticated."""
        await asyncio.wait_for(self._connected.wait(), TIMEOUT * 4)

    def user(self, jid: str) -> HostedUser:
        """Return a user's resource, new or known."""
        return self.users.setdefault(jid, HostedUser(self, jid))

    def write(self, xml: str) -> None:
        """Write to the component, as it is."""
        assert self._writer is not None
        self._writer.write(xml.encode())

    def cut(self) -> None:
        """Cut the connection."""
        assert self._writer is not None
        self._connected.clear()
        self._writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.closed.clear()
        parser = etree.XMLPullParser(("start", "end"))
        depth = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                self.raw += data
                parser.feed(data)
                for event, element in parser.read_events():
                    depth += 1 if event == "start" else -1
                    if event == "start" and depth == 1:
                        self.write(self._header(element.get("to", "")))
                    elif event == "end" and depth == 1:
                        self._receive(etree.tostring(element, with_tail=False))
                        element.getparent().remove(element)
        if self._writer is writer:  # else another connection is open already
            self.closed.set()
        writer.close()

    @staticmethod
    def _header(domain: str) -> str:
        return (
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
            f"xmlns:stream='http://etherx.jabber.org/streams' from={quoteattr(domain)} id='{STREAM_ID}'>"
        )

    def _receive(self, xml: bytes) -> None:
        stanza = normalise(xml)
        if stanza.tag == "handshake":
            assert stanza.text == hashlib.sha1((STREAM_ID + SECRET).encode()).hexdigest()
            self.write("<handshake/>")
            self._connected.set()
            return
        to = stanza.get("to", "")
        for jid, user in self.users.items():
            if to in (jid, jid.partition("/")[0]):
                user.received(stanza)

    async def close(self) -> None:
        """Stop listening and cut."""
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
