"""Short messages: MESSAGE to and from XMPP users (RFC 3428, RFC 7572).

A message from SIP is answered a moment after it was passed on: should it come back by then, its sender
gets the reason as a status, else 202. What comes back later he is told by a message.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ContactId,
    DirectMessage,
    Failed,
    Kind,
    MessageId,
    Sent,
    Text,
    Typing,
    TypingState,
    Undelivered,
    UserId,
)
from transports.sip.agent.user_agent import SILENT, VIA_ROOM, Answer
from transports.sip.common import Common
from transports.sip.messages.content import ACCEPT, Unsupported, about, composing, read, subject_of, words
from transports.sip.messages.turns import Turns
from transports.sip.status import status_of, trouble_of
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Fields, Request, respond, write
from transports.sip.wire.request import make

GRACE = 0.4
"""Seconds for which an answer is held back; less than T1, after which a request is sent again."""
HELD = 5_000
"""Messages whose answers are held back at a time; others are answered at once."""
REMEMBERED = 5_000
"""Messages of which it is known whose they were, should they come back later."""
PATIENCE = 60.0
"""Seconds for which a message may wait for its turn."""
COMPOSERS = 10_000
"""People of whom it is known that they want to know who writes."""
TOO_LONG = "This message is too long for SIP: at most about {limit} bytes can be carried."
UNDELIVERED = "Your message was not delivered: {reason}"


class Pager:
    """See the module's docstring. `way` tells how a user reaches a contact, or raises BridgeError."""

    log = Logger()

    def __init__(self, common: Common) -> None:
        self._agent, self._uplink = common.agent, common.uplink
        self._clock, self._token = common.clock, common.token
        self._spellings = common.spellings
        self._way = common.way
        self._turns = Turns()
        self._held: dict[MessageId, tuple[Request, Answer, Any]] = {}
        self._passed: OrderedDict[MessageId, tuple[UserId, ContactId]] = OrderedDict()
        self._composers: OrderedDict[ContactId, None] = OrderedDict()
        self._shown: set[tuple[UserId, ContactId]] = set()

    def stop(self) -> None:
        """Answer what is held back."""
        for id in list(self._held):
            self._accept(id)

    # ---- from XMPP

    def say(self, user: UserId, event: DirectMessage) -> None:
        """Send a message; the outcome is told later. Raises BridgeError if it cannot be sent."""
        text = f"/me {event.body.plain}" if event.kind is Kind.EMOTE else event.body.plain
        self._shown.discard((user, event.contact))
        fields, body = words(text)
        sending = self._send(user, event.contact, (*about(event.subject), *fields), body)
        sending.addCallbacks(
            lambda _: self._uplink.deliver(user, (Sent(ref=event.ref),)), self._failed, (), {}, (user, event)
        )

    def _failed(self, failure: Failure, user: UserId, event: DirectMessage) -> None:
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("a message could not be sent", failure)
            error = BridgeError(Trouble.INTERNAL)
        self._uplink.deliver(user, (Failed(ref=event.ref, error=error),))

    def type(self, user: UserId, contact: ContactId, state: TypingState) -> None:
        """Show that the user is writing, to who has shown it himself and waits for nothing else."""
        key, is_active = (user, contact), state is TypingState.COMPOSING
        if contact not in self._composers or is_active is (key in self._shown):
            return
        if not is_active:
            self._shown.discard(key)
        elif len(self._shown) < COMPOSERS:
            self._shown.add(key)
        if self._turns.is_free(str(self._way(user, contact).uri)):
            self._send(user, contact, *composing(state)).addErrback(self._unshown)

    def _unshown(self, failure: Failure) -> None:
        self.log.debug("not shown who writes: {reason}", reason=failure.getErrorMessage())

    def _send(self, user: UserId, contact: ContactId, fields: Fields, body: bytes) -> Deferred[None]:
        way = self._way(user, contact)
        uri = self._spellings.spelt(contact, way.uri)
        request = make(
            "MESSAGE",
            uri,
            way.author,
            NameAddr(uri=uri),
            self._token,
            fields=(*way.author_fields, *fields),
            body=body,
        )
        if len(write(request)) + VIA_ROOM > way.limit:
            room = max(way.limit - VIA_ROOM - len(write(request)) + len(body), 0)
            raise BridgeError(Trouble.TOO_LONG, TOO_LONG.format(limit=room))

        begun = self._clock.seconds()

        async def ask() -> None:
            if self._clock.seconds() - begun > PATIENCE:
                raise BridgeError(Trouble.TIMED_OUT, SILENT)
            response = await self._agent.request(request, await way.hops(), way.client)
            if not response.is_success:
                raise trouble_of(response)

        return self._turns.take(str(uri), lambda: Deferred.fromCoroutine(ask()))

    def undelivered(self, event: Undelivered) -> None:
        """What somebody said came back: answer it so, or tell him."""
        held = self._held.pop(event.id, None)
        known = self._passed.pop(event.id, None)
        if held is not None:
            request, answer, timer = held
            timer.cancel()
            answer(respond(request, status_of(event.error), self._token()))
        elif known is not None:
            self.tell_loss(*known, event.error)

    def tell_loss(self, user: UserId, contact: ContactId, why: BridgeError) -> None:
        """Tell somebody by a message that what he said was not delivered."""
        try:
            told = self._send(user, contact, *words(UNDELIVERED.format(reason=why.text)))
        except BridgeError as error:
            self.log.info("{contact} is not told of a loss: {error}", contact=contact, error=error.text)
        else:
            told.addErrback(self._unshown)

    # ---- from SIP

    def receive(self, request: Request, user: UserId, contact: ContactId, answer: Answer) -> None:
        """Pass on what somebody says."""
        try:
            said = read(request)
        except Unsupported as unsupported:
            answer(respond(request, unsupported.status, self._token(), ACCEPT))
            return
        self._spellings.learn(contact, request.from_)
        if isinstance(said, TypingState):
            self._remember_composer(contact)
            self._uplink.deliver(user, (Typing(contact=contact, state=said),))
            answer(respond(request, 200, self._token()))
        elif not (said.strip() or subject_of(request)):
            answer(respond(request, 200, self._token()))
        else:
            self._pass(request, said, user, contact, answer)

    def _pass(self, request: Request, said: str, user: UserId, contact: ContactId, answer: Answer) -> None:
        id = self._uplink.message_id()
        nick = self._spellings.name(contact)
        subject = subject_of(request)
        body = Text(plain=said if said.strip() else subject)
        message = DirectMessage(contact=contact, nick=nick, body=body, subject=subject, id=id)
        self._passed[id] = (user, contact)
        if len(self._passed) > REMEMBERED:
            self._passed.popitem(last=False)
        if len(self._held) < HELD:
            self._held[id] = (request, answer, self._clock.callLater(GRACE, self._accept, id))
        else:
            answer(respond(request, 202, self._token()))
        self._uplink.deliver(user, (message,))

    def _accept(self, id: MessageId) -> None:
        request, answer, timer = self._held.pop(id)
        if timer.active():
            timer.cancel()
        answer(respond(request, 202, self._token()))

    def _remember_composer(self, contact: ContactId) -> None:
        self._composers[contact] = None
        self._composers.move_to_end(contact)
        if len(self._composers) > COMPOSERS:
            self._composers.popitem(last=False)
