"""Why a room does not let a guest in, lets him go, or does not hear him (XEP-0045 §7.2, §15.6)."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import Exit
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.muc import (
    AFFILIATION_LOST,
    MEMBERS_ONLY_NOW,
    SERVICE_ERROR,
    SERVICE_SHUTDOWN,
    WAS_BANNED,
    WAS_KICKED,
    MucUser,
)
from bridge.xmpp.stanza import condition_of, error_from

_ENTRY = {
    "conflict": Trouble.NICK_IN_USE,
    "forbidden": Trouble.BANNED,
    "item-not-found": Trouble.NO_SUCH_ROOM,
    "not-acceptable": Trouble.BAD_NICK,
    "not-allowed": Trouble.NO_SUCH_ROOM,
    "not-authorized": Trouble.BAD_PASSWORD,
    "registration-required": Trouble.INVITE_ONLY,
    "resource-constraint": Trouble.ROOM_FULL,
    "service-unavailable": Trouble.ROOM_FULL,
}
"""§7.2.4 to §7.2.11."""
_SPEECH = {"forbidden": Trouble.CANNOT_SPEAK, "not-acceptable": Trouble.NOT_IN_ROOM}
"""§7.4, §7.5, §7.9."""
_PASSING = frozenset(
    {
        "internal-server-error",
        "remote-server-not-found",
        "remote-server-timeout",
        "resource-constraint",
        "service-unavailable",
    }
)
"""What may be otherwise in a while."""


STRUCK = frozenset({AFFILIATION_LOST, MEMBERS_ONLY_NOW})
"""§9.4, §10.2.1: put out since only members may be in."""
NO_MEMBER = "Only members may be in this room."
NOW_CLOSED = "Only members may be in this room from now on."


def entry_error(stanza: Element) -> BridgeError:
    """Return why a room refuses a presence."""
    return _meant(stanza, _ENTRY)


def speech_error(stanza: Element) -> BridgeError:
    """Return why a room refuses a groupchat message."""
    return _meant(stanza, _SPEECH)


def _meant(stanza: Element, table: dict[str, Trouble]) -> BridgeError:
    """In a room, conditions mean other things than elsewhere; a text of the peer's stays."""
    error, special = error_from(stanza), table.get(condition_of(stanza))
    if special is None:
        return error
    return BridgeError(special, error.text if error.text != error.trouble.value.text else "")


def is_passing(stanza: Element) -> bool:
    """Tell whether a refusal may be no more in a while."""
    error = stanza.child("error")
    return condition_of(stanza) in _PASSING or (error is not None and error.get("type") == "wait")


def ending(user: MucUser, status: str, is_leaving: bool) -> tuple[Exit | None, str]:
    """Return how a guest's stay ended, and why; None if that was no one's will, so that he may come back."""
    codes, reason = user.codes, user.item.reason or status
    if user.destroyed is not None:
        words = ["The room was destroyed.", user.destroyed, user.venue and f"Its place takes {user.venue}."]
        return Exit.DISCONNECTED, " ".join(word for word in words if word)
    if WAS_BANNED in codes:
        return Exit.BANNED, reason
    if SERVICE_SHUTDOWN in codes or SERVICE_ERROR in codes:
        return (Exit.LEFT if is_leaving else None), reason
    if STRUCK & codes:
        return Exit.STRUCK, reason or (NOW_CLOSED if MEMBERS_ONLY_NOW in codes else NO_MEMBER)
    if WAS_KICKED in codes:
        return Exit.KICKED, reason
    return (Exit.LEFT if is_leaving else None), reason
