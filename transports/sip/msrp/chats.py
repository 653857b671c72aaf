"""All chats of a gateway: whose a message is, and what is told of it (RFC 7573, RFC 7572)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from msgspec import Struct

from bridge.errors import BridgeError
from bridge.events import (
    ContactId,
    DirectMessage,
    Failed,
    MessageId,
    Sent,
    Text,
    Typing,
    TypingState,
    Undelivered,
    UserId,
)
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import Answer
from transports.sip.calls.party import ALLOW, Party
from transports.sip.common import Common
from transports.sip.lines.routes import Route, Trunk
from transports.sip.messages.content import Unsupported
from transports.sip.messages.pager import GRACE, Pager
from transports.sip.msrp.chat import Chat
from transports.sip.msrp.conversation import End, State
from transports.sip.msrp.cpim import read
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.session import Arrived
from transports.sip.msrp.terms import PROTOCOLS, chat_of
from transports.sip.status import status_of
from transports.sip.wire.message import Request, respond
from transports.sip.wire.sdp import parse_sdp
from transports.sip.wire.uri import Malformed

REMEMBERED = 5_000
"""Messages of which it is known whose they were, should they come back; and people who take no chats."""
REFUSED = 600.0
"""Seconds for which somebody who took no chat is not asked for one again."""

Key = tuple[UserId, ContactId]


class _Passed(Struct, frozen=True):
    """A message of a peer's that was passed on, and whether he wants to know if it is lost."""

    chat: Chat
    id: str
    length: int
    wants_failure: bool

    def report(self, status: int) -> None:
        """Tell him what became of it."""
        self.chat.report(self.id, self.length, status)


def is_chat(request: Request) -> bool:
    """Tell whether an INVITE wants a chat and nothing else."""
    try:
        offered = parse_sdp(request.body) if request.body else None
    except Malformed:
        return False
    return (
        offered is not None
        and chat_of(offered) is not None
        and not any(one.port and one.kind != "message" for one in offered.media)
    )


