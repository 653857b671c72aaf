"""XEP-0421 Occupant identifiers for semi-anonymous MUCs 1.0.1."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b

from bridge.xmpp.element import Element

NS_OCCUPANT_ID = "urn:xmpp:occupant-id:0"


def derive_occupant_id(secret: bytes, room: str, identity: str) -> str:
    """Return the id of who has `identity` in `room`.

    It says nothing of either to one who lacks `secret` (at most 64 bytes), XEP-0421 §5.
    """
    digest = blake2b(
        f"{room}\0{identity}".encode("utf-8", "surrogatepass"), key=secret, digest_size=18
    ).digest()
    return urlsafe_b64encode(digest).decode()


def build_occupant_id(id: str) -> Element:
    """Write an occupant's id."""
    return Element("occupant-id", NS_OCCUPANT_ID, {"id": id})


def parse_occupant_id(stanza: Element) -> str | None:
    """Return the occupant's id that the stanza carries."""
    element = stanza.child("occupant-id", NS_OCCUPANT_ID)
    return None if element is None else element.get("id")
