"""Transfers as messages: REFER and its NOTIFY (RFC 3515), Replaces (RFC 3891)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.dialogs.dialog import DialogId, DialogState
from transports.sip.tables import REASONS
from transports.sip.wire.headers import NameAddr, Value, parse_name_addr, parse_value
from transports.sip.wire.message import Fields, Message, Request
from transports.sip.wire.uri import Malformed, Uri

OPTION = "replaces"
FRAGMENT = "message/sipfrag"
"""What a NOTIFY of a REFER has in it: the status line of the call that was asked for (RFC 3515 §2.4.5)."""

_STATUS_LINE = re.compile(r"SIP/2\.0 +([1-6][0-9][0-9])(?: .*)?", re.IGNORECASE)


class Replaces(Struct, frozen=True):
    """The dialog that an INVITE is to replace, named as the one who gets the INVITE names it."""

    dialog: DialogId
    is_early_only: bool = False

    def __str__(self) -> str:
        params = {"to-tag": self.dialog.local_tag, "from-tag": self.dialog.remote_tag}
        if self.is_early_only:
            params["early-only"] = ""
        return str(Value(value=self.dialog.call_id, params=params))


class Referral(Struct, frozen=True):
    """What a REFER asks for: call `target`, in place of the dialog that `replaces` names, if any."""

    target: Uri
    replaces: Replaces | None = None


def parse_replaces(text: str) -> Replaces:
    """Read Replaces (RFC 3891 §6.1). Raises Malformed; a tag of an old peer is "0"."""
    value = parse_value(text)
    tags = value.params.get("to-tag"), value.params.get("from-tag")
    if not value.value or " " in value.value or not tags[0] or not tags[1]:
        raise Malformed("Replaces is malformed")
    return Replaces(DialogId(value.value, _tag(tags[0]), _tag(tags[1])), "early-only" in value.params)


def replaces_of(invite: Request) -> Replaces | None:
    """Return what an INVITE replaces, None if nothing. Raises Malformed, also for two (RFC 3891 §3)."""
    values = [value for name, value in invite.fields if name == "Replaces"]
    if len(values) > 1:
        raise Malformed("there is more than one Replaces")
    return parse_replaces(values[0]) if values else None


def parse_referral(refer: Request) -> Referral:
    """Read what a REFER asks for (RFC 3515 §2.4.2). Raises Malformed if it is not exactly one thing."""
    values = refer.values("Refer-To")
    if len(values) != 1:
        raise Malformed("Refer-To is not one address")
    uri = parse_name_addr(values[0]).uri
    headers = {name.lower(): value for name, value in uri.headers}
    replaced = parse_replaces(headers["replaces"]) if "replaces" in headers else None
    return Referral(target=replace(uri, headers=()), replaces=replaced)


def refer_fields(referral: Referral, by: Uri) -> Fields:
    """Make the fields of a REFER; `by` says who asks (RFC 3892)."""
    headers = (("Replaces", str(referral.replaces)),) if referral.replaces else ()
    target = NameAddr(uri=replace(referral.target, headers=headers))
    return (("Refer-To", str(target)), ("Referred-By", str(NameAddr(uri=by))))


def fragment(status: int) -> bytes:
    """Make the body of a NOTIFY that tells how the call goes."""
    return f"SIP/2.0 {status} {REASONS.get(status, '')}".rstrip().encode() + b"\r\n"


def status_of(notify: Message) -> int:
    """Return how the call goes that we asked for. Raises Malformed."""
    content_type = parse_value(notify.get("Content-Type") or "").value.lower()
    line = notify.body.partition(b"\n")[0].decode("utf-8", "surrogateescape").strip()
    found = _STATUS_LINE.fullmatch(line)
    if content_type != FRAGMENT or found is None:
        raise Malformed("a NOTIFY has no status")
    return int(found[1])


def refusal_of(
    replaces: Replaces, dialogs: Mapping[DialogId, DialogState], own_early: frozenset[DialogId]
) -> int | None:
    """Return the status with which an INVITE with Replaces is refused, None if it may go on (RFC 3891 §3).

    `dialogs` are those of INVITEs, with some that are over; `own_early` names those that our
    INVITEs made. Whether its sender may replace anything is for the caller to judge.
    """
    state = dialogs.get(replaces.dialog)
    if state is DialogState.TERMINATED:
        return 603
    if state is DialogState.CONFIRMED:
        return 486 if replaces.is_early_only else None
    return None if state is not None and replaces.dialog in own_early else 481


def _tag(text: str) -> str:
    return "" if text == "0" else text
