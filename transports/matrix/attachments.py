"""Files in events ↔ attachments of messages.

What Matrix calls ``mxc://server/id`` we name ``server/id``, to the bridge too; behind a question mark stands
how it is to be read: as a picture of some size (``?320x240``), or decrypted (``?k=…&iv=…&h=…&t=…``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from mimetypes import guess_extension, guess_type
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from msgspec import Struct

from bridge.events import Attachment, Thumbnail

from .content import Json, integer, mapping, text
from .ids import is_server
from .tables import MAX_ID, MEDIA, STICKER

Link = Callable[[str, str], str]
"""Makes a link of what we call a file and of the name that people call it; "" where there are no links."""

PREVIEW = (320, 240)
"""Pixels of the pictures that homeservers make of larger ones (MX v1.19 thumbnails)."""
PREVIEWED = 480
"""Pixels of a side from which on a picture has one."""

SORTS = frozenset(("image", "video", "audio"))
"""Sorts of media types that have a type of message of their own."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_MIME = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")


class Secrets(Struct, frozen=True):
    """By what an encrypted file is read (MX v1.19 sending encrypted attachments), in base64."""

    key: str
    iv: str
    digest: str
    type: str


class Place(Struct, frozen=True):
    """A file of Matrix: which, and how it is to be read."""

    server: str
    id: str
    size: tuple[int, int] | None = None
    secrets: Secrets | None = None


def no_link(name: str, filename: str) -> str:
    """There are no links."""
    return ""


def read_name(name: str) -> Place | None:
    """Return which file we mean by a name; None if it is no name of ours."""
    path, _, how = name.partition("?")
    server, _, id = path.rpartition("/")
    if not is_server(server) or _ID.fullmatch(id) is None:
        return None
    if not how:
        return Place(server, id)
    size = _SIZE.fullmatch(how)
    if size is not None:
        return Place(server, id, size=(int(size[1]), int(size[2])))
    try:
        key, iv, digest, type = (parse_qs(how)[part][0] for part in ("k", "iv", "h", "t"))
    except KeyError:
        return None
    return Place(server, id, secrets=Secrets(key, iv, digest, type))


def name_of_uri(uri: object) -> str:
    """Return what we call the file of an ``mxc`` URI, "" if it is none."""
    name = uri.removeprefix("mxc://") if isinstance(uri, str) and uri.startswith("mxc://") else ""
    return name if "?" not in name and read_name(name) is not None else ""


def uri_of(name: str) -> str:
    """Return the ``mxc`` URI of a file that is named without how to read it."""
    return f"mxc://{name}"


# ---- from Matrix


def read_file(event_type: object, content: Json, link: Link) -> Attachment | None:
    """Return the file of a message or sticker; None if it has none, or there are no links."""
    sort = content.get("msgtype")
    if event_type != STICKER and not (isinstance(sort, str) and sort in MEDIA):
        return None
    info = mapping(content.get("info"))
    kind = _type(info.get("mimetype"))
    name = name_of_uri(content.get("url")) or _encrypted(content.get("file"), kind)
    filename = _filename(content, kind)
    url = link(name, filename) if name else ""
    if not url:
        return None
    duration = _count(info.get("duration"))
    width, height = _count(info.get("w")), _count(info.get("h"))
    return Attachment(
        url=url,
        name=filename,
        type=kind,
        size=_count(info.get("size")),
        width=width,
        height=height,
        duration=None if duration is None else duration / 1000,
        thumbnail=_thumbnail(info, name, link, max(width or 0, height or 0)),
    )


def has_caption(content: Json) -> bool:
    """Tell whether the body of a message with a file is words about it (MX v1.10 media captions)."""
    name, body = text(content, "filename"), text(content, "body")
    return bool(name and body and name != body)


def _thumbnail(info: Json, name: str, link: Link, side: int) -> Thumbnail | None:
    about = mapping(info.get("thumbnail_info"))
    kind = _type(about.get("mimetype"))
    own = name_of_uri(info.get("thumbnail_url")) or _encrypted(info.get("thumbnail_file"), kind)
    if own and own != name:
        url = link(own, f"thumbnail{guess_extension(kind) or ''}")
        return Thumbnail(url=url, type=kind, width=_count(about.get("w")), height=_count(about.get("h")))
    if side < PREVIEWED or "?" in name or not _type(info.get("mimetype")).startswith("image/"):
        return None
    width, height = PREVIEW
    return Thumbnail(url=link(f"{name}?{width}x{height}", "thumbnail"))


def _encrypted(file: object, kind: str) -> str:
    """Return the name of a file that is encrypted though the event is not, "" if it is none."""
    about = mapping(file)
    name, key = name_of_uri(about.get("url")), mapping(about.get("key"))
    parts = {
        "k": text(key, "k"),
        "iv": text(about, "iv"),
        "h": text(mapping(about.get("hashes")), "sha256"),
        "t": kind or "application/octet-stream",
    }
    fits = all(0 < len(part) <= MAX_ID for part in parts.values()) and key.get("alg") == "A256CTR"
    return f"{name}?{urlencode(parts)}" if name and fits else ""


def _filename(content: Json, kind: str) -> str:
    """Return a file's name, with an ending by which it can be opened."""
    name = (text(content, "filename") or text(content, "body")).strip()[:MAX_ID]
    name = name if "\n" not in name else ""
    name = name or MEDIA.get(str(content.get("msgtype")), "sticker")
    return name if guess_type(name)[0] or not kind else f"{name}{guess_extension(kind) or ''}"


def _type(value: object) -> str:
    kind = value.partition(";")[0].strip().lower() if isinstance(value, str) else ""
    return kind if len(kind) <= MAX_ID and _MIME.fullmatch(kind) else ""


def _count(value: object) -> int | None:
    found = integer(value)
    return None if found is None or found < 0 else found


# ---- to Matrix


def filename_of(attachment: Attachment) -> str:
    """Return the name of a file that XMPP knows by its address."""
    path = unquote(urlsplit(attachment.url).path)
    return (attachment.name or path.rpartition("/")[2] or "file")[:MAX_ID]


def file_content(attachment: Attachment, name: str) -> Mapping[str, object]:
    """Return the content of a message with a file whose `url` is an ``mxc`` URI, called `name`."""
    kind = attachment.type or guess_type(name)[0] or "application/octet-stream"
    sort = kind.partition("/")[0] if kind != "image/svg+xml" else ""
    info = {
        "mimetype": kind,
        "size": attachment.size,
        "w": attachment.width,
        "h": attachment.height,
        "duration": None if attachment.duration is None else round(attachment.duration * 1000),
    }
    return {
        "msgtype": f"m.{sort}" if sort in SORTS else "m.file",
        "body": name,
        "filename": name,
        "url": attachment.url,
        "info": {key: value for key, value in info.items() if value is not None},
    }
