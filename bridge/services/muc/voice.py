"""Asking for voice in a moderated room, and granting it (XEP-0045 §7.13, §8.6)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import Role, SetRole, UserId, VoiceRequest
from bridge.router import Request
from bridge.services.muc.context import Context
from bridge.xmpp.element import escape
from bridge.xmpp.payloads.voice import build_approval, is_request, parse_answer


class Voice:
    """See the module's docstring."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def message(self, request: Request) -> Deferred[Any] | None:
        """Take a message to a room if it asks for voice, or answers who does; None if it does not."""
        answer = parse_answer(request.element)
        if answer is None and not is_request(request.element):
            return None
        occupancy, _ = self._context.here(request)
        user, room = occupancy.user, occupancy.room
        if answer is None:
            return self._context.submit_for_answer(user, lambda ref: VoiceRequest(room=room, ref=ref))
        if not answer.allows:
            # §8.6: it is just passed over
            return succeed(None)
        nick = answer.nick
        if not nick:
            raise BridgeError(Trouble.BAD_REQUEST)
        return self._context.submit_for_answer(
            user, lambda ref: SetRole(room=room, nick=nick, role=Role.PARTICIPANT, ref=ref)
        )

    def requested(self, user: UserId, event: VoiceRequest) -> None:
        """§8.6: tell somebody who may decide, with a form to answer by."""
        occupancy = self._context.rooms.get(user, event.room)
        seen = self._context.network.snapshot(user, event.room)
        asking = None if seen is None else seen.occupants.get(event.nick)
        if occupancy is None or asking is None:
            return
        render = self._context.render
        jid = asking.user or render.address(asking.address)
        words = f"{event.nick}{f' ({jid})' if jid else ''} asks to be allowed to speak."
        form = build_approval(event.nick, jid, words).to_xml()
        room = render.room(event.room)
        template = f"<message from='{room}' to='\0'><body>{escape(words)}</body>{form}</message>"
        self._context.write(occupancy, template.encode())
