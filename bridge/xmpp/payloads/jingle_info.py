"""What is told in a session that stands: how it is with the other one (XEP-0167 1.2.3 §8), and keys that are
pressed (XEP-0181 Jingle DTMF 0.12).
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import MAX_NAME, Jingle, read_number

NS_INFO = "urn:xmpp:jingle:apps:rtp:info:1"
NS_DTMF = "urn:xmpp:jingle:dtmf:0"

MAX_PRESS = 60_000
"""Milliseconds that a key is held."""
_KEYS = frozenset("0123456789*#ABCD")
_USUAL_PRESS = 100


class State(Enum):
    """How it is with the author of a ``session-info``."""

    RINGING = "ringing"
    ACTIVE = "active"
    HOLD = "hold"
    UNHOLD = "unhold"
    MUTE = "mute"
    UNMUTE = "unmute"


class Info(Struct, frozen=True):
    """A state; `creator` and `content` name the content that is muted, "" for all (XEP-0167 §8.3)."""

    state: State
    creator: str = ""
    content: str = ""


class Press(Struct, frozen=True):
    """A key, of ``0-9*#A-D``, that was pressed for `duration` milliseconds."""

    key: str
    duration: int = _USUAL_PRESS


def parse_info(request: Jingle) -> Info | None:
    """Return what a ``session-info`` says of its author; None if it says something else."""
    for payload in request.payloads:
        if payload.namespace == NS_INFO and payload.name in _STATES:
            creator, content = payload.get("creator") or "", payload.get("name") or ""
            return Info(_STATES[payload.name], creator, content[:MAX_NAME])
    return None


def build_info(info: Info) -> Element:
    """Write what the author of a ``session-info`` says of himself."""
    return Element(info.state.value, NS_INFO, {"creator": info.creator or None, "name": info.content or None})


def parse_press(request: Jingle) -> Press | None:
    """Return the key that a ``session-info`` tells; None if it tells none.

    Raises UNSUPPORTED for a key that there is not (XEP-0181 §2).
    """
    for payload in request.payloads:
        if (payload.name, payload.namespace) != ("dtmf", NS_DTMF):
            continue
        key = (payload.get("code") or "").upper()
        if key not in _KEYS:
            raise BridgeError(Trouble.UNSUPPORTED)
        duration = payload.get("duration")
        known = _USUAL_PRESS if duration is None else read_number(duration, MAX_PRESS)
        if known is None:
            raise BridgeError(Trouble.BAD_REQUEST)
        return Press(key, known)
    return None


def build_press(press: Press) -> Element:
    """Write a key that is pressed."""
    return Element("dtmf", NS_DTMF, {"code": press.key, "duration": str(press.duration)})


_STATES = {state.value: state for state in State}