class Chats:
    """See the module's docstring. `way` and `through` are those of `SipNetwork`."""

    def __init__(
        self,
        exchange: Exchange,
        common: Common,
        pager: Pager,
    ) -> None:
        self._exchange, self._uplink, self._pager = exchange, common.uplink, pager
        self._spellings, self._way, self._through = common.spellings, common.way, common.through
        self._chats: set[Chat] = set()
        self._current: dict[Key, Chat] = {}
        self._refused: OrderedDict[ContactId, float] = OrderedDict()
        self._passed: OrderedDict[MessageId, _Passed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._chats)

    def end_of(self, user: UserId) -> bool:
        """End all chats of a user; False if there are none."""
        found = [chat for chat in self._chats if chat.user == user]
        for chat in found:
            chat.end()
        return bool(found)

    @property
    def _clock(self) -> Any:
        return self._exchange.clock

    # ---- users

    def say(self, user: UserId, event: DirectMessage) -> bool:
        """Say something in a chat; False if it has to go as MESSAGE. Raises BridgeError."""
        chat = self._current.get((user, event.contact))
        if chat is None:
            chat = self._begin(user, event.contact)
        if chat is None:
            return False
        chat.say(event)
        return True

    def _begin(self, user: UserId, contact: ContactId) -> Chat | None:
        way = self._way(user, contact)
        kind = way.trunk.config.chat if way.trunk is not None else "message"
        if kind == "message" or self._is_refused(contact) or self._exchange.full(user) is not None:
            return None
        chat = self._made(user, contact, is_secure=kind == "msrps")
        self._current[user, contact] = chat
        chat.place(way, self._spellings.spelt(contact, way.uri), way.author)
        return chat

    def _is_refused(self, contact: ContactId) -> bool:
        return self._refused.get(contact, 0.0) > float(self._clock.seconds())

    def _made(self, user: UserId, contact: ContactId, *, is_secure: bool) -> Chat:
        chat = Chat(self, self._exchange, user, contact, is_secure=is_secure)
        self._chats.add(chat)
        return chat

    def type(self, user: UserId, contact: ContactId, state: TypingState) -> bool:
        """Show that the user is writing, or end the chat as he is gone; False if there is none."""
        chat = self._current.get((user, contact))
        if chat is not None and state is TypingState.GONE:
            chat.leave()
        elif chat is not None:
            chat.type(state)
        return chat is not None

    def undelivered(self, event: Undelivered) -> bool:
        """Tell the peer that what he said came back; False if he said it elsewhere."""
        known = self._passed.pop(event.id, None)
        if known is None:
            return False
        if known.chat.state is State.OPEN and known.wants_failure:
            known.report(status_of(event.error))
        else:
            self._pager.tell_loss(known.chat.user, known.chat.contact, event.error)
        return True

    # ---- peers

    def receive(
        self,
        request: Request,
        hop: Hop,
        trunk: Trunk | None,
        user: UserId,
        contact: ContactId,
        answer: Answer,
    ) -> None:
        """Take an INVITE for a chat, which its sender may send."""
        way = self._through(user, Route(uri=request.from_.uri, trunk=trunk))
        chat, stack = self._offered(request, user, contact, answer), self._exchange.stack
        if chat is None:
            return
        party = Party(stack, chat.heard, way.contact(hop), way.client, [hop])
        is_taken = party.take(request, answer)
        if not (is_taken and chat.take(party, request.from_.uri, way.sender) and chat.accept()):
            chat.end()
            return
        current = self._current.get((user, contact))
        if current is None or current.state is State.OPEN:
            self._current[user, contact] = chat
        self._refused.pop(contact, None)

    def _offered(self, request: Request, user: UserId, contact: ContactId, answer: Answer) -> Chat | None:
        """Make the chat that an INVITE wants, or answer why there cannot be one."""
        medium = chat_of(parse_sdp(request.body))
        is_secure = medium is not None and PROTOCOLS[medium.protocol]
        status = self._exchange.full(user) if self._exchange.takes(is_secure=is_secure) else 488
        if status is not None:
            answer(respond(request, status, self._exchange.token()))
            return None
        self._spellings.learn(contact, request.from_)
        return self._made(user, contact, is_secure=is_secure)

    # ---- chats

    def tell(self, user: UserId, event: Sent | Failed) -> None:
        """Tell a user what became of his message."""
        self._uplink.deliver(user, (event,))

    def arrived(self, chat: Chat, event: Arrived) -> None:
        """Pass on what the peer says."""
        message = event.message
        try:
            said = read(message.content_type, message.body)
        except Unsupported as unsupported:
            if event.wants_failure:
                chat.report(message.id, len(message.body), unsupported.status)
            return
        if isinstance(said, TypingState):
            self._uplink.deliver(chat.user, (Typing(contact=chat.contact, state=said),))
        elif said.strip():
            self._pass(chat, event, said)

    def _pass(self, chat: Chat, event: Arrived, said: str) -> None:
        id = self._uplink.message_id()
        nick = self._spellings.name(chat.contact)
        self._passed[id] = _Passed(chat, event.message.id, len(event.message.body), event.wants_failure)
        if len(self._passed) > REMEMBERED:
            self._passed.popitem(last=False)
        message = DirectMessage(
            contact=chat.contact, nick=nick, body=Text(plain=said), thread=chat.thread, id=id
        )
        self._uplink.deliver(chat.user, (message,))
        if event.wants_success:
            self._clock.callLater(GRACE, self._report, id)

    def _report(self, id: MessageId) -> None:
        """What has not come back by now was delivered."""
        known = self._passed.get(id)
        if known is not None:
            known.report(200)

    def asked(self, chat: Chat, party: Party, request: Request) -> None:
        """Take a request in a chat's dialog."""
        if request.method == "MESSAGE":
            self._pager.receive(request, chat.user, chat.contact, party.taken(request))
        else:
            party.reply(request, 405, ALLOW)

    def ended(self, chat: Chat, waiting: list[DirectMessage], end: End) -> None:
        """Forget a chat; what still waits goes by MESSAGE. The user hears of its end by the peer."""
        self._chats.discard(chat)
        if self._current.get((chat.user, chat.contact)) is chat:
            del self._current[chat.user, chat.contact]
            if end.reasons is not None and not waiting:
                self._uplink.deliver(chat.user, (Typing(contact=chat.contact, state=TypingState.GONE),))
        if end.is_refused:
            self._refused[chat.contact] = self._clock.seconds() + REFUSED
            self._refused.move_to_end(chat.contact)
            if len(self._refused) > REMEMBERED:
                self._refused.popitem(last=False)
        for event in waiting:
            try:
                self._pager.say(chat.user, event)
            except BridgeError as error:
                self.tell(chat.user, Failed(ref=event.ref, error=error))
