"""A server that writes by hand what it sends."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from xml.sax.saxutils import quoteattr

from tests.live.cast.stanzas import TIMEOUT
from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import HOST

CHUNK = 1 << 16
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def header(local: str, remote: str) -> str:
    """Return the beginning of a stream from one domain to another."""
    return (
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "
        f"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from={quoteattr(local)} "
        f"to={quoteattr(remote)}>"
    )


def client_context(certificate: Certificate | None) -> ssl.SSLContext:
    """Return what shows a certificate, and takes any."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate.certificate, certificate.key)
    return context


class Wire:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._unread = ""
        self.everything = ""
        """All that was received."""

    @classmethod
    async def connect(cls, port: int, window: int | None = None) -> Wire:
        """Connect to a port of loopback; `window` bounds the bytes that wait to be read."""
        end = socket.socket()
        if window is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, (HOST, port))
        return cls(*await asyncio.open_connection(sock=end))

    def write(self, text: str | bytes) -> None:
        """Send something as it is, in one segment."""
        self._writer.write(text.encode() if isinstance(text, str) else text)

    async def _more(self) -> bool:
        try:
            data = await self._reader.read(CHUNK)
        except ConnectionError:
            data = b""
        self._unread += data.decode()
        self.everything += data.decode()
        return bool(data)

    async def find(self, pattern: str, timeout: float = TIMEOUT) -> re.Match[str]:
        """Return the first match of a regular expression in what comes, and drop what is before it."""
        try:
            async with asyncio.timeout(timeout):
                while (found := re.search(pattern, self._unread, re.DOTALL)) is None:
                    assert await self._more(), f"closed before {pattern!r} after {self.everything}"
        except TimeoutError:
            raise AssertionError(f"waits in vain for {pattern!r} after {self.everything}") from None
        self._unread = self._unread[found.end() :]
        return found

    async def closed(self, timeout: float = TIMEOUT) -> str:
        """Wait for the end of the connection, and return what came before it."""
        try:
            async with asyncio.timeout(timeout):
                while await self._more():
                    pass
        except TimeoutError:
            raise AssertionError(f"is not closed after {self.everything}") from None
        return self._unread

    async def open(self, local: str, remote: str) -> str:
        """Open a stream and wait for its features; returns its id."""
        self.write(header(local, remote))
        found = await self.find(r"<stream:stream[^>]*\bid=['\"]([^'\"]+)['\"]")
        await self.find(r"</stream:features>|<stream:features\s*/>")
        return found[1]

    async def secure(self, local: str, remote: str, certificate: Certificate | None) -> str:
        """Open a stream, start TLS, open it again; returns its id."""
        await self.open(local, remote)
        self.write(STARTTLS)
        await self.find("<proceed[^>]*>")
        await self.start_tls(certificate)
        return await self.open(local, remote)

    async def start_tls(self, certificate: Certificate | None) -> None:
        """Begin TLS."""
        await self._writer.start_tls(client_context(certificate))

    async def authenticate(self, local: str, remote: str, certificate: Certificate) -> None:
        """Open a stream and prove by certificate who we are (RFC 6120 §6)."""
        await self.secure(local, remote, certificate)
        await self.prove(local, remote)

    async def prove(self, local: str, remote: str) -> None:
        """Have the certificate that was shown count, and open the stream again."""
        identity = b64encode(local.encode()).decode()
        self.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{identity}</auth>")
        await self.find("<success[^>]*>")
        await self.open(local, remote)

    def close(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()
