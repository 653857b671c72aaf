"""What a bad peer sends: each attack is one connection after another, as fast as the server lets it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

from tests.bench.federation.links import STARTTLS, STREAMS, Link, Refused, header
from tests.bench.federation.servers import COMPONENTS, PEER, Server

EVIL = f"evil.{PEER}"
SIZE = 524_288
"""Bytes of the largest stanza that every server takes."""
PIECE = 1_024
REPLY_SECONDS = 0.1
"""How long the server's reaction is waited for before the next connection."""

Attack = Callable[[], Iterator[bytes]]

ADDRESSES = f"from='u@{EVIL}' to='u@{COMPONENTS[0]}'"
OPENING = header(EVIL, COMPONENTS[0]).encode()


def nested_entities() -> Iterator[bytes]:
    """Yield a header whose entities would grow to gigabytes."""
    entities = "".join(f"<!ENTITY e{depth} '{f'&e{depth - 1};' * 10}'>" for depth in range(1, 12))
    yield f"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e0 'xxxxxxxxxx'>{entities}]>".encode()
    yield f"<stream:stream xmlns='jabber:server' {STREAMS} from='{EVIL}' to='&e11;' version='1.0'>".encode()


def newlines() -> Iterator[bytes]:
    """Yield a message with nothing but line ends, which expat reports one by one; it is not counted as one."""
    yield f"<message {ADDRESSES}><subject>".encode() + b"\n" * (SIZE - PIECE) + b"</subject></message>"


def endless_tag() -> Iterator[bytes]:
    """Yield one tag in many small pieces, each of which expat might read from its start again."""
    yield f"<message {ADDRESSES} a='".encode()
    for _ in range(SIZE // PIECE):
        yield b"x" * PIECE
    yield b"'/>"


def attributes() -> Iterator[bytes]:
    """Yield a tag with 10,000 attributes."""
    given = "".join(f" a{number}=''" for number in range(10_000))
    yield f"<message {ADDRESSES}{given}/>".encode()


def deep_nesting() -> Iterator[bytes]:
    """Yield a message of 50,000 elements inside each other."""
    yield f"<message {ADDRESSES}>".encode() + b"<a>" * 50_000 + b"</a>" * 50_000 + b"</message>"


def many_elements() -> Iterator[bytes]:
    """Yield a message of 100,000 elements beside each other."""
    yield f"<message {ADDRESSES}>".encode() + b"<a/>" * 100_000 + b"</message>"


def garbage_tls() -> Iterator[bytes]:
    """Yield what is no TLS, where a handshake should be."""
    yield b"\x16\x03\x01\x02\x00\x01" + os.urandom(SIZE // 8)


def _open(server: Server) -> Link:
    return Link.connect(server.s2s_port, "127.3.0.1")


def stranger(server: Server) -> Link:
    """Connect, as anybody can."""
    link = _open(server)
    link.sock.sendall(OPENING)
    return link


def starting_tls(server: Server) -> Link:
    """Connect and agree to begin TLS."""
    link = stranger(server)
    link.wait(rb"</stream:features>")
    link.send(STARTTLS)
    link.wait(rb"<proceed[^>]*>")
    return link


def trusted(server: Server) -> Link:
    """Be a server that proved who it is, and has gone bad."""
    return server.stream(EVIL, "127.3.0.1")


ATTACKS: tuple[tuple[str, Callable[[Server], Link], Attack], ...] = (
    ("nested entities", _open, nested_entities),
    ("a stranger's endless tag", stranger, endless_tag),
    ("garbage for TLS", starting_tls, garbage_tls),
    ("512 KiB of newlines", trusted, newlines),
    ("512 KiB tag in 1 KiB pieces", trusted, endless_tag),
    ("10,000 attributes", trusted, attributes),
    ("50,000 nested elements", trusted, deep_nesting),
    ("100,000 elements", trusted, many_elements),
)


class Attacker:
    """Attacks from a thread of its own until told to stop; counts its connections."""

    def __init__(self, server: Server, connect: Callable[[Server], Link], attack: Attack) -> None:
        self.count = 0
        self.fault: Exception | None = None
        """Why it could not go on, if so."""
        self._server, self._connect = server, connect
        self._pieces = list(attack())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Attacker:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                link = self._connect(self._server)
                self._strike(link)
                self.count += 1
        except (OSError, Refused) as fault:
            self.fault = fault

    def _strike(self, link: Link) -> None:
        """Send it all, and see what the server does, unless it closes before."""
        try:
            link.sock.settimeout(2.0)
            for piece in self._pieces:
                link.sock.sendall(piece)
            deadline = time.monotonic() + REPLY_SECONDS
            while time.monotonic() < deadline:
                link.sock.settimeout(REPLY_SECONDS)
                if not link.sock.recv(65_536):
                    break
        except OSError:
            return
        finally:
            link.sock.close()
