"""Links to files that only we can write: signed, and good for some time.

A link is ``{url}/media/{domain}/{token}/{file name}``. The token holds when it ends and what the network
calls the file, under a code (HMAC-SHA-256) that binds both to the domain and the file name. A slot's token
is of another sort, and is no link.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hmac import compare_digest, digest
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from bridge.events import UserId

CODE_BYTES = 16
TIME_BYTES = 5
STEP = 3600
"""Seconds: links to one file that are made within a step are the same, so that a cache finds them again."""
NAME_LENGTH = 120
"""Code points of a file name in a link."""
PLACE = "media"
NAMELESS = "file"


class Forged(ValueError):
    """It is none of our links."""


class Expired(ValueError):
    """It was one of our links."""


class Slot(Struct, frozen=True):
    """The leave to store one file: whose, where, and exactly which."""

    domain: str
    user: UserId
    name: str
    filename: str
    type: str
    size: int


class Links:
    """See the module's docstring; `lifetime` is in seconds, `wall` tells the time."""

    def __init__(self, url: str, key: bytes, lifetime: float, wall: Callable[[], float]) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._lifetime = lifetime
        self._wall = wall

    def link(self, domain: str, name: str, filename: str) -> str:
        """Return a link to what the domain's network calls `name`."""
        end = (int(self._wall() + self._lifetime) // STEP + 1) * STEP
        filename = clean_name(filename)
        token = self._sign(_about(PLACE, domain, filename), end, name.encode())
        return self._address(domain, token, filename)

    def file(self, domain: str, token: str, filename: str) -> tuple[str, float]:
        """Return what a link leads to, and how many seconds it still does; raises Forged or Expired."""
        data, end = self._read(_about(PLACE, domain, filename), token)
        return data.decode(), end - self._wall()

    def linked(self, domain: str, url: str) -> str | None:
        """Return what the network calls the file, if this is a link of ours that still works; else None."""
        start = f"{self._url}/{PLACE}/{domain}/"
        token, _, filename = url.removeprefix(start).partition("/")
        try:
            return self.file(domain, token, unquote(filename))[0] if url.startswith(start) else None
        except ValueError:
            return None

    def slot(self, slot: Slot, seconds: float) -> tuple[str, str]:
        """Return where to put a file, and the token that allows it for `seconds`."""
        end = int(self._wall() + seconds)
        token = self._sign(b"slot", end, msgspec.msgpack.encode(slot))
        return self._address(slot.domain, "upload", slot.filename), token

    def read_slot(self, token: str) -> Slot:
        """Return what a token allows; raises Forged or Expired."""
        return msgspec.msgpack.decode(self._read(b"slot", token)[0], type=Slot)

    def _address(self, domain: str, token: str, filename: str) -> str:
        return f"{self._url}/{PLACE}/{domain}/{token}/{quote(filename, safe='')}"

    def _sign(self, about: bytes, end: int, data: bytes) -> str:
        told = end.to_bytes(TIME_BYTES, "big") + data
        return urlsafe_b64encode(self._code(about, told) + told).decode().rstrip("=")

    def _read(self, about: bytes, token: str) -> tuple[bytes, int]:
        try:
            whole = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise Forged from None
        code, told = whole[:CODE_BYTES], whole[CODE_BYTES:]
        if not compare_digest(code, self._code(about, told)):
            raise Forged
        end = int.from_bytes(told[:TIME_BYTES], "big")
        if end < self._wall():
            raise Expired
        return told[TIME_BYTES:], end

    def _code(self, about: bytes, told: bytes) -> bytes:
        return digest(self._key, b"%d:%b%b" % (len(about), about, told), "sha256")[:CODE_BYTES]


def _about(*parts: str) -> bytes:
    return "\0".join(parts).encode("utf-8", "surrogatepass")


def clean_name(filename: str) -> str:
    """Return a file name that is one step of a path, and harmless in it."""
    kept = "".join(char for char in filename if char.isprintable() and char not in "/\\")
    stem, dot, ending = kept.rpartition(".")
    if len(kept) > NAME_LENGTH:
        kept = f"{stem[: NAME_LENGTH - 20]}{dot}{ending[:19]}" if stem else kept[:NAME_LENGTH]
    return NAMELESS if kept.strip(". ") == "" else kept.strip()
