"""Why a call ends: statuses and reasons of SIP, and `Ending`s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from transports.sip.status import phrase, status_of
from transports.sip.tables import REASONS
from transports.sip.wire.message import Response
from transports.sip.wire.reason import Q850, SIP, Reason

_ENDINGS: Mapping[Ending, tuple[int, ...]] = {
    Ending.BUSY: (486, 600),
    Ending.DECLINED: (403, 603),
    Ending.CANCELLED: (487,),
    Ending.TIMED_OUT: (408, 504),
    Ending.EXPIRED: (480,),
    Ending.GONE: (404, 410, 481, 484, 604),
    Ending.INCOMPATIBLE: (415, 488, 606),
    Ending.SECURITY: (401, 407),
}
ENDINGS: Mapping[int, Ending] = MappingProxyType(
    {status: ending for ending, statuses in _ENDINGS.items() for status in statuses}
)
"""By final status."""
STATUSES: Mapping[Ending, int] = MappingProxyType(
    {
        Ending.SUCCESS: 480,
        Ending.BUSY: 486,
        Ending.DECLINED: 603,
        Ending.CANCELLED: 487,
        Ending.TIMED_OUT: 480,
        Ending.EXPIRED: 480,
        Ending.GONE: 410,
        Ending.ALTERNATIVE: 480,
        Ending.CONNECTIVITY: 500,
        Ending.FAILED_APPLICATION: 488,
        Ending.FAILED_TRANSPORT: 500,
        Ending.INCOMPATIBLE: 488,
        Ending.MEDIA: 500,
        Ending.SECURITY: 488,
        Ending.UNSUPPORTED_APPLICATIONS: 488,
        Ending.UNSUPPORTED_TRANSPORTS: 500,
        Ending.GENERAL: 500,
    }
)
"""What a caller is answered whose call ends before it was taken."""
_CAUSES: Mapping[int, Ending] = MappingProxyType(
    {
        1: Ending.GONE,
        16: Ending.SUCCESS,
        17: Ending.BUSY,
        18: Ending.TIMED_OUT,
        19: Ending.TIMED_OUT,
        21: Ending.DECLINED,
        22: Ending.GONE,
        31: Ending.SUCCESS,
    }
)
"""By cause of a telephone network (ITU-T Q.850)."""
_TROUBLES: Mapping[Trouble, Ending] = MappingProxyType(
    {
        Trouble.NOT_ALLOWED: Ending.DECLINED,
        Trouble.FORBIDDEN: Ending.DECLINED,
        Trouble.TOO_MANY: Ending.BUSY,
        Trouble.TIMED_OUT: Ending.TIMED_OUT,
        Trouble.REMOTE_TIMEOUT: Ending.TIMED_OUT,
        Trouble.NOT_ACCEPTABLE: Ending.INCOMPATIBLE,
        Trouble.UNREACHABLE: Ending.CONNECTIVITY,
        Trouble.JID_MALFORMED: Ending.GONE,
        Trouble.NOT_FOUND: Ending.GONE,
        Trouble.SHUTTING_DOWN: Ending.GONE,
    }
)


def ending_of(status: int) -> Ending:
    """Return what a final status that is no 2xx means."""
    if 300 <= status < 400:
        return Ending.ALTERNATIVE
    return ENDINGS.get(status, Ending.GENERAL)


def words_of(status: int, response: Response | None) -> str:
    """Return a status with its phrase, for people; the response may have another, and be none of ours."""
    is_its = response is not None and response.status == status
    return f"SIP {status} {phrase(response) if response and is_its else REASONS.get(status, '')}".strip()


def ending_of_reasons(reasons: Sequence[Reason]) -> tuple[Ending, str]:
    """Return why a peer hung up, with words if there are any (RFC 3326); a BYE needs no reason."""
    for reason in reasons:
        text = text_of([reason])
        if reason.protocol == SIP and reason.cause is not None and reason.cause >= 300:
            return ending_of(reason.cause), words_of(reason.cause, None) + (f": {text}" if text else "")
        if reason.protocol.upper() == Q850 and reason.cause is not None:
            return _CAUSES.get(reason.cause, Ending.GENERAL), text
    return Ending.SUCCESS, ""


def text_of(reasons: Sequence[Reason]) -> str:
    """Return the words of a peer's reasons, fit to be shown."""
    text = next((reason.text for reason in reasons if reason.text), "")
    return "".join(one for one in text if one.isprintable())


def ending_of_trouble(error: BridgeError) -> Ending:
    """Return how a call ends that met a trouble of ours."""
    return _TROUBLES.get(error.trouble, Ending.GENERAL)


def status_of_trouble(error: BridgeError) -> int:
    """Return what a caller is answered whose call met a trouble of ours."""
    special = {Trouble.NOT_ACCEPTABLE: 488, Trouble.OVERLOADED: 503, Trouble.UNREACHABLE: 503}
    return special.get(error.trouble) or status_of(error)


def reason_of(ending: Ending, text: str) -> Reason | None:
    """Return why we hang up; None where that needs no reason."""
    if ending in (Ending.SUCCESS, Ending.CANCELLED):
        return None
    return Reason(SIP, STATUSES[ending], text)
