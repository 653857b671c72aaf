"""UPDATE in a dialog whose INVITE is not answered yet (RFC 3311 §5.2)."""

from __future__ import annotations

from collections.abc import Callable

from transports.sip.dialogs.dialog import Dialog
from transports.sip.dialogs.offer import Negotiation, OfferState
from transports.sip.wire.message import Fields, Request, Response, respond
from transports.sip.wire.sdp import SDP_TYPE, parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed

PAUSE = 10
"""Seconds after which, at the latest, to come again where something else is under way."""


def answer_update(
    update: Request, dialog: Dialog, negotiation: Negotiation, fields: Fields, chance: Callable[[], float]
) -> Response:
    """Return the answer: without an offer it says where the peer is now, with one it waits or is refused.

    What is agreed on already is said again; anything else the user would have to be asked about, who rings or
    is rung. `chance` gives numbers from 0 to 1.
    """
    if dialog.is_out_of_order(update):
        return respond(update, 500)
    try:
        dialog.refresh_target(update)
        offer = parse_sdp(update.body) if update.body else None
    except Malformed:
        return respond(update, 488 if update.body else 400)
    if offer is None:
        return respond(update, 200, "", fields)
    if negotiation.state is OfferState.OFFERED:
        return respond(update, 491)
    if negotiation.local is None or negotiation.remote is None:
        return respond(update, 500, "", (("Retry-After", str(int(chance() * (PAUSE + 1)))),))
    if offer == negotiation.remote:
        return respond(update, 200, "", (*fields, SDP_TYPE), write_sdp(negotiation.local))
    return respond(update, 504)
