"""XEP-0115 Entity Capabilities 1.6.0."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from msgspec import Struct

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import forms
from bridge.xmpp.payloads.disco import Info

NS_CAPS = "http://jabber.org/protocol/caps"


def verification(info: Info) -> str:
    """Return the verification string of what disco#info says (XEP-0115 §5.1), hashed with SHA-1."""
    digest = sha1(_canonical(info).encode(), usedforsecurity=False).digest()
    return b64encode(digest).decode()


def _canonical(info: Info) -> str:
    parts = sorted(f"{i.category}/{i.type}/{i.language}/{i.name}" for i in info.identities)
    parts += sorted(set(info.features))
    for form in sorted(info.forms, key=forms.parse_form_type):
        form_type = forms.parse_form_type(form)
        if not form_type:
            continue
        parts.append(form_type)
        for var, values in sorted(forms.parse_values(form).items()):
            if var != "FORM_TYPE":
                parts += [var, *sorted(values)]
    return "".join(part.replace("<", "&lt;") + "<" for part in parts)


def build_caps(node: str, info: Info) -> Element:
    """Write the ``<c/>`` of a presence; disco#info answers at node ``{node}#{ver}`` too."""
    return Element("c", NS_CAPS, {"hash": "sha-1", "node": node, "ver": verification(info)})


class Caps(Struct, frozen=True):
    """What a client says that it is: the same for all that can do the same."""

    node: str
    ver: str
    hash: str


def parse_caps(presence: Element) -> Caps | None:
    """Return what a presence says of its client, None if nothing."""
    found = presence.child("c", NS_CAPS)
    if found is None:
        return None
    return Caps(found.get("node") or "", found.get("ver") or "", found.get("hash") or "")
