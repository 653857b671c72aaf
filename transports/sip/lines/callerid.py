"""Who calls, as trunks are told and tell it: From, and what networks assert (RFC 3325, RFC 3323)."""

from __future__ import annotations

from msgspec import Struct

from bridge.events import UserId
from transports.sip.address import user_uri
from transports.sip.lines.dialplan import is_among
from transports.sip.lines.routes import Trunk
from transports.sip.settings import GatewaySettings
from transports.sip.wire.headers import NameAddr, parse_name_addr
from transports.sip.wire.message import Fields, Request
from transports.sip.wire.uri import Malformed, Uri

FIELDS = {"preferred": "P-Preferred-Identity", "asserted": "P-Asserted-Identity"}
"""By which field a trunk is told who calls."""
PRIVATE = frozenset({"id", "user", "header"})
"""What those ask for who are not to be shown (RFC 3323 §4.2, RFC 3325 §9.3)."""
ANONYMOUS = NameAddr(uri=Uri(scheme="sip", user="anonymous", host="anonymous.invalid"), display="Anonymous")
"""Who calls without showing himself (RFC 3323 §4.1.1.3)."""
HIDDEN: Fields = (("Privacy", "id"),)
"""Asks the trunk to tell nobody who calls, whom it knows by other fields (RFC 3325 §9.3)."""


class Shown(Struct, frozen=True, kw_only=True):
    """How a user shows: `author` is From of what he writes, `caller` that of his calls, each with fields."""

    author: NameAddr
    author_fields: Fields = ()
    caller: NameAddr
    caller_fields: Fields = ()

    @property
    def is_hidden(self) -> bool:
        """Tell whether his calls show nothing of him."""
        return self.caller is ANONYMOUS


def shown_at(trunk: Trunk | None, user: UserId, target: Uri, domain: str, wish: GatewaySettings) -> Shown:
    """Return as whom a user shows to `target`, by what the operator and he want.

    What he writes shows him always: nobody could answer it otherwise.
    """
    uri, is_number = _uri(trunk, user, target, domain)
    name = "".join(one for one in wish.display_name if one.isprintable()).strip()
    if not (name or is_number or (trunk is not None and trunk.config.owner)):
        name = user.partition("@")[0]
    shown = NameAddr(uri=uri, display=name)
    if trunk is None:
        return Shown(author=shown, caller=shown)
    field = FIELDS.get(trunk.config.identity)
    told: Fields = ((field, str(NameAddr(uri=uri))),) if field and is_number else ()
    if not (wish.hide_identity or is_among(user, trunk.config.anonymous)):
        return Shown(author=shown, author_fields=told, caller=shown, caller_fields=told)
    known: Fields = ((field, str(NameAddr(uri=uri))),) if field else ()
    return Shown(author=shown, author_fields=told, caller=ANONYMOUS, caller_fields=(*known, *HIDDEN))


def _uri(trunk: Trunk | None, user: UserId, target: Uri, domain: str) -> tuple[Uri, bool]:
    """Return the address by which a user shows, and whether it is a number."""
    if trunk is not None and trunk.config.owner:
        return trunk.account, False
    is_to_number = trunk is not None and target.params.get("user") == "phone"
    number = trunk.caller_ids.number(user) if trunk is not None and is_to_number else ""
    if trunk is None or not number:
        return user_uri(user, domain), False
    return Uri(scheme="sip", user=number, host=trunk.domain, params={"user": "phone"}), True


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
