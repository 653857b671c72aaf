"""All chats of a gateway: whose a message is, and what is told of it (RFC 7573, RFC 7572)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from ipaddress import ip_address
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
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
from transports.sip.agent.transport import MAX_PER_HOST, Security
from transports.sip.agent.user_agent import UNKNOWN, Answer
from transports.sip.calls.party import ALLOW, Party, Stack
from transports.sip.common import Common
from transports.sip.config import SipConfig
from transports.sip.lines.routes import Route, Trunk
from transports.sip.lines.way import Way
from transports.sip.messages.content import Unsupported
from transports.sip.messages.pager import GRACE, Pager
from transports.sip.msrp.chat import Chat, State
from transports.sip.msrp.config import MsrpConfig
from transports.sip.msrp.connection import Connection, Connections
from transports.sip.msrp.cpim import read
from transports.sip.msrp.session import Arrived
from transports.sip.msrp.terms import PROTOCOLS, Terms, chat_of, next_hop, write_uri
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

    log = Logger()

    def __init__(
        self,
        config: SipConfig,
        msrp: MsrpConfig,
        stack: Stack,
        common: Common,
        security: Security,
        pager: Pager,
    ) -> None:
        self._stack, self._guard, self._uplink, self._pager = stack, common.guard, common.uplink, pager
        self._spellings, self._way, self._through = common.spellings, common.way, common.through
        self._host = config.advertised
        self._domain, self._config = config.domain, msrp
        self.limit, self.idle = msrp.max_message, float(msrp.idle)
        self.token = stack.means.token
        self._connections = Connections(
            stack.means.clock, security, self._chat, self._admits, config.max_connections + msrp.max_chats
        )
        self._chats: dict[str, Chat] = {}
        self._current: dict[Key, Chat] = {}
        self._of_user: Counter[UserId] = Counter()
        self._refused: OrderedDict[ContactId, float] = OrderedDict()
        self._passed: OrderedDict[MessageId, _Passed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._chats)

    def start(self) -> None:
        """Begin to listen. Raises CannotListenError, and ValueError or OSError for a bad certificate."""
        self._connections.listen(self._config.listen)

    def stop(self) -> Deferred[Any]:
        """End all chats, and close everything."""
        for chat in list(self._chats.values()):
            chat.end()
        return self._connections.stop()

    def end_of(self, user: UserId) -> bool:
        """End all chats of a user; False if there are none."""
        found = [chat for chat in self._chats.values() if chat.user == user]
        for chat in found:
            chat.end()
        return bool(found)

    @property
    def clock(self) -> Any:
        """The reactor, for its clock."""
        return self._stack.means.clock

    def _chat(self, id: str) -> Chat | None:
        return self._chats.get(id)

    def _admits(self, host: str, count: int) -> bool:
        is_trusted = self._guard.is_trusted(host)
        return is_trusted or (self._guard.may_reach(host) and count < MAX_PER_HOST)

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
        if kind == "message" or self._is_refused(contact) or self._is_full(user) is not None:
            return None
        chat = self._admit(user, contact, is_secure=kind == "msrps")
        self._current[user, contact] = chat
        chat.place(way, self._spellings.spelt(contact, way.uri), lambda way: self._party(chat, way))
        return chat

    def _is_refused(self, contact: ContactId) -> bool:
        return self._refused.get(contact, 0.0) > float(self.clock.seconds())

    def _is_full(self, user: UserId) -> int | None:
        """Return the status of one chat too many, None if there is room."""
        if self._of_user[user] >= self._config.max_chats_per_user:
            return 486
        return 503 if len(self._chats) >= self._config.max_chats else None

    def _admit(self, user: UserId, contact: ContactId, *, is_secure: bool) -> Chat:
        bound = self._connections.bound
        host, port = bound.get(is_secure) or next(iter(bound.values()))
        if self._host or ip_address(host).is_unspecified:
            host = self._host or self._domain
        id = self.token()
        chat = Chat(self, id, write_uri(host, port, id, is_secure=is_secure), user, contact)
        self._chats[id] = chat
        self._of_user[user] += 1
        return chat

    def _party(self, chat: Chat, way: Way) -> Deferred[Party]:
        async def find() -> Party:
            hops = await way.hops()
            return Party(self._stack, chat.heard, way.contact(hops[0]), way.client, hops)

        return Deferred.fromCoroutine(find())

    def type(self, user: UserId, contact: ContactId, state: TypingState) -> bool:
        """Show that the user is writing; False if there is no chat in which to."""
        chat = self._current.get((user, contact))
        if chat is not None:
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
        medium = chat_of(parse_sdp(request.body))
        is_secure = medium is not None and PROTOCOLS[medium.protocol]
        status = self._is_full(user) if is_secure in self._connections.bound else 488
        if status is not None:
            answer(respond(request, status, self.token()))
            return
        way = self._through(user, Route(uri=request.from_.uri, trunk=trunk))
        self._spellings.learn(contact, request.from_)
        chat = self._admit(user, contact, is_secure=is_secure)
        party = Party(self._stack, chat.heard, way.contact(hop), way.client, [hop])
        if not (party.take(request, answer) and chat.take(party, request.from_.uri, way.sender)):
            chat.end()
            return
        current = self._current.get((user, contact))
        if current is None or current.state is State.OPEN:
            self._current[user, contact] = chat
        self._refused.pop(contact, None)

    # ---- chats

    def connect(self, terms: Terms) -> Deferred[Connection]:
        """Connect to the next hop on the path to a peer. Fails if that may not or cannot be."""

        async def dial() -> Connection:
            trouble: Exception = BridgeError(Trouble.UNREACHABLE, UNKNOWN)
            for hop in await self._stack.means.locator.locate(next_hop(terms.path)):
                if self._guard.may_reach(hop.host):
                    try:
                        return await self._connections.dial(hop)
                    except Exception as error:  # refused, silent, no TLS, another's certificate
                        trouble = error
            raise trouble

        return Deferred.fromCoroutine(dial())

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
        self._uplink.deliver(
            chat.user, (DirectMessage(contact=chat.contact, nick=nick, body=Text(plain=said), id=id),)
        )
        if event.wants_success:
            self.clock.callLater(GRACE, self._report, id)

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

    def ended(self, chat: Chat, waiting: list[DirectMessage], *, is_refused: bool) -> None:
        """Forget a chat; what still waits goes by MESSAGE."""
        del self._chats[chat.id]
        self._of_user[chat.user] -= 1
        if not self._of_user[chat.user]:
            del self._of_user[chat.user]
        if self._current.get((chat.user, chat.contact)) is chat:
            del self._current[chat.user, chat.contact]
        if is_refused:
            self._refused[chat.contact] = self.clock.seconds() + REFUSED
            self._refused.move_to_end(chat.contact)
            if len(self._refused) > REMEMBERED:
                self._refused.popitem(last=False)
        for event in waiting:
            try:
                self._pager.say(chat.user, event)
            except BridgeError as error:
                self.tell(chat.user, Failed(ref=event.ref, error=error))
