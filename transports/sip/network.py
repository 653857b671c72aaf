"""SIP as a `bridge.network.Network`: calls, messages and presence between two, and conferences by text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from random import Random, SystemRandom
from secrets import token_bytes
from time import time
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, fail, succeed
from twisted.logger import Logger

from bridge.calls import CallEnd, CallEvent, CallOffer, CallTransfer, Ending
from bridge.capabilities import Capabilities
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    ContactId,
    Depart,
    DirectMessage,
    Enter,
    Entered,
    Incoming,
    Invite,
    Message,
    Outgoing,
    Presence,
    PresenceConsent,
    Profile,
    Receipt,
    RoomId,
    ServerId,
    Subscribe,
    Typing,
    Undelivered,
    Unsubscribe,
    UserId,
)
from bridge.forms import Command, Settings
from bridge.network import (
    Address,
    CallQuery,
    ClientVersion,
    ContactAddress,
    ContactInfo,
    ContactPing,
    ContactQuery,
    ContactVersion,
    GatewayAddress,
    Identity,
    Query,
    RoomAddress,
    RoomInfo,
    RoomList,
    RoomPage,
    RoomQuery,
    Scope,
    Uplink,
)
from bridge.refusals import refusal
from transports.sip.address import Spellings, contact_uri, is_number, meant, parse_contact
from transports.sip.agent.bound import Bound, dns_of, token
from transports.sip.agent.guard import Guard
from transports.sip.agent.locate import Locator, Resolver
from transports.sip.agent.security import Certificates
from transports.sip.agent.transport import listen_all
from transports.sip.agent.user_agent import ALLOW, Agent
from transports.sip.calls.calls import NO_MEDIA, Calls
from transports.sip.calls.party import ALLOW as CALLS_ALLOW
from transports.sip.calls.party import Stack
from transports.sip.calls.quotas import Quotas
from transports.sip.calls.records import CallLog
from transports.sip.capabilities import carried
from transports.sip.common import Common
from transports.sip.conferences.conferences import Conferences, Wish, is_conference
from transports.sip.conferences.focus import Focus
from transports.sip.config import SipConfig
from transports.sip.dialogs.session_timer import Policy
from transports.sip.lines.accounts import Accounts
from transports.sip.lines.callerid import shown_at
from transports.sip.lines.line import Line
from transports.sip.lines.lines import Lines
from transports.sip.lines.routes import Route, Routes, Trunk, read_trunks
from transports.sip.lines.vault import Vault
from transports.sip.lines.way import Way
from transports.sip.media.backend import MediaBackend
from transports.sip.media.choice import MakeBackend, backend_of
from transports.sip.messages.pager import Pager
from transports.sip.msrp.chats import Chats
from transports.sip.msrp.exchange import Exchange
from transports.sip.presence.people import People
from transports.sip.reception import Reception
from transports.sip.settings import GatewaySettings, NoSettings
from transports.sip.status import trouble_of
from transports.sip.trace import Traces
from transports.sip.tracing import Tracing
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Response
from transports.sip.wire.request import make
from transports.sip.wire.uri import Uri

ASK_TIMEOUT = 25.0
"""Seconds in which a question is answered."""
MAX_ANSWER = 100
"""Characters of what a client says of itself."""


def build_network(config: SipConfig, reactor: Any) -> SipNetwork:
    """Make the network with real connections, randomness and time."""
    return SipNetwork(
        config, reactor, dns_of(config, reactor), SystemRandom(), backend_of(config, reactor), time
    )


class SipNetwork:
    """See the module's docstring.

    `backend` makes what carries the media of calls; without it there are none. `wall` is the time of day.
    """

    log = Logger()
    identity = Identity(type="simple", name="SIP gateway", brand="SIP")
    single_server = True
    keeps_history = False
    media = None
    settings: Mapping[Scope, type[Settings]] = {
        Scope.GATEWAY: GatewaySettings,
        Scope.SERVER: NoSettings,
        Scope.ROOM: NoSettings,
    }

    def __init__(
        self,
        config: SipConfig,
        reactor: Any,
        resolver: Resolver,
        random: Random,
        backend: MakeBackend | None,
        wall: Callable[[], float],
    ) -> None:
        self._config, self._reactor, self._random = config, reactor, random
        self._resolver, self._wall = resolver, wall
        self._backend = backend(self._tell_trouble) if backend is not None else None
        self._guard = Guard(config, reactor.seconds)
        self._routes = Routes(config, read_trunks(config))
        self._spellings = Spellings()
        self._certificates = Certificates(config)
        self._agent = Agent(
            reactor, self._guard, self._certificates, self._serve, token, config.max_connections
        )
        self._calls: Calls | None = None
        self._traces = Traces(reactor.seconds, wall)
        self._tracing = Tracing(self._traces)
        self._exchange: Exchange | None = None
        self._chats: Chats | None = None
        self._conferences: Conferences | None = None
        self._focus: Focus | None = None
        self._call_log = CallLog(config.call_log)
        self._uplink: Uplink
        self._common: Common
        self._pager: Pager
        self._people: People
        self._reception: Reception
        self._lines: Lines
        self._accounts: Accounts

    # ---- life

    def start(self, uplink: Uplink) -> None:
        """Listen, and go to the trunks. Raises CannotListenError, and ValueError for a bad certificate."""
        self._uplink = uplink
        self.bound = bound = Bound(self._config, listen_all(self._agent.transports, self._config.listen))
        self._agent.sent_by = bound.sent_by
        self._common = common = Common(
            agent=self._agent,
            locator=Locator(
                self._resolver,
                self._random,
                bound.transports,
                bound.families,
                self._agent.transports.named,
            ),
            guard=self._guard,
            clock=self._reactor,
            random=self._random,
            token=token,
            contact_of=bound.contact,
            uplink=uplink,
            spellings=self._spellings,
            way=self._way,
            through=self._through,
        )
        self._pager, self._people = Pager(common), People(common)
        self._reception = Reception(
            common, self._pager, self._people, self._routes, bound.hosts, self._config.domain
        )
        if self._backend is not None or self._config.msrp is not None:
            self._start_dialogs(common)
        self._lines = Lines(self._routes, self._guard, self._people, self._line)
        self._reception.is_gruu = self._lines.is_gruu
        key = self._config.account_key
        vault = Vault(key, token_bytes) if key is not None else None
        self._accounts = Accounts(self._config, common, self._lines, self._routes, vault)
        self._agent.gone = self._lines.lost
        self._lines.start()
        self._accounts.start()

    def _line(self, trunk: Trunk) -> Line:
        allow = ALLOW if self._calls is None and self._chats is None else CALLS_ALLOW
        return Line(trunk, self._common, self._changed, self._config.domain, allow)

    def _start_dialogs(self, common: Common) -> None:
        """Begin to carry calls and chats. Raises what `_start_calls` and `Exchange.start` do."""
        stack = Stack(common, Policy())
        self._reception.dialogs = stack
        self._agent.acknowledged, self._agent.cancelled = stack.acknowledged, stack.cancelled
        if self._backend is not None:
            self._start_calls(self._backend, stack, common)
        if self._config.msrp is not None:
            self._exchange = Exchange(self._config, self._config.msrp, stack, self._certificates)
            self._chats = self._reception.chats = Chats(self._exchange, common, self._pager)
            self._conferences = self._reception.conferences = Conferences(
                self._exchange, common, self._config.domain, self._is_conference
            )
            self._focus = self._reception.focus = Focus(
                self._exchange,
                common,
                self._pager,
                self._config.domain,
                self.capabilities(UserId(""), None),
            )
            self._exchange.start()

    def _start_calls(self, backend: MediaBackend, stack: Stack, common: Common) -> None:
        """Begin to carry calls. Raises OSError if the file of their records cannot be opened."""
        self._call_log.start()
        backend.start()
        self._calls = Calls(
            self._config,
            stack,
            common,
            backend,
            self._call_log,
            Quotas(self._uplink, self._wall),
            self._pager.receive,
            self._wall,
            self._traces,
        )
        self._reception.calls = self._calls
        self._agent.seen = self._traces.message

    def stop(self, reason: str) -> Deferred[None]:
        """Take the registrations back and close everything."""
        return Deferred.fromCoroutine(self._stop(reason))

    async def _stop(self, reason: str) -> None:
        self._pager.stop()
        if self._calls is not None:
            self._calls.stop()
        if self._conferences is not None:
            self._conferences.stop(reason)
        if self._focus is not None:
            self._focus.stop()
        if self._exchange is not None:
            await self._exchange.stop()
        self._people.stop()
        await self._lines.stop(self._reactor)
        await self._agent.stop()
        if self._backend is not None:
            await self._backend.stop()
        self._call_log.stop()

    def reload(self, config: Any) -> None:
        """Put new rules in force."""
        self._config = config
        self._guard.apply(config)
        self._routes.apply(config)
        self._lines.apply(read_trunks(config))
        self._accounts.apply(config)
        self._tell_trouble()
        self._people.look_again()
        if self._calls is not None:
            self._calls.apply(config)

    def pause(self) -> None:
        """Answer messages by 503 for now."""
        self._reception.is_paused = True

    def resume(self) -> None:
        """Take messages again."""
        self._reception.is_paused = False

    def _serve(self, *arguments: Any) -> None:
        self._reception.serve(*arguments)

    def _changed(self, line: Line, reason: str) -> None:
        """A trunk can be used, or no longer."""
        name = line.trunk.name
        if line.trunk.is_personal:
            self._accounts.heard(line, reason)
            return
        if line.is_up:
            self.log.info("the trunk {name} answers", name=name)
        else:
            self.log.warn("the trunk {name} is out of reach: {reason}", name=name, reason=reason)
        self._tell_trouble()
        self._people.look_again()

    def _tell_trouble(self) -> None:
        down = self._lines.down
        words = [
            f"out of reach: {', '.join(down)}" if down else "",
            self._backend.trouble if self._backend else "",
        ]
        self._uplink.trouble("; ".join(filter(None, words)))

    # ---- names

    def address(self, local: str) -> Address:
        """Read a JID's unescaped local part; BridgeError JID_MALFORMED if it is none of ours."""
        if not local:
            return GatewayAddress()
        contact = parse_contact(local)
        if self._is_conference(contact):
            return RoomAddress(RoomId(contact), ServerId(""))
        return ContactAddress(contact, ServerId(""))

    def _is_conference(self, contact: str) -> bool:
        return self._config.msrp is not None and is_conference(contact, self._config.conferences)

    def meant(self, text: str) -> str:
        """Return the contact whom people mean by what they write."""
        return meant(text, self._routes.has_number)

    def contact(self, room: RoomId, nick: str) -> ContactId:
        """Return how somebody in a conference is written to: through it, whoever he is."""
        if not self._is_conference(room):
            raise BridgeError(Trouble.JID_MALFORMED)
        return ContactId(room)

    def nick(self, contact: ContactId) -> str:
        """Return what somebody calls himself, or his number or address."""
        return self._spellings.name(contact) or str(contact)

    def name(self, address: Address) -> str:
        """Return what people call it."""
        if isinstance(address, RoomAddress):
            return str(address.room)
        return str(address.contact) if isinstance(address, ContactAddress) else self._config.domain

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        """Tell what can be carried; it is the same for everybody."""
        return carried(has_calls=self._backend is not None, has_sessions=self._config.msrp is not None)

    # ---- what users want

    def submit(self, user: UserId, event: Outgoing) -> None:
        """Do what the user wants; what cannot be done is answered at once."""
        try:
            self._do(user, event)
        except BridgeError as error:
            answer = refusal(event, error)
            if answer is not None:
                self._uplink.deliver(user, (answer,))

    def _do(self, user: UserId, event: Outgoing) -> None:
        if isinstance(event, CallEvent | CallTransfer):
            self._call(user, event)
            return
        match event:
            case Enter() | Depart() | ChangeNick() | Message() | Invite() | DirectMessage(room=str()):
                self._confer(user, event)
            case DirectMessage():
                if self._chats is None or not self._chats.say(user, event):
                    self._pager.say(user, event)
            case Typing(contact=contact) if contact is not None:
                if self._chats is None or not self._chats.type(user, contact, event.state):
                    self._pager.type(user, contact, event.state)
            case Undelivered():
                if self._chats is None or not self._chats.undelivered(event):
                    self._pager.undelivered(event)
            case Subscribe(contact=contact):
                self._people.subscribe(user, contact)
            case Unsubscribe(contact=contact):
                self._people.unsubscribe(user, contact)
            case PresenceConsent(contact=contact, granted=granted):
                self._people.consent(user, contact, granted=granted)
            case Presence():
                self._people.show(user, event)
            case Profile() | Receipt() | Typing():
                """SIP is told none of it."""
            case _:
                raise BridgeError(Trouble.UNSUPPORTED)

    def _confer(self, user: UserId, wish: Wish) -> None:
        if self._conferences is None:
            raise BridgeError(Trouble.UNSUPPORTED)
        self._conferences.submit(user, wish)

    def _call(self, user: UserId, event: CallEvent | CallTransfer) -> None:
        if self._calls is not None:
            self._calls.submit(user, event)
        elif isinstance(event, CallOffer):
            end = CallEnd(call=event.call, ending=Ending.UNSUPPORTED_APPLICATIONS, text=NO_MEDIA)
            self._uplink.deliver(user, (end,))

    def _way(self, user: UserId, contact: ContactId) -> Way:
        return self._through(user, self._routes.route(user, contact))

    def _through(self, user: UserId, route: Route) -> Way:
        trunk = route.trunk
        wish = self._uplink.settings(user, Scope.GATEWAY, "")
        assert isinstance(wish, GatewaySettings)
        shown = shown_at(trunk, user, route.uri, self._config.domain, wish)
        if trunk is None:
            return Way(route, shown, None, self._common, is_trunks=self._guard.is_trusted)
        return Way(route, shown, self._lines[trunk.name], self._common)

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> None:
        """Take what happened, in order, to somebody of SIP who is in a room of XMPP."""
        if self._focus is not None:
            self._focus.heard(guest, events)

    def burst(self) -> AbstractContextManager[None]:
        """Requests are sent as they come."""
        return nullcontext()

    # ---- what users ask

    def ask(self, user: UserId, query: Query) -> Deferred[Any]:
        """Answer from what we know, or ask the contact by OPTIONS."""
        match query:
            case ContactQuery(contact=contact):
                return succeed(self._info(contact))
            case RoomQuery(room=room):
                return succeed(RoomInfo(room=room, name=str(room)))
            case RoomList():
                return succeed(RoomPage(rooms=(), total=0, complete=True))
            case ContactPing(contact=contact):
                return self._options(user, contact).addCallback(lambda response: None)
            case ContactVersion(contact=contact):
                return self._options(user, contact).addCallback(_version)
            case CallQuery() if self._calls is not None:
                return self._calls.query(user, query)
        return fail(BridgeError(Trouble.NOT_FOUND))

    def _info(self, contact: ContactId) -> ContactInfo:
        uri = f"tel:{contact}" if is_number(contact) else str(self._spelt(contact))
        return ContactInfo(nick=self.nick(contact), name=self._spellings.name(contact), address=uri)

    def _spelt(self, contact: ContactId) -> Uri:
        return self._spellings.spelt(contact, contact_uri(contact))

    def _options(self, user: UserId, contact: ContactId) -> Deferred[Response]:
        """RFC 3261 §11: whoever answers by another status than 2xx may be there, but does not say so."""

        async def ask() -> Response:
            way = self._way(user, contact)
            uri = self._spellings.spelt(contact, way.uri)
            request = make(
                "OPTIONS", uri, NameAddr(uri=way.sender), NameAddr(uri=uri), token, fields=way.route
            )
            response = await self._agent.request(request, await way.hops(), way.client)
            if not response.is_success:
                raise trouble_of(response)
            return response

        asking = Deferred.fromCoroutine(ask())
        asking.addTimeout(ASK_TIMEOUT, self._reactor)
        return asking.addErrback(_timed_out)

    def snapshot(self, user: UserId, room: RoomId) -> Entered | None:
        """Return a conference as the user sees it; None if he is not in it."""
        return None if self._conferences is None else self._conferences.snapshot(user, room)

    def users(self) -> Sequence[UserId]:
        """Return whose accounts are registered now, and who is in a conference."""
        owners = [UserId(owner) for owner in self._lines.owners]
        members = self._conferences.users() if self._conferences is not None else []
        return list(dict.fromkeys([*owners, *members]))

    def disconnect(self, user: UserId, reason: str) -> bool:
        """End the user's calls and chats, and take him out of conferences: he has no other links."""
        had_chats = self._chats is not None and self._chats.end_of(user)
        was_in = self._conferences is not None and self._conferences.end_of(user, reason)
        return (self._calls is not None and self._calls.end_of(user, reason)) or had_chats or was_in

    def commands(self, address: Address) -> Sequence[Command]:
        """Return what users do with their own accounts, and how calls are traced."""
        if not isinstance(address, GatewayAddress):
            return ()
        return (*self._accounts.commands(), *(self._tracing.commands() if self._calls is not None else ()))


def _version(response: Response) -> ClientVersion:
    said = response.get("User-Agent") or response.get("Server") or ""
    name, _, version = said[:MAX_ANSWER].partition("/")
    return ClientVersion(name=name or "unknown", version=version)


def _timed_out(failure: Any) -> Any:
    if failure.check(TimeoutError):
        raise BridgeError(Trouble.TIMED_OUT)
    return failure
