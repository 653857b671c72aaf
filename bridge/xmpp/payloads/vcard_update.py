"""XEP-0153 vCard-Based Avatars 1.1: which picture somebody has, in his presence."""

from __future__ import annotations

import re

from bridge.xmpp.element import Element

NS_UPDATE = "vcard-temp:x:update"

_SHA1 = re.compile("[0-9a-f]{40}")


def build_photo_hash(hash: str) -> Element:
    """Write the SHA-1 of the sender's picture in hexadecimal, "" if he has none."""
    return Element("x", NS_UPDATE, None, Element("photo", NS_UPDATE, None, *([hash] if hash else [])))


def parse_photo_hash(presence: Element) -> str | None:
    """Return the SHA-1 of the sender's picture, "" if he has none, None if nothing is said of it."""
    x = presence.child("x", NS_UPDATE)
    photo = None if x is None else x.child("photo")
    if photo is None:
        return None
    hash = photo.text().strip().lower()
    return hash if _SHA1.fullmatch(hash) else ""
