"""XEP-0251 Jingle Session Transfer 0.2: whom the other one is to talk to instead."""

from __future__ import annotations

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError
from bridge.xmpp.payloads.jingle import MAX_SID, Jingle, is_line

NS_TRANSFER = "urn:xmpp:jingle:transfer:0"


class Transfer(Struct, frozen=True, kw_only=True):
    """In a ``session-info``: call `to`. In a ``session-initiate``: `origin` had me call.

    `sid` is the session between the two that the new one takes over, "" if there is none (XEP-0251 §3).
    """

    to: Jid | None = None
    origin: Jid | None = None
    sid: str = ""


def parse_transfer(request: Jingle) -> Transfer | None:
    """Return the transfer that a request tells, None if it tells none; JID_MALFORMED, BAD_REQUEST."""
    for payload in request.payloads:
        if (payload.name, payload.namespace) == ("transfer", NS_TRANSFER):
            sid = payload.get("sid") or ""
            if sid and not is_line(sid, MAX_SID):
                raise BridgeError(Trouble.BAD_REQUEST)
            return Transfer(to=_jid(payload, "to"), origin=_jid(payload, "from"), sid=sid)
    return None


def build_transfer(transfer: Transfer) -> Element:
    """Write a transfer."""
    told = {
        "from": None if transfer.origin is None else str(transfer.origin),
        "sid": transfer.sid or None,
        "to": None if transfer.to is None else str(transfer.to),
    }
    return Element("transfer", NS_TRANSFER, told)


def build_transferred() -> Element:
    """Write the `detail` of a reason: one talks to somebody else now (XEP-0251 §2)."""
    return Element("transferred", NS_TRANSFER)


def _jid(payload: Element, name: str) -> Jid | None:
    text = payload.get(name)
    try:
        return Jid.parse(text) if text else None
    except JidError:
        raise BridgeError(Trouble.JID_MALFORMED) from None
