"""Who calls, as trunks are told and tell it: From, and what networks assert (RFC 3325, RFC 3323)."""

from __future__ import annotations

from bridge.events import UserId
from transports.sip.address import user_uri
from transports.sip.lines.routes import Trunk
from transports.sip.wire.headers import NameAddr, parse_name_addr
from transports.sip.wire.message import Fields, Request
from transports.sip.wire.uri import Malformed, Uri

FIELDS = {"preferred": "P-Preferred-Identity", "asserted": "P-Asserted-Identity"}
"""By which field a trunk is told who calls."""
PRIVATE = frozenset({"id", "user", "header"})
"""What those ask for who are not to be shown (RFC 3323 §4.2, RFC 3325 §9.3)."""


def caller(trunk: Trunk, user: UserId, target: Uri, domain: str) -> tuple[Uri, Fields]:
    """Return as whom a user shows at a trunk to `target`, and what says so beside From."""
    if trunk.config.owner:
        return trunk.account, ()
    number = trunk.caller_ids.number(user) if target.params.get("user") == "phone" else ""
    if not number:
        return user_uri(user, domain), ()
    uri = Uri(scheme="sip", user=number, host=trunk.domain, params={"user": "phone"})
    field = FIELDS.get(trunk.config.identity)
    return uri, ((field, str(NameAddr(uri=uri))),) if field else ()


def source(request: Request, trunk: Trunk | None) -> NameAddr:
    """Return who a request is from: whom a trunk that is trusted asserts, unless privacy is asked for."""
    if trunk is None or not trunk.config.trusts_identity or _is_private(request):
        return request.from_
    try:
        asserted = [parse_name_addr(one) for one in request.values("P-Asserted-Identity")]
    except Malformed:
        return request.from_
    return next((one for one in asserted if one.uri.is_sip or one.uri.scheme == "tel"), request.from_)


def _is_private(request: Request) -> bool:
    wanted = (request.get("Privacy") or "").lower().replace(",", ";").split(";")
    return not PRIVATE.isdisjoint(word.strip() for word in wanted)
