"""IRC as a `bridge.network.Network`: a client for each user and server that he needs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.capabilities import Capabilities
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    ContactId,
    Depart,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Incoming,
    Message,
    NickRefused,
    NotEntered,
    Outgoing,
    Presence,
    RoomId,
    ServerId,
    UserId,
)
from bridge.events import Command as ServerCommand
from bridge.forms import Command
from bridge.network import (
    Address,
    ContactAddress,
    Identity,
    Query,
    RoomAddress,
    RoomList,
    Scope,
    ServerAddress,
    Uplink,
)
from transports.irc.address import Addresses
from transports.irc.capabilities import PLAIN
from transports.irc.client import IrcClient, Links
from transports.irc.commands import offered
from transports.irc.config import IrcConfig
from transports.irc.dialer import Dialer, Ends, Target, Turnstile, hostname_endpoints
from transports.irc.identd import Identd
from transports.irc.plan import Plan
from transports.irc.session import Answer, IrcSession
from transports.irc.settings import ServerSettings, settings_types
from transports.irc.shared import Shared
from transports.irc.timers import Timers
from transports.irc.window import Act

ASK_TIMEOUT = 30.0
"""Seconds in which a question is answered."""
ASK_LIMIT = 10_000
"""Questions that may wait for their answers, of all users together."""
STOP_TIMEOUT = 8.0
"""Seconds that servers get to let all users go."""
TURNSTILE_LIMIT = 10_000
"""Servers whose rate of connections is watched."""


def build_network(config: IrcConfig, reactor: Any) -> IrcNetwork:
    """Make the network with real connections, randomness and time."""
    dialer = Dialer(reactor, hostname_endpoints(reactor))
    return IrcNetwork(config, reactor, dialer, random.random, time.time, Identd(reactor))


class IrcNetwork:
    """See the module's docstring. `random` gives numbers from 0 to 1, `wall` seconds since the epoch."""

    log = Logger()
    keeps_history = False

    def __init__(
        self,
        config: IrcConfig,
        clock: IReactorTime,
        dialer: Dialer,
        random: Callable[[], float],
        wall: Callable[[], float],
        identd: Identd,
    ) -> None:
        self.plan = Plan(config)
        self.settings = settings_types(config)
        self.single_server = bool(config.fixed_server)
        self.media = None
        brand = f"{config.brand[0].upper()}{config.brand[1:]}"
        self.identity = Identity(type="irc", name=f"{brand} XMPP-IRC gateway", brand=brand)
        self._addresses = Addresses(config.fixed_server)
        self._clock = clock
        self._links = Links(
            clock=clock,
            wall=wall,
            random=random,
            timers=Timers(clock),
            dialer=dialer,
            turnstile=self._turnstile,
        )
        self._identd = identd
        self._uplink: Uplink
        self.deliver: Callable[[UserId, Sequence[Incoming]], None]
        self._clients: dict[UserId, dict[ServerId, IrcClient]] = {}
        self._client_count = 0
        self._presences: dict[UserId, Presence] = {}
        self._shared: WeakValueDictionary[ServerId, Shared] = WeakValueDictionary()
        self._turnstiles: dict[tuple[ServerId, str], Turnstile] = {}
        self._questions: dict[int, Deferred[Any]] = {}
        self._tokens = count(1)
        self._stopping: Deferred[None] | None = None
        self._held = False
        self._moved: dict[IrcClient, None] | None = None
        """The clients that something was submitted to in this burst; None outside of bursts."""

    # ---- life

    def start(self, uplink: Uplink) -> None:
        """Begin; the RFC 1413 responder listens from now on, if it is wanted."""
        self._uplink = uplink
        self.deliver = uplink.deliver
        if self.plan.config.identd_port:
            self._identd.listen(self.plan.config.identd_port, self._owner_of)

    def stop(self, reason: str) -> Deferred[None]:
        """Have every user quit; whoever does not get away in time is cut off."""
        if self._stopping is not None:
            return self._stopping
        stopping = self._stopping = Deferred()
        self._identd.stop()
        for client in list(self.clients()):
            client.quit(reason, Exit.SHUTDOWN)
        if not self._clients and not stopping.called:
            stopping.callback(None)
        if not stopping.called:
            cut = self._clock.callLater(STOP_TIMEOUT, self._cut_off)
            stopping.addBoth(lambda result: cut.cancel() if cut.active() else None)
        return stopping.addCallback(lambda _: self._links.timers.stop())

    def _cut_off(self) -> None:
        for client in list(self.clients()):
            client.abort()
        if self._stopping is not None and not self._stopping.called:
            self._stopping.callback(None)

    def reload(self, config: IrcConfig) -> None:
        """Use another configuration for what is connected from now on."""
        self.plan = Plan(config)
        self.settings = settings_types(config)
        self._turnstiles.clear()
        self._links.dialer.contexts.forget()

    def pause(self) -> None:
        """Read nothing from any server: the bridge cannot take more now."""
        self._held = True
        for client in self.clients():
            client.hold()

    def resume(self) -> None:
        """Read on."""
        self._held = False
        for client in self.clients():
            client.release()

    # ---- names

    def address(self, local: str) -> Address:
        """Read a JID's unescaped local part; BridgeError JID_MALFORMED if it is none of ours."""
        return self._addresses.parse(local)

    def meant(self, text: str) -> str:
        """Return what people write as an address: it is the local part."""
        return text

    def contact(self, room: RoomId, nick: str) -> ContactId:
        """Return who `nick` in `room` is outside it; BridgeError JID_MALFORMED if nobody can be."""
        contact = self._addresses.contact(nick, self._addresses.server_of(room))
        if not isinstance(self._addresses.parse(contact), ContactAddress):
            raise BridgeError(Trouble.JID_MALFORMED)
        return contact

    def nick(self, contact: ContactId) -> str:
        """Return the nick that a contact id stands for, in lower case."""
        return self._addresses.name_of(contact)

    def name(self, address: Address) -> str:
        """Return what people call it; Biboumi's ``#chan on irc.example.org``."""
        match address:
            case RoomAddress(room, server):
                return f"{self._addresses.name_of(room)} on {self.plan.name(server)}"
            case ContactAddress(contact):
                return self.nick(contact)
            case ServerAddress(server):
                return self.plan.name(server)
        return self.plan.config.fixed_server or self.identity.name

    # ---- what users want

    def submit(self, user: UserId, event: Outgoing) -> None:
        """Do what the user wants; only `Enter` makes a connection."""
        if isinstance(event, Presence):
            self._present(user, event)
            return
        client = self.client(user, self._server_of(event))
        if isinstance(event, Enter):
            self._enter(user, client, event)
        elif client is not None:
            client.submit(event)
        else:
            self._refuse(user, event)

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> None:
        """Nobody is a guest on XMPP."""

    @contextmanager
    def burst(self) -> Iterator[None]:
        """Have each client carry all that is submitted inside at once: one write, not one a message."""
        self._moved = {}
        try:
            yield
        finally:
            moved, self._moved = self._moved, None
            for client in moved:
                client.advance()

    def moved(self, client: IrcClient) -> None:
        """A client has something to carry on."""
        if self._moved is None:
            client.advance()
        else:
            self._moved[client] = None

    def _server_of(self, event: Outgoing) -> ServerId:
        if isinstance(event, ServerCommand):
            return event.server
        identity = getattr(event, "room", None) or getattr(event, "contact", None)
        return self._addresses.server_of(identity or RoomId(""))

    def _present(self, user: UserId, event: Presence) -> None:
        clients = self._clients.get(user)
        if clients:
            self._presences[user] = event
            for client in list(clients.values()):
                client.submit(event)

    def _enter(self, user: UserId, client: IrcClient | None, event: Enter) -> None:
        try:
            if client is None:
                client = self._connect(user, self._addresses.server_of(event.room), event.nick)
            self._check_room(client, event.room)
        except BridgeError as error:
            refusal = NotEntered(room=event.room, nick=event.nick, error=error)
            self._uplink.deliver(user, (refusal,))
        else:
            client.submit(event)

    def _check_room(self, client: IrcClient, room: RoomId) -> None:
        rooms = client.session.rooms
        if room not in rooms and len(rooms) >= self.plan.config.max_channels:
            raise BridgeError(
                Trouble.TOO_MANY, "You are in as many channels of this server as the gateway allows."
            )

    def _connect(self, user: UserId, server: ServerId, nick: str) -> IrcClient:
        config = self.plan.config
        if self._stopping is not None:
            raise BridgeError(Trouble.SHUTTING_DOWN)
        if len(self._clients.get(user, ())) >= config.max_servers:
            raise BridgeError(Trouble.TOO_MANY, "You are on as many servers as the gateway allows.")
        if self._client_count >= config.max_connections:
            raise BridgeError(Trouble.OVERLOADED)
        settings = self._server_settings(user, server)
        self.plan.target(server, settings)
        private = self.plan.is_private(server, settings)
        session = IrcSession(
            profile=self.plan.profile(user, server, nick, settings),
            server=server,
            shared=self._new_shared(server) if private else self._shared_of(server),
            ids=self._uplink.message_id,
            archive=_keep_nothing if private else self._uplink.archive,
            clock=self._clock.seconds,
            wall=self._links.wall,
        )
        client = IrcClient(
            user,
            server,
            session,
            owner=self,
            links=self._links,
            target=lambda: self._target(user, server),
            patience=config.patience,
        )
        self._clients.setdefault(user, {})[server] = client
        self._client_count += 1
        if self._held:
            client.hold()
        if user in self._presences:
            session.submit(self._presences[user])
        return client

    def _server_settings(self, user: UserId, server: ServerId) -> ServerSettings:
        settings = self._uplink.settings(user, Scope.SERVER, server)
        assert isinstance(settings, ServerSettings)
        return settings

    def _target(self, user: UserId, server: ServerId) -> Target:
        return self.plan.target(server, self._server_settings(user, server))

    def _shared_of(self, server: ServerId) -> Shared:
        shared = self._shared.get(server)
        if shared is None:
            shared = self._shared[server] = self._new_shared(server)
        return shared

    def _new_shared(self, server: ServerId) -> Shared:
        return Shared(self._addresses.suffix(server))

    def _turnstile(self, server: ServerId, host: str) -> Turnstile:
        key = (server, host.lower())
        turnstile = self._turnstiles.get(key)
        if turnstile is None:
            if len(self._turnstiles) >= TURNSTILE_LIMIT:
                self._turnstiles = {key: one for key, one in self._turnstiles.items() if not one.idle}
            config, preset = self.plan.config, self.plan.preset(server)
            rate = preset.connect_rate or config.connect_rate
            burst = preset.connect_burst or config.connect_burst
            turnstile = self._turnstiles[key] = Turnstile(self._clock, rate, burst)
        return turnstile

    def _refuse(self, user: UserId, event: Outgoing) -> None:
        """Answer what was meant for a server that the user is not on."""
        error = self._not_connected(self._server_of(event))
        answer: Incoming | None = None
        if isinstance(event, Depart):
            answer = Exited(room=event.room, nick="", exit=Exit.LEFT)
        elif isinstance(event, ChangeNick):
            answer = NickRefused(room=event.room, nick=event.nick, error=error)
        elif getattr(event, "ref", 0):
            answer = Failed(ref=event.ref, error=error)  # type: ignore[union-attr]
        if answer is not None:
            self._uplink.deliver(user, (answer,))

    def _not_connected(self, server: ServerId) -> BridgeError:
        return BridgeError(Trouble.NOT_CONNECTED, f"Not connected to IRC server {self.plan.name(server)}")

    # ---- what users ask

    def ask(self, user: UserId, query: Query) -> Deferred[Any]:
        """Put a question to a server that the user is on."""
        server = query.server if isinstance(query, RoomList) else self._server_of_query(query)
        client = self.client(user, server)
        if client is None:
            return fail(self._not_connected(server))
        if len(self._questions) >= ASK_LIMIT:
            return fail(BridgeError(Trouble.OVERLOADED))
        token = next(self._tokens)
        question: Deferred[Any] = Deferred()
        self._questions[token] = question
        question.addTimeout(ASK_TIMEOUT, self._clock, _timed_out)
        question.addBoth(self._forget, token)
        client.ask(query, token)
        return question

    def _server_of_query(self, query: object) -> ServerId:
        identity = getattr(query, "room", None) or getattr(query, "contact", None)
        return self._addresses.server_of(identity or RoomId(""))

    def _forget(self, result: Any, token: int) -> Any:
        self._questions.pop(token, None)
        return result

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        """Tell what can be carried there now."""
        client = None if room is None else self.client(user, self._addresses.server_of(room))
        return PLAIN if client is None else client.session.capabilities()

    def snapshot(self, user: UserId, room: RoomId) -> Entered | None:
        """Return the room as `user` sees it now; None if he is not in it."""
        client = self.client(user, self._addresses.server_of(room))
        return None if client is None else client.session.snapshot(room)

    def commands(self, address: Address) -> Sequence[Command]:
        """Return the ad-hoc commands offered at this address."""
        return offered(self, address)

    # ---- the clients, and what they report

    def clients(self) -> Iterator[IrcClient]:
        """Iterate over the clients of all users."""
        return (client for clients in self._clients.values() for client in clients.values())

    def client(self, user: UserId, server: ServerId) -> IrcClient | None:
        """Return the user's client for a server, if he has one."""
        clients = self._clients.get(user)
        return None if clients is None else clients.get(server)

    def _owner_of(self, ends: Ends) -> UserId | None:
        for client in self.clients():
            if client.connection is not None and client.connection.ends == ends:
                return client.user
        return None

    def users(self) -> Sequence[UserId]:
        """Return those who are on any server."""
        return list(self._clients)

    def clients_of(self, user: UserId) -> Mapping[ServerId, IrcClient]:
        """Return a user's clients by server."""
        return dict(self._clients.get(user, {}))

    def clients_in(self, user: UserId, room: RoomId) -> Sequence[str]:
        """Return the full JIDs of a user's XMPP clients that are in a room."""
        return self._uplink.clients(user, room)

    def disconnect(self, user: UserId, reason: str) -> bool:
        """Take the user off all servers; tell whether he was on any."""
        clients = self.clients_of(user)
        for client in clients.values():
            client.quit(reason)
        return bool(clients)

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self._links.wall()

    def answered(self, answer: Answer) -> None:
        """A question ended; perhaps nobody waits any more."""
        question = self._questions.pop(answer.token, None)
        if question is not None:
            failed = isinstance(answer.result, BridgeError)
            question.errback(Failure(answer.result)) if failed else question.callback(answer.result)

    def finished(self, client: IrcClient) -> None:
        """The user is done with that server."""
        clients = self._clients.get(client.user, {})
        if clients.get(client.server) is not client:
            return
        del clients[client.server]
        self._client_count -= 1
        if not clients:
            del self._clients[client.user]
            self._presences.pop(client.user, None)
        if self._stopping is not None and not self._clients and not self._stopping.called:
            self._stopping.callback(None)


def _keep_nothing(event: Act | Message) -> None:
    """Archive nothing of what a server of the user's own choosing says under a shared name."""


def _timed_out(result: Any, timeout: float) -> Any:
    if isinstance(result, Failure):
        result.trap(CancelledError)
        raise BridgeError(Trouble.TIMED_OUT)
    return result
