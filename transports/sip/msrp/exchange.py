"""All conversations by MSRP that a gateway has, and the sockets that carry them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from transports.sip.agent.transport import MAX_PER_HOST, Security
from transports.sip.agent.user_agent import UNKNOWN
from transports.sip.calls.party import Heard, Party, Stack
from transports.sip.config import SipConfig
from transports.sip.lines.way import Way
from transports.sip.msrp.config import MsrpConfig
from transports.sip.msrp.connection import Connection, Connections
from transports.sip.msrp.terms import Terms, next_hop, write_uri

if TYPE_CHECKING:
    from transports.sip.msrp.conversation import Conversation


class Exchange:
    """See the module's docstring. An owner is whom a conversation counts for: a user, or a room's guest."""

    def __init__(self, config: SipConfig, msrp: MsrpConfig, stack: Stack, security: Security) -> None:
        self.stack, self._guard = stack, stack.means.guard
        self._host, self._domain, self._config = config.advertised, config.domain, msrp
        self.limit, self.idle = msrp.max_message, float(msrp.idle)
        self.token = stack.means.token
        self._connections = Connections(
            stack.means.clock, security, self._found, self._admits, config.max_connections + msrp.max_chats
        )
        self._conversations: dict[str, Conversation] = {}
        self._of_owner: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._conversations)

    def start(self) -> None:
        """Begin to listen. Raises CannotListenError, and ValueError or OSError for a bad certificate."""
        self._connections.listen(self._config.listen)

    def stop(self) -> Deferred[Any]:
        """End all that is left, and close everything."""
        for one in list(self._conversations.values()):
            one.end()
        return self._connections.stop()

    @property
    def clock(self) -> Any:
        """The reactor, for its clock."""
        return self.stack.means.clock

    def _found(self, id: str) -> Conversation | None:
        return self._conversations.get(id)

    def _admits(self, host: str, count: int) -> bool:
        is_trusted = self._guard.is_trusted(host)
        return is_trusted or (self._guard.may_reach(host) and count < MAX_PER_HOST)

    # ---- who there is

    def takes(self, *, is_secure: bool) -> bool:
        """Tell whether we listen for connections of this kind."""
        return is_secure in self._connections.bound

    def full(self, owner: str) -> int | None:
        """Return the status of one conversation too many, None if there is room."""
        if self._of_owner[owner] >= self._config.max_chats_per_user:
            return 486
        return 503 if len(self._conversations) >= self._config.max_chats else None

    def enrol(self, conversation: Conversation, *, is_secure: bool) -> tuple[str, str]:
        """Take one in; return the name by which it is found, and our URI of MSRP that ends with it."""
        bound = self._connections.bound
        host, port = bound.get(is_secure) or next(iter(bound.values()))
        if self._host or ip_address(host).is_unspecified:
            host = self._host or self._domain
        id = self.token()
        self._conversations[id] = conversation
        self._of_owner[conversation.owner] += 1
        return id, write_uri(host, port, id, is_secure=is_secure)

    def drop(self, conversation: Conversation) -> None:
        """It is over."""
        del self._conversations[conversation.id]
        self._of_owner[conversation.owner] -= 1
        if not self._of_owner[conversation.owner]:
            del self._of_owner[conversation.owner]

    # ---- ways to peers

    def party(self, heard: Callable[[Party, Heard], None], way: Way) -> Deferred[Party]:
        """Make the party that asks a peer for a conversation. Fails if there is no way to him."""

        async def find() -> Party:
            hops = await way.hops()
            return Party(self.stack, heard, way.contact(hops[0]), way.client, hops)

        return Deferred.fromCoroutine(find())

    def connect(self, terms: Terms) -> Deferred[Connection]:
        """Connect to the next hop on the path to a peer. Fails if that may not or cannot be."""

        async def dial() -> Connection:
            trouble: Exception = BridgeError(Trouble.UNREACHABLE, UNKNOWN)
            for hop in await self.stack.means.locator.locate(next_hop(terms.path)):
                if self._guard.may_reach(hop.host):
                    try:
                        return await self._connections.dial(hop)
                    except Exception as error:  # refused, silent, no TLS, another's certificate
                        trouble = error
            raise trouble

        return Deferred.fromCoroutine(dial())
