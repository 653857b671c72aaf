"""XEP-0363 HTTP File Upload 1.2.0."""

from __future__ import annotations

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element

NS_UPLOAD = "urn:xmpp:http:upload:0"


class SlotRequest(Struct, frozen=True):
    """§5: a client wants to upload a file of `size` bytes; `type` is its media type, "" if not said."""

    filename: str
    size: int
    type: str = ""


def parse_request(request: Element) -> SlotRequest:
    """Read the request for a slot; BridgeError BAD_REQUEST."""
    filename, size = request.get("filename"), request.get("size") or ""
    if not filename or not (size.isascii() and size.isdigit() and len(size) <= 15) or int(size) == 0:
        raise BridgeError(Trouble.BAD_REQUEST)
    return SlotRequest(filename, int(size), request.get("content-type") or "")


def build_slot(put: str, authorization: str, get: str) -> Element:
    """§5: where to put the file, with which header, and where it will be."""
    header = Element("header", NS_UPLOAD, {"name": "Authorization"}, authorization)
    return Element(
        "slot",
        NS_UPLOAD,
        None,
        Element("put", NS_UPLOAD, {"url": put}, header),
        Element("get", NS_UPLOAD, {"url": get}),
    )


def build_too_large(limit: int) -> Element:
    """§7: the largest file that is taken, in bytes."""
    return Element("file-too-large", NS_UPLOAD, None, Element("max-file-size", NS_UPLOAD, None, str(limit)))


def build_retry(stamp: str) -> Element:
    """§7: when to try again, an XEP-0082 time."""
    return Element("retry", NS_UPLOAD, {"stamp": stamp})
