"""What a SIP status means to an XMPP user, and the other way round (RFC 7247 §7)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bridge.errors import BridgeError, Trouble
from transports.sip.tables import REASONS
from transports.sip.wire.message import Response

_TROUBLES: Mapping[Trouble, tuple[int, ...]] = {
    Trouble.REDIRECTED: (300, 302, 305),
    Trouble.MOVED: (301, 410),
    Trouble.NOT_ACCEPTABLE: (380, 406, 415, 416, 421, 482, 483, 488, 505, 606),
    Trouble.BAD_REQUEST: (400, 402, 493),
    Trouble.LOGIN_FAILED: (401,),
    Trouble.LOGIN_NEEDED: (407,),
    Trouble.FORBIDDEN: (403,),
    Trouble.NOT_FOUND: (404, 481, 484, 485, 604),
    Trouble.UNSUPPORTED: (405, 420, 439, 501),
    Trouble.TIMED_OUT: (408, 504),
    Trouble.TOO_LONG: (413, 414, 440, 489, 513),
    Trouble.OVERLOADED: (423,),
    Trouble.UNAVAILABLE: (430, 480, 486, 487, 600, 603),
    Trouble.CONFLICT: (491,),
    Trouble.FAULTY: (500, 503),
    Trouble.NOT_CONNECTED: (502,),
}
TROUBLES: Mapping[int, Trouble] = MappingProxyType(
    {status: trouble for trouble, statuses in _TROUBLES.items() for status in statuses}
)
"""By status (RFC 7247 §7.2, table 3)."""
_OTHERS = {
    3: Trouble.REDIRECTED,
    4: Trouble.BAD_REQUEST,
    5: Trouble.FAULTY,
    6: Trouble.UNAVAILABLE,
}
STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "bad-request": 400,
        "conflict": 400,
        "jid-malformed": 400,
        "subscription-required": 400,
        "undefined-condition": 400,
        "not-authorized": 401,
        "forbidden": 403,
        "not-allowed": 403,
        "policy-violation": 403,
        "item-not-found": 404,
        "remote-server-not-found": 404,
        "feature-not-implemented": 501,
        "not-acceptable": 406,
        "registration-required": 407,
        "remote-server-timeout": 408,
        "gone": 410,
        "recipient-unavailable": 480,
        "internal-server-error": 500,
        "resource-constraint": 500,
        "unexpected-request": 491,
        "service-unavailable": 403,
        "redirect": 403,
    }
)
"""By condition of a stanza error (RFC 7247 §7.1, table 2). What asks for a password or another address is
for users of SIP to whom we could give none."""
TEXT = "The SIP network answered: {status} {reason}."
MAX_REASON = 80
"""Characters of a peer's reason phrase that are shown."""


def trouble_of(response: Response) -> BridgeError:
    """Return what a final response that is no 2xx tells the sender of a request."""
    return trouble_of_status(response.status, phrase(response))


def trouble_of_status(status: int, reason: str = "") -> BridgeError:
    """Return what a status that is no 2xx tells, of SIP or of MSRP, whose statuses mean the same."""
    trouble = TROUBLES.get(status) or _OTHERS[min(max(status // 100, 3), 6)]
    return BridgeError(trouble, TEXT.format(status=status, reason=reason).replace(" .", "."))


def phrase(response: Response) -> str:
    """Return what a response says in words, fit to be shown."""
    reason = response.reason or REASONS.get(response.status, "")
    return "".join(one for one in reason if one.isprintable())[:MAX_REASON]


def status_of(error: BridgeError) -> int:
    """Return the status by which somebody on SIP is told of a trouble."""
    status = STATUSES.get(error.trouble.value.condition, 500)
    return {401: 403, 407: 403}.get(status, status)
