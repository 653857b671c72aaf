"""How somebody is told that what he wanted could not be done; the same on every way out."""

from __future__ import annotations

from bridge.errors import BridgeError
from bridge.events import (
    NO_REF,
    ChangeNick,
    Depart,
    Enter,
    Exit,
    Exited,
    Failed,
    Incoming,
    NickRefused,
    NotEntered,
    Outgoing,
)


def refusal(event: Outgoing, error: BridgeError) -> Incoming | None:
    """Return the answer to an event that failed; None if no answer was asked for."""
    match event:
        case Enter(room=room, nick=nick):
            return NotEntered(room=room, nick=nick, error=error)
        case Depart(room=room, reason=reason):  # he is out, as he wished
            return Exited(room=room, nick="", exit=Exit.LEFT, reason=reason)
        case ChangeNick(room=room, nick=nick):
            return NickRefused(room=room, nick=nick, error=error)
    ref = getattr(event, "ref", NO_REF)
    return Failed(ref=ref, error=error) if ref else None
