"""Invitations: mediated (XEP-0045 §7.8.2) and direct (XEP-0249), out of the network and into it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import Decline, Invite, UserId
from bridge.network import ContactAddress, RoomAddress
from bridge.router import Request
from bridge.services.muc.context import Context, first_error, user_of
from bridge.services.muc.whom import Whom, has_members, whom
from bridge.xmpp.element import Element, escape, quote
from bridge.xmpp.jid import Jid, JidError, unescape
from bridge.xmpp.payloads.conference import parse_direct_invite
from bridge.xmpp.payloads.muc import NS_MUC_USER, MucInvite, build_invite, parse_invites
from bridge.xmpp.stanza import NS_COMPONENT

NOT_NICK = frozenset("@./")
"""Characters of a JID that is more than a nick: Biboumi's users invite by a bare nick too."""


class Invitations:
    """See the module's docstring."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # ---- from the client

    def message(self, request: Request) -> Deferred[Any] | None:
        """Take a message to a room if it is a mediated invitation, or the answer to one; None if not."""
        invites = parse_invites(request.element)
        if not invites:
            return None
        declined = next((one for one in invites if one.declined), None)
        if declined is not None:
            room, reason = request.room.room, declined.reason
            return self._context.submit_for_answer(
                user_of(request), lambda ref: Decline(room=room, reason=reason, ref=ref)
            )
        self._context.here(request)
        asked = [self._invite(request, invite) for invite in invites]
        return gatherResults(asked, consumeErrors=True).addErrback(first_error)

    def _invite(self, request: Request, invite: MucInvite) -> Deferred[None]:
        if NOT_NICK.isdisjoint(invite.jid):
            return self._ask(request, Whom(nick=invite.jid), request.room, invite.reason)
        network = self._context.network
        who = whom(invite.jid, self._context.domain, network)
        if who.local:
            raise BridgeError(Trouble.NOT_FOUND)
        if who.user is not None and not has_members(network, user_of(request), request.room.room):
            self._pass_on(request, who.user, invite)
            return succeed(None)
        return self._ask(request, who, request.room, invite.reason)

    def direct(self, request: Request) -> Deferred[Any] | None:
        """Take a message to a contact if it is a direct invitation to one of our rooms; None if it is not."""
        invite = parse_direct_invite(request.element)
        if invite is None or not isinstance(request.address, ContactAddress):
            return None
        try:
            jid = Jid.parse(invite.room)
        except JidError:
            raise BridgeError(Trouble.JID_MALFORMED) from None
        if jid.domain != self._context.domain:
            raise BridgeError(
                Trouble.NOT_ACCEPTABLE, "People here can be invited to rooms of this gateway only."
            )
        room = self._context.network.address(unescape(jid.local))
        if not isinstance(room, RoomAddress):
            raise BridgeError(Trouble.NOT_FOUND)
        return self._ask(request, Whom(contact=request.address.contact), room, invite.reason)

    def _ask(self, request: Request, who: Whom, room: RoomAddress, reason: str) -> Deferred[None]:
        return self._context.submit_for_answer(
            user_of(request),
            lambda ref: Invite(
                room=room.room, nick=who.nick, contact=who.contact, user=who.user, reason=reason, ref=ref
            ),
        )

    def _pass_on(self, request: Request, jid: str, invite: MucInvite) -> None:
        """Somebody elsewhere on XMPP is invited: the room tells him itself (§7.8.2)."""
        told = build_invite(
            MucInvite(jid=str(request.sender), reason=invite.reason, password=invite.password)
        )
        room = self._context.render.plain(request.room.room)
        self._context.router.send(Element("message", NS_COMPONENT, {"from": room, "to": jid}, told))

    # ---- from the network

    def invited(self, user: UserId, event: Invite, targets: list[bytes]) -> None:
        """Somebody asks the user in (§7.8.2)."""
        render = self._context.render
        room = render.room(event.room)
        reason = f"<reason>{escape(event.reason)}</reason>" if event.reason else ""
        password = f"<password>{escape(event.password)}</password>" if event.password else ""
        inviter = f"{room}/{quote(event.nick)}" if event.nick else room
        template = (
            f"<message from='{room}' to='\0'><x xmlns='{NS_MUC_USER}'>"
            f"<invite from='{inviter}'>{reason}</invite>{password}</x></message>"
        ).encode()
        self._context.write_to(user, targets, template)

    def declined(self, user: UserId, event: Decline, targets: Iterable[bytes]) -> None:
        """§7.8.2: whom the user had invited does not come."""
        render = self._context.render
        who = event.user or render.plain(event.contact or "")
        told = build_invite(MucInvite(jid=who, reason=event.reason, declined=True)).to_xml()
        template = f"<message from='{render.room(event.room)}' to='\0'>{told}</message>"
        self._context.write_to(user, targets, template.encode())
