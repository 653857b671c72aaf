"""XEP-0249 Direct MUC Invitations 1.2."""

from __future__ import annotations

from msgspec import Struct

from bridge.xmpp.element import Element

NS_CONFERENCE = "jabber:x:conference"


class DirectInvite(Struct, frozen=True, kw_only=True):
    """An invitation that came from the inviter himself; `room` is a bare JID."""

    room: str
    reason: str = ""
    password: str = ""


def build_direct_invite(invite: DirectInvite) -> Element:
    """Write a direct invitation."""
    return Element(
        "x",
        NS_CONFERENCE,
        {"jid": invite.room, "password": invite.password or None, "reason": invite.reason or None},
    )


def parse_direct_invite(message: Element) -> DirectInvite | None:
    """Return the direct invitation that the message carries."""
    x = message.child("x", NS_CONFERENCE)
    if x is None or not x.get("jid"):
        return None
    return DirectInvite(
        room=x.attributes["jid"], reason=x.get("reason") or "", password=x.get("password") or ""
    )
