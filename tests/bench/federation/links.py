"""The harness's ends of streams: a component (XEP-0114) and a peer server with a certificate (RFC 6120)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import time

from tests.live.peers.daemon import HOST

TIMEOUT = 10.0
CHUNK = 65_536
MOST_IN_A_TURN = 64
"""Reads from one link before the other gets its turn."""
LONGEST_ANSWER = 1_048_576
STREAMS = "xmlns:stream='http://etherx.jabber.org/streams'"
NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
NS_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
STARTTLS = f"<starttls xmlns='{NS_TLS}'/>"
PROCEED = f"<proceed xmlns='{NS_TLS}'/>"
REQUIRED = f"<stream:features><starttls xmlns='{NS_TLS}'><required/></starttls></stream:features>"
EXTERNAL = f"<mechanisms xmlns='{NS_SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
OFFERED = f"<stream:features>{EXTERNAL}</stream:features>"
NOTHING_MORE = "<stream:features/>"
SUCCESS = f"<success xmlns='{NS_SASL}'/>"
HEADER = rb"<stream:stream[^>]*>"
FEATURES = HEADER + rb".*?(?:</stream:features>|<stream:features */>)"
STREAM_ID = rb"""<stream:stream[^>]*? id=["']([^"']*)["']"""
ERROR = re.compile(rb"<stream:error.*|<failure.*", re.S)


class Refused(RuntimeError):
    """The server ended the stream, or did not answer as it should."""


class Link:
    """A connection: waited for while a stream begins, read and written without waiting under load."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(TIMEOUT)
        self.sock = sock
        self.rest = b""
        """What came behind the last thing that was waited for."""

    @classmethod
    def connect(cls, port: int, source: str = HOST) -> Link:
        """Connect to a port of loopback from one of its addresses."""
        return cls(socket.create_connection((HOST, port), TIMEOUT, (source, 0)))

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, text: str) -> None:
        """Send it all, waiting."""
        self.sock.sendall(text.encode())

    def wait(self, pattern: bytes) -> re.Match[bytes]:
        """Wait for something, and take everything up to its end."""
        while not (found := re.search(pattern, self.rest, re.S)):
            if error := ERROR.search(self.rest):
                raise Refused(error[0].decode(errors="replace")[:200])
            data = self.sock.recv(CHUNK)
            self.rest += data
            if not data or len(self.rest) > LONGEST_ANSWER:
                raise Refused(f"no {pattern!r}, but {self.rest[-200:]!r}")
        self.rest = self.rest[found.end() :]
        return found

    def start_tls(self, context: ssl.SSLContext, *, server_side: bool = False) -> None:
        """Shake hands."""
        self.sock = context.wrap_socket(self.sock, server_side=server_side)

    def unblock(self) -> Link:
        """Have `read` and `write` not wait from now on."""
        self.sock.setblocking(False)
        return self

    def read(self) -> list[bytes]:
        """Return what has come; Refused if the server ended the connection."""
        chunks = []
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            for _ in range(MOST_IN_A_TURN):
                data = self.sock.recv(CHUNK)
                if not data:
                    raise Refused("the connection was closed")
                chunks.append(data)
        return chunks

    def write(self, data: memoryview) -> int:
        """Send as much as goes; returns how many bytes went."""
        sent = 0
        with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError):
            while sent < len(data):
                sent += self.sock.send(data[sent:])
        return sent

    def pending(self) -> bool:
        """Whether decrypted bytes wait, which no poll can see."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def close(self) -> None:
        """End the stream and the connection."""
        with contextlib.suppress(OSError):
            self.sock.settimeout(1.0)
            self.send("</stream:stream>")
        self.sock.close()


def component(port: int, domain: str, secret: str) -> Link:
    """Open a component's stream; an earlier connection that is just ending is waited for."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        link = Link.connect(port)
        try:
            link.send(f"<stream:stream xmlns='jabber:component:accept' {STREAMS} to='{domain}'>")
            stream_id = link.wait(STREAM_ID + rb"[^>]*>")[1].decode()
            digest = hashlib.sha1((stream_id + secret).encode()).hexdigest()
            link.send(f"<handshake>{digest}</handshake>")
            link.wait(rb"<handshake[^>]*/>|<handshake[^>]*></handshake>")
        except (OSError, Refused):
            link.sock.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return link


def header(sender: str, target: str, stream_id: str = "") -> str:
    """Write a server's stream header."""
    given = f" id='{stream_id}'" if stream_id else ""
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' {STREAMS} from='{sender}' to='{target}'"
        f"{given} version='1.0'>"
    )


def outbound(port: int, sender: str, target: str, context: ssl.SSLContext, source: str = HOST) -> Link:
    """Open a stream as a peer, up to the features behind EXTERNAL (RFC 6120 §5.4, §6.4, XEP-0178)."""
    link = Link.connect(port, source)
    try:
        link.send(header(sender, target))
        link.wait(FEATURES)
        link.send(STARTTLS)
        link.wait(rb"<proceed[^>]*>")
        link.start_tls(context)
        link.send(header(sender, target))
        if b"EXTERNAL" not in link.wait(FEATURES)[0]:
            raise Refused("EXTERNAL is not offered")
        name = base64.b64encode(sender.encode()).decode()
        link.send(f"<auth xmlns='{NS_SASL}' mechanism='EXTERNAL'>{name}</auth>")
        link.wait(rb"<success[^>]*>")
        link.send(header(sender, target))
        link.wait(FEATURES)
    except BaseException:
        link.sock.close()
        raise
    return link


class Peer:
    """A peer server's listening side: takes the streams that a server opens to any name of ours."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(TIMEOUT)
        self._context = context
        self.port = int(self._listener.getsockname()[1])

    def accept(self) -> Link:
        """Take the next stream; returns once stanzas may come over it."""
        link = Link(self._listener.accept()[0])
        try:
            self._answer(link, REQUIRED)
            link.wait(rb"<starttls[^>]*>")
            link.send(PROCEED)
            link.start_tls(self._context, server_side=True)
            self._answer(link, OFFERED)
            link.wait(rb"<auth[^>]*>[^<]*</auth>")
            link.send(SUCCESS)
            self._answer(link, NOTHING_MORE)
        except BaseException:
            link.sock.close()
            raise
        return link

    def _answer(self, link: Link, features: str) -> None:
        found = link.wait(HEADER)[0].decode()
        names = dict(re.findall(r"""\s(from|to)=["']([^"']*)""", found))
        link.send(header(names["to"], names["from"], "bench") + features)

    def forget(self) -> None:
        """Drop the connections that wait."""
        self._listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()
        self._listener.settimeout(TIMEOUT)

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()
