"""Media types: what a file is by its first bytes, which are taken, and which a browser may show."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from bridge.media import OCTETS

AHEAD = 4096
"""Bytes from the beginning of a file that are looked at."""
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_CONTAINERS = {
    "audio/ogg": ("video/ogg", "application/ogg", "audio/opus"),
    "video/webm": ("audio/webm", "video/x-matroska", "audio/x-matroska"),
    "video/mp4": ("audio/mp4", "audio/x-m4a", "video/quicktime", "video/3gpp", "audio/aac"),
}
"""By what a file looks like: what it may say to be instead."""
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"M4A ": "audio/mp4"}
_PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic"))
"""What is known by its first bytes, so that what does not look like it is not it."""
SHOWN = _PICTURES | {
    "image/bmp",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "video/quicktime",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/flac",
    "audio/wav",
    "audio/webm",
    "audio/aac",
    "text/plain",
}
"""What a browser may show in place; everything else it is to save, for it may hold a program."""


def sniff(head: bytes) -> str:
    """Return what a file is by its first bytes, "" if they do not tell."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], "")
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")


def bare(declared: str) -> str:
    """Return a media type without parameters, in small letters; the unknown one if it is none."""
    kind = declared.partition(";")[0].strip().lower()
    sort, slash, rest = kind.partition("/")
    plain = kind.isascii() and kind.isprintable() and " " not in kind
    return kind if sort and slash and rest and plain and len(kind) <= 100 else OCTETS


def kind_of(declared: str, head: bytes) -> str:
    """Return a file's media type: as it says, unless its first bytes say otherwise."""
    found, declared = sniff(head), bare(declared)
    if found:
        return declared if declared in _CONTAINERS.get(found, ()) else found
    return OCTETS if declared in _PICTURES else declared


def dimensions(head: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture in pixels, if its first bytes tell."""
    kind = sniff(head)
    if kind == "image/png" and len(head) >= 24:
        return struct.unpack(">II", head[16:24])
    if kind == "image/gif" and len(head) >= 10:
        return struct.unpack("<HH", head[6:10])
    if kind == "image/jpeg":
        return _jpeg(head)
    if kind == "image/webp" and head[12:16] == b"VP8X" and len(head) >= 30:
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Look for the frame header (ITU-T T.81 §B.2.2)."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def is_taken(kind: str, patterns: Sequence[str]) -> bool:
    """Tell whether a media type is one of those of the operator."""
    wanted = {"*/*", f"{kind.partition('/')[0]}/*", kind}
    return not wanted.isdisjoint(patterns)
