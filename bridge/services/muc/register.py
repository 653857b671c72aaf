"""Asking to be let into a closed room, and answering who asks (XEP-0045 §7.10, §9.9, XEP-0077)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import Affiliation, Invite, Knock, Outgoing, Ref, SetAffiliation, UserId
from bridge.forms import Field, FieldType, Form
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.services.muc.context import Context, room_of, user_of
from bridge.services.muc.whom import has_members, whom
from bridge.xmpp.element import Element, escape
from bridge.xmpp.payloads.forms import build_form, find_form, parse_values
from bridge.xmpp.payloads.muc import FORM_REGISTER

NS_REGISTER = "jabber:iq:register"
REASON, WHO, NICK, ALLOW = "x-reason", "x-jid", "muc#register_roomnick", "muc#register_allow"
ASKING = Form(
    title="Ask to be let in",
    instructions="Those who may invite you are told. You are invited if they agree.",
    fields=(Field(var=REASON, type=FieldType.TEXT_SINGLE, label="Why you want to come in"),),
)
TRUE = frozenset({"1", "true"})


class Registration:
    """See the module's docstring; being in is being registered."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_REGISTER, "query", self.show, Target.ROOM),
            iq_set(NS_REGISTER, "query", self.ask, Target.ROOM),
        ]

    # ---- who wants to come in

    def show(self, request: Request) -> Element:
        """§7.10: the form, or by which nick one is in already; UNSUPPORTED where nobody can ask."""
        self._check(request)
        seen = self._context.network.snapshot(user_of(request), room_of(request))
        if seen is not None:
            registered = Element("registered", NS_REGISTER)
            return Element(
                "query", NS_REGISTER, None, registered, Element("username", NS_REGISTER, None, seen.me.nick)
            )
        return Element("query", NS_REGISTER, None, build_form(ASKING, form_type=FORM_REGISTER))

    def ask(self, request: Request) -> Deferred[None] | None:
        """§7.10: the request goes to the room; the result says that it was taken, not that it is granted."""
        self._check(request)
        form = find_form(request.payload)
        if form is None:
            raise BridgeError(Trouble.BAD_REQUEST)
        if form.get("type") != "submit":
            return None
        reason = " ".join(parse_values(form).get(REASON, ()))
        return self._context.submit_for_answer(
            user_of(request), lambda ref: Knock(room=room_of(request), reason=reason, ref=ref)
        )

    def _check(self, request: Request) -> None:
        if not has_members(self._context.network, user_of(request), room_of(request)):
            raise BridgeError(Trouble.UNSUPPORTED)

    # ---- who may let in

    def knocked(self, user: UserId, event: Knock) -> None:
        """§9.9: tell somebody who may decide, with a form to answer by."""
        occupancy = self._context.rooms.get(user, event.room)
        if occupancy is None:
            return
        jid = event.user or self._context.render.plain(event.contact or "")
        words = f"{event.nick} ({jid}) asks to be let in."
        why = f" {event.reason}" if event.reason else ""
        form = Form(
            title="Request to be let in",
            instructions=f"{words}{why}",
            fields=(
                Field(var=WHO, type=FieldType.HIDDEN, values=(jid,)),
                Field(var=NICK, type=FieldType.TEXT_SINGLE, label="Nickname", values=(event.nick,)),
                Field(var=ALLOW, type=FieldType.BOOLEAN, label="Let this person in?", values=("0",)),
            ),
        )
        data = build_form(form, form_type=FORM_REGISTER).to_xml()
        room = self._context.render.room(event.room)
        template = f"<message from='{room}' to='\0'><body>{escape(words + why)}</body>{data}</message>"
        self._context.write(occupancy, template.encode())

    def answer(self, request: Request) -> Deferred[Any] | None:
        """§9.9: take the answer to such a form; None for a message that is none."""
        form = find_form(request.element, FORM_REGISTER)
        if form is None or form.get("type") != "submit":
            return None
        occupancy, _ = self._context.here(request)
        values = parse_values(form)
        who = whom("".join(values.get(WHO, ())[:1]), self._context.domain, self._context.network)
        if who.user is None and who.contact is None:
            raise BridgeError(Trouble.NOT_FOUND)
        room, allows = occupancy.room, TRUE.issuperset(values.get(ALLOW) or ("0",))

        def wish(ref: Ref) -> Outgoing:
            if allows:
                return Invite(room=room, contact=who.contact, user=who.user, ref=ref)
            return SetAffiliation(
                room=room, contact=who.contact, user=who.user, affiliation=Affiliation.NONE, ref=ref
            )

        return self._context.submit_for_answer(occupancy.user, wish)
