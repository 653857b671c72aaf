"""Roles and affiliations (XEP-0045 §8, §9, §10): who may do what is the network's to decide."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    Kick,
    NickChange,
    NickRefused,
    Occupant,
    OccupantChange,
    Role,
    SetAffiliation,
    SetRole,
    UserId,
)
from bridge.network import AffiliationList, ListedUser
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.services.muc.context import Context, first_error
from bridge.services.muc.occupancy import Occupancy
from bridge.services.muc.whom import Whom, has_members, whom
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.muc import NS_MUC, NS_MUC_ADMIN, MucItem, build_items, parse_items
from bridge.xmpp.stanza import NS_COMPONENT, error_reply


class Moderation:
    """The admin side of rooms, and what others see of it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_MUC_ADMIN, "query", self.show, Target.ROOM),
            iq_set(NS_MUC_ADMIN, "query", self.change, Target.ROOM),
        ]

    # ---- lists

    def show(self, request: Request) -> Element | Deferred[Element | None]:
        """§8.5, §9.5 and their like: those who have a role or an affiliation."""
        occupancy, _ = self._context.here(request)
        item = parse_items(request.payload)[0]
        if item.role is not None:
            return self._by_role(occupancy, item.role)
        if item.affiliation is None:
            raise BridgeError(Trouble.BAD_REQUEST)
        query = AffiliationList(occupancy.room, item.affiliation)
        return self._context.network.ask(occupancy.user, query).addCallback(self._listed)

    def _by_role(self, occupancy: Occupancy, role: Role) -> Element:
        seen = self._context.network.snapshot(occupancy.user, occupancy.room)
        if seen is None:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        everybody = {**seen.occupants, seen.me.nick: seen.me}
        return build_items(self._item(one) for one in everybody.values() if one.role is role)

    def _item(self, one: Occupant) -> MucItem:
        return MucItem(
            affiliation=one.affiliation,
            role=one.role,
            nick=one.nick,
            jid=one.user or self._context.render.address(one.address),
        )

    def _listed(self, rows: list[ListedUser]) -> Element:
        return build_items(
            MucItem(
                affiliation=row.affiliation,
                jid=row.user or self._context.render.address(row.address),
                nick=row.nick,
                reason=row.reason,
            )
            for row in rows
        )

    # ---- changes

    def change(self, request: Request) -> Deferred[Any]:
        """§8.2 to §8.5, §9, §10: each item is one change; the answer comes when all are done."""
        occupancy, _ = self._context.here(request)
        changes = [self._change(occupancy, item) for item in parse_items(request.payload)]
        return gatherResults(changes, consumeErrors=True).addCallbacks(lambda _: None, first_error)

    def _change(self, occupancy: Occupancy, item: MucItem) -> Deferred[None]:
        room, nick, reason = occupancy.room, item.nick, item.reason
        affiliation, role = item.affiliation, item.role
        if affiliation is not None:
            return self._affiliate(occupancy, self._whom(occupancy, item), affiliation, reason)
        if role is None or not nick:
            raise BridgeError(Trouble.BAD_REQUEST)
        if role is Role.NONE:
            return self._context.submit_for_answer(
                occupancy.user, lambda ref: Kick(room=room, nick=nick, reason=reason, ref=ref)
            )
        return self._context.submit_for_answer(
            occupancy.user, lambda ref: SetRole(room=room, nick=nick, role=role, reason=reason, ref=ref)
        )

    def _affiliate(
        self, occupancy: Occupancy, who: Whom, affiliation: Affiliation, reason: str
    ) -> Deferred[None]:
        return self._context.submit_for_answer(
            occupancy.user,
            lambda ref: SetAffiliation(
                room=occupancy.room,
                target=who.nick or who.local,
                contact=who.contact,
                user=who.user,
                affiliation=affiliation,
                reason=reason,
                ref=ref,
            ),
        )

    def _whom(self, occupancy: Occupancy, item: MucItem) -> Whom:
        """An occupant by his nick, or by a JID anybody whom the room can know, or a ban mask."""
        network = self._context.network
        if item.nick:
            return Whom(nick=item.nick)
        who = whom(item.jid, self._context.domain, network)
        if who.user is not None and not has_members(network, occupancy.user, occupancy.room):
            raise BridgeError(Trouble.NOT_FOUND)
        return who

    # ---- what becomes of the user himself

    def own(self, occupancy: Occupancy, event: NickChange | OccupantChange) -> None:
        """Note what the user is now."""
        occupancy.me = event.occupant
        if occupancy.nick != event.occupant.nick:
            occupancy.nick = event.occupant.nick
            for resource in occupancy.resources.values():
                resource.nick = occupancy.nick
                self._context.remember(occupancy, resource.full_jid)

    def nick_refused(self, user: UserId, event: NickRefused) -> None:
        """§7.6: the new nick is taken or not allowed."""
        occupancy = self._context.rooms.get(user, event.room)
        if occupancy is None:
            return
        room = self._context.render.plain(event.room)
        for resource in occupancy.resources.values():
            attributes = {"from": resource.full_jid, "to": f"{room}/{event.nick}"}
            reply = error_reply(
                Element("presence", NS_COMPONENT, attributes, Element("x", NS_MUC)), event.error
            )
            if reply is not None:
                self._context.router.send(reply)
