"""Matrix as a `bridge.network.Network`: an application service, with a ghost for each user."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from msgspec import structs
from nio.api import Api
from twisted.internet.defer import Deferred, DeferredList, TimeoutError, fail
from twisted.logger import Logger

from bridge.capabilities import Capabilities
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Attachment,
    ChangeNick,
    Configure,
    ContactId,
    Decline,
    Depart,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Enter,
    Entered,
    Exit,
    Exited,
    Incoming,
    Invite,
    Kick,
    Knock,
    Message,
    Outgoing,
    Presence,
    Profile,
    Reaction,
    Receipt,
    Retraction,
    RoomId,
    SetAffiliation,
    SetRole,
    Subscribe,
    Topic,
    Typing,
    Undelivered,
    Unsubscribe,
    UserId,
    VoiceRequest,
)
from bridge.forms import Command, Settings
from bridge.network import (
    Address,
    AffiliationList,
    AvatarQuery,
    ConfigurationQuery,
    ContactAddress,
    ContactQuery,
    HistoryPage,
    HistoryQuery,
    Identity,
    Photo,
    Query,
    RoomAddress,
    RoomInfo,
    RoomList,
    RoomQuery,
    Scope,
    Uplink,
)
from bridge.refusals import refusal
from transports.matrix.address import Addresses
from transports.matrix.appservice import ApplicationService
from transports.matrix.capabilities import ROOM
from transports.matrix.client import Homeserver
from transports.matrix.common import Common
from transports.matrix.config import MatrixConfig
from transports.matrix.content import Json, mapping, text
from transports.matrix.direct import Direct
from transports.matrix.directory import Directory
from transports.matrix.echoes import Echoes
from transports.matrix.gaps import Gaps
from transports.matrix.history import History, Reader
from transports.matrix.http import Http
from transports.matrix.ids import is_event_id, is_room_id
from transports.matrix.inbox import Inbox
from transports.matrix.knocks import Knocks
from transports.matrix.links import read_link
from transports.matrix.media import MatrixMedia
from transports.matrix.moderation import Moderation
from transports.matrix.names import name_of
from transports.matrix.outbox import Outbox
from transports.matrix.pictures import Pictures
from transports.matrix.ping import WORKING, Pings, Way
from transports.matrix.portal import Portal
from transports.matrix.portal_register import PortalRegister
from transports.matrix.portals import Portals
from transports.matrix.presence import Presences
from transports.matrix.profiles import Profiles
from transports.matrix.remains import Remains
from transports.matrix.room import Room
from transports.matrix.rooms import Rooms
from transports.matrix.rules import Rules
from transports.matrix.session import RoomSession
from transports.matrix.settings import GatewaySettings, RoomSettings, ServerSettings
from transports.matrix.stays import Stays
from transports.matrix.submission import Submissions
from transports.matrix.thirdparty import ThirdParty
from transports.matrix.voice import VoiceRequests
from transports.matrix.whispers import Whispers

STOP_TIMEOUT = 8.0
"""Seconds that ghosts get to leave their rooms."""
ASK_PATIENCE = 20.0
"""Seconds that a question is tried; the homeserver's own timeout may be shorter."""
ASK_TIMEOUT = 30.0
"""Seconds in which a question is answered."""


def build_network(config: MatrixConfig, reactor: Any) -> MatrixNetwork:
    """Make the network with real connections, randomness and time."""
    http = Http(reactor, config.timeout)
    homeserver = Homeserver(config.homeserver, config.as_token.reveal(), http, reactor, random.random)
    return MatrixNetwork(config, reactor, homeserver, random.random)


class MatrixNetwork:
    """See the module's docstring. `jitter` returns a random number from 0 to 1."""

    log = Logger()
    identity = Identity(type="matrix", name="Matrix gateway", brand="Matrix")
    single_server = True
    keeps_history = True
    settings: Mapping[Scope, type[Settings]] = {
        Scope.GATEWAY: GatewaySettings,
        Scope.SERVER: ServerSettings,
        Scope.ROOM: RoomSettings,
    }

    def __init__(
        self, config: MatrixConfig, clock: Any, homeserver: Homeserver, jitter: Callable[[], float]
    ) -> None:
        self._config = config
        self._clock = clock
        self._homeserver = homeserver
        self._addresses = Addresses(config.server_name, config.prefix)
        self._rules = Rules(config)
        self._directory = Directory(homeserver, self._addresses, clock.seconds)
        self._history = History(homeserver)
        self.media = MatrixMedia(
            config.homeserver, config.as_token.reveal(), homeserver, clock, self._addresses.ghost
        )
        self._pings = Pings(homeserver, config.id, clock, jitter, self._outage)
        homeserver.lost = self._pings.doubt
        self._stays = Stays()
        self._uplink: Uplink
        self._rooms: Rooms
        self._register: PortalRegister
        self._portals: Portals
        self.inbox: Inbox
        self._gaps: Gaps
        self._knocks: Knocks
        self._echoes: Echoes
        self._submissions: Submissions
        self._moderation = Moderation(homeserver, self._addresses, self._answer)
        self._web: ApplicationService | None = None
        self._stopping: Deferred[None] | None = None

    # ---- life

    def start(self, uplink: Uplink) -> None:
        """Listen to the homeserver, and tell it that we are here."""
        config, self._uplink = self._config, uplink
        ids, clock, server = self._addresses, self._clock, self._homeserver
        self._pictures = pictures = Pictures(server)
        common = Common(server, ids, clock, uplink, self._rules, pictures, config.bot, config.patience)
        register = self._register = PortalRegister(common)
        self._portals = Portals(common, register, self._bring, self._unsaid)
        self._whispers = Whispers(
            ids, uplink, self._rules, self._portals.portal, self._portals.fresh, self.submit
        )
        self._presences = Presences(
            server,
            ids,
            clock,
            uplink,
            config.presences,
            lambda user_id, away: self._rooms.show(user_id, away),
        )
        elsewhere, away = register.muc, self._presences.away
        self._knocks = Knocks(server, ids, self._directory, self._rules, uplink)
        self._profiles = Profiles(server, ids, pictures, uplink)
        self._echoes = Echoes(clock)
        self._rooms = Rooms(common, self._stays, self._knocks.explained, elsewhere, away, self._echoes.hear)
        self._remains = Remains(
            server, ids, uplink, lambda user, room: room in self._stays.by_user.get(user, {})
        )
        self._submissions = Submissions(
            server,
            Outbox(server, config.patience, clock.seconds),
            self._answer,
            uplink.message_id,
            self._bring,
            uplink.repeatable,
            self._echoes,
        )
        self._direct = Direct(common, self._submissions, self._whispers, self._rooms.release)
        self._voice = VoiceRequests(ids, uplink, clock.seconds, self._direct.submit)
        self._portals.start()
        self._submissions.resume(uplink.unanswered())
        self.inbox = Inbox(uplink, self._hear, self._overhear, config.max_waiting, clock.seconds)
        self._gaps = Gaps(server, clock, self.inbox, self._places, self._announce)
        # what we do not know of may have been forgotten while we were not there
        self._gaps.expect()
        self.inbox.start()
        self._web = ApplicationService(
            config.hs_token.reveal(),
            config.max_transaction,
            self._receive,
            register.has_alias,
            self._direct.exists,
            ThirdParty(self._addresses).answer,
            self._pings.doubt,
        )
        self._web.listen(self._clock, config.listen_host, config.listen_port)
        self._pings.start()
        self.media.start()

    def _bring(self, ghost: str, attachment: Attachment) -> Deferred[Attachment | None]:
        return self.media.bring(ghost, attachment, self._uplink)

    def _unsaid(self, portal: Portal, nick: str, text: str, error: BridgeError) -> None:
        self._whispers.unsaid(portal, nick, text, error)

    def stop(self, reason: str) -> Deferred[None]:
        """Take everybody out; the ghosts of those who stay in a room without clients stay there."""
        if self._stopping is None:
            self._stopping = Deferred.fromCoroutine(self._stop(reason))
        return self._stopping

    async def _stop(self, reason: str) -> None:
        leaving = [
            self._rooms.leave(stay, reason, Exit.SHUTDOWN, stays=self._is_persistent(stay.user, stay.room))
            for stay in self._stays.all()
        ]
        left = DeferredList(leaving, consumeErrors=True)
        # cutting off what is not done in time makes it fire
        await left.addTimeout(STOP_TIMEOUT, self._clock)
        self._rooms.stop()
        self._echoes.stop()
        self._portals.stop()
        self._presences.stop()
        self._pings.stop()
        self._gaps.stop()
        if self._web is not None:
            await self._web.stop()
        await self.media.close()
        await self._homeserver.close()

    def _outage(self, way: Way) -> None:
        """Something broke, or works again: tell the operator, and everybody in a room what comes of it."""
        self._uplink.trouble("" if way in WORKING else way.value)
        self._echoes.is_pushing = way in WORKING
        if way in WORKING:
            self._gaps.look()
        elif way is Way.NOT_THERE:
            self._gaps.expect()
        else:
            self._gaps.go_on()
        if way is Way.NOT_THERE or way in WORKING:
            self._rooms.outage(way is Way.NOT_THERE)

    def _is_persistent(self, user: UserId, room: RoomId) -> bool:
        own = self._uplink.settings(user, Scope.ROOM, room)
        general = self._uplink.settings(user, Scope.GATEWAY, "")
        return any(getattr(settings, "persistent", False) for settings in (own, general))

    def reload(self, config: Any) -> None:
        """Put new rules in force: who may not be in a room any more is put out."""
        self._rules.apply(config)
        self._rooms.enforce()

    def pause(self) -> None:
        """Let the homeserver wait."""
        self.inbox.hold(self)

    def resume(self) -> None:
        """Take in what waits."""
        self.inbox.go_on(self)

    # ---- names

    def address(self, local: str) -> Address:
        """Read a JID's unescaped local part; BridgeError JID_MALFORMED if it is none of ours."""
        return self._addresses.parse(local)

    def meant(self, text: str) -> str:
        """Return the local part of an address, or of whom or what a link to Matrix leads to."""
        link = read_link(text)
        if link is None:
            return text
        return self._addresses.contact(link.id) if link.is_person else self._addresses.room(link.id, link.via)

    def contact(self, room: RoomId, nick: str) -> ContactId:
        """Return who `nick` in `room` is outside it; BridgeError NO_SUCH_NICK if he is not there."""
        session = self._stays.by_address.get(room)
        user_id = None if session is None else session.room.user(nick)
        if user_id is not None:
            return self._addresses.contact(user_id)
        raise BridgeError(Trouble.NO_SUCH_NICK)

    def nick(self, contact: ContactId) -> str:
        """Return what a user is called who has no display name."""
        return name_of("", self._addresses.user_id(contact))

    def name(self, address: Address) -> str:
        """Return what people call it: a room's name if it is known, else its id on Matrix."""
        match address:
            case RoomAddress(room=room):
                session = self._stays.by_address.get(room)
                known = session.room.name if session is not None and session.ready else ""
                return known or self._directory.name(room) or self._addresses.target(room).id
            case ContactAddress(contact=contact):
                return self._addresses.user_id(contact)
        return self._config.server_name

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        """Tell what can be carried; it is the same in every room."""
        return ROOM

    # ---- what the homeserver tells

    def _receive(self, id: str, events: Sequence[bytes], ephemeral: Sequence[bytes]) -> Deferred[None]:
        if self._gaps.is_expecting:
            # it is there again, though our last ping did not find it
            self._gaps.hurry()
            self._pings.hurry()
        return self.inbox.receive(id, events, ephemeral)

    def _announce(self, room: str, words: str) -> None:
        """Tell all of ours who are in a room something, or everybody in the room of XMPP that it is."""
        portal = self._portals.of(room)
        if portal is not None:
            self._whispers.announce(portal, words)
        session = self._stays.sessions.get(room)
        for user, events in session.announce(words) if session is not None else ():
            self._uplink.deliver(user, events)

    def _places(self) -> Mapping[str, str]:
        """Return the rooms of ours, with a user of ours who is in."""
        places = dict.fromkeys(self._register.rooms, self._config.bot)
        for user in self._uplink.owners():
            ghost = self._addresses.ghost(user) if user else ""
            places |= {key: ghost for key in self._uplink.memory(user) if ghost and is_room_id(key)}
        return {**places, **self._direct.rooms()}

    def _hear(self, event: Json) -> Deferred[None] | None:
        """A room may be a conversation for one of our users, and for another one a room."""
        if self._portals.has(event):
            return self._portals.hear(event)
        if not self._direct.concerns(event):
            return self._rooms.hear(event)
        hearing = self._direct.hear(event)
        if event.get("room_id") not in self._stays.sessions:
            return hearing
        return hearing.addCallback(lambda _: self._rooms.hear(event))

    def _overhear(self, event: Json) -> None:
        if event.get("type") == "m.presence":
            self._presences.hear(event)
        elif self._portals.has(event):
            self._portals.overhear(event)
        else:
            self._direct.overhear(event)
            self._rooms.overhear(event)

    # ---- what users want

    def submit(self, user: UserId, event: Outgoing) -> None:
        """Do what the user wants; what cannot be done is answered at once."""
        try:
            self._do(user, event)
        except BridgeError as error:
            answer = refusal(event, error)
            if answer is not None:
                self._whispers.deliver(user, (answer,))

    def _do(self, user: UserId, event: Outgoing) -> None:
        match event:
            case Enter():
                self._rooms.enter(user, event)
            case Depart(room=room, reason=reason):
                self._depart(user, room, reason)
            case Knock() | Decline():
                self._knocks.submit(user, event)
            case VoiceRequest(room=room, ref=ref):
                self._voice.ask(*self._stays.find(user, room), ref)
            case Profile(avatar=avatar):
                self._profiles.wear(user, avatar)
            case SetRole() | SetAffiliation() | Configure() | Invite():
                self._moderation.submit(*self._stays.find(user, event.room), event)
            case Typing() | Receipt():
                self._accompany(user, event)
            case DirectMessage() | DirectReaction() | DirectRetraction():
                self._direct.submit(user, event)
            case Undelivered():
                self._direct.undelivered(user, event)
            case Presence():
                self._presences.show(user, event)
            case Subscribe(contact=contact):
                self._presences.subscribe(user, contact)
            case Unsubscribe(contact=contact):
                self._presences.unsubscribe(user, contact)
            case Message() | Topic() | Reaction() | Retraction() | Kick() | ChangeNick():
                stay, session = self._stays.find(user, event.room)
                self._submissions.submit(stay, session, event)
            case _:
                raise BridgeError(Trouble.UNSUPPORTED)

    def _accompany(self, user: UserId, event: Typing | Receipt) -> None:
        if isinstance(event, Typing):
            self._type(user, event)
        else:
            self._read(user, event)

    def _type(self, user: UserId, event: Typing) -> None:
        if event.contact is not None:
            self._direct.type(user, event)
        elif event.room is not None:
            self._submissions.type(*self._stays.find(user, event.room), event)

    def _read(self, user: UserId, event: Receipt) -> None:
        if event.contact is not None:
            self._direct.read(user, event)
        elif event.room is not None and is_event_id(event.id):
            stay, session = self._stays.find(user, event.room)
            self._submissions.read(stay.ghost, session.id, event.id)

    def _depart(self, user: UserId, room: RoomId, reason: str) -> None:
        stay = self._stays.get(user, room)
        if stay is None:
            self._remains.clear(user, room, reason)
            self._uplink.deliver(user, (Exited(room=room, nick="", exit=Exit.LEFT, reason=reason),))
        else:
            self._rooms.leave(stay, reason)

    def _answer(self, user: UserId, event: Incoming) -> None:
        self._whispers.deliver(user, (event,))

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> None:
        """Take what happened, in order, to somebody of Matrix who is a guest on XMPP."""
        self._portals.heard(guest, tuple(self._whispers.heard(guest, events)))

    def burst(self) -> AbstractContextManager[None]:
        """Requests are sent as they come."""
        return nullcontext()

    # ---- what users ask

    def ask(self, user: UserId, query: Query) -> Deferred[Any]:
        """Answer from what we see, or ask the homeserver."""
        try:
            asking = self._ask(user, query)
        except BridgeError as error:
            return fail(error)
        asking.addTimeout(ASK_TIMEOUT, self._clock)
        return asking.addErrback(_timed_out)

    def _ask(self, user: UserId, query: Query) -> Deferred[Any]:
        match query:
            case HistoryQuery():
                return Deferred.fromCoroutine(self._remember(user, query))
            case RoomQuery(room=room):
                return self._describe(room)
            case RoomList():
                return self._directory.page(query)
            case ConfigurationQuery(room=room):
                found = self._moderation.configurations.ask(*self._stays.find(user, room))
                return Deferred.fromCoroutine(found)
            case AffiliationList(room=room, affiliation=affiliation):
                listing = self._moderation.listed(*self._stays.find(user, room), affiliation)
                return Deferred.fromCoroutine(listing)
            case ContactQuery(contact=contact):
                return Deferred.fromCoroutine(self._profiles.info(contact))
            case AvatarQuery(contact=contact) if contact is not None:
                return Deferred.fromCoroutine(self._profiles.photo(contact))
            case AvatarQuery(room=room) if room is not None:
                return Deferred.fromCoroutine(self._room_photo(room))
        raise BridgeError(Trouble.UNSUPPORTED)

    async def _remember(self, user: UserId, query: HistoryQuery) -> HistoryPage:
        target, session = self._addresses.target(query.room), self._stays.by_address.get(query.room)
        ghost = self._addresses.ghost(user)
        stay = self._stays.get(user, query.room)
        if session is not None and stay is not None and stay.inside:
            reader = Reader(ghost, session.id, session.room, session.heard)
        else:
            id = target.id if target.id.startswith("!") else await self._resolve(target.id)
            reader = Reader(ghost, id, Room(query.room, self._addresses, self._uplink.link), strange=True)
        if not self._rules.may_enter(user, target.id, reader.id, *filter(None, (reader.room.alias,))):
            raise BridgeError(Trouble.NOT_ALLOWED)
        return await self._history.page(query, reader)

    def _resolve(self, alias: str) -> Deferred[str]:
        asked = self._homeserver.api(Api.room_resolve_alias(alias), patience=ASK_PATIENCE)
        return asked.addCallback(lambda answer: text(mapping(answer), "room_id"))

    async def _room_photo(self, room: RoomId) -> Photo:
        session = self._stays.by_address.get(room)
        is_seen = session is not None and session.ready
        mxc = session.room.avatar if session and is_seen else await self._directory.avatar(room)
        return await self._pictures.photo(mxc)

    def _describe(self, room: RoomId) -> Deferred[RoomInfo]:
        session = self._stays.by_address.get(room)
        if session is not None and session.ready:
            return Deferred.fromCoroutine(self._describe_inside(room, session))
        return Deferred.fromCoroutine(self._directory.describe(room))

    async def _describe_inside(self, room: RoomId, session: RoomSession) -> RoomInfo:
        public = await self._moderation.configurations.is_public(session.id)
        return structs.replace(_info(room, session.room), public=public)

    def snapshot(self, user: UserId, room: RoomId) -> Entered | None:
        """Return the room as `user` sees it now; None if he is not in it."""
        try:
            stay, session = self._stays.find(user, room)
        except BridgeError:
            return None
        return session.entered(stay)

    def users(self) -> Sequence[UserId]:
        """Return who is in any room, or on the way in."""
        return list(self._stays.by_user)

    def disconnect(self, user: UserId, reason: str) -> bool:
        """Take the user out of every room."""
        stays = list(self._stays.by_user.get(user, {}).values())
        for stay in stays:
            self._rooms.leave(stay, reason)
        return bool(stays)

    def commands(self, address: Address) -> Sequence[Command]:
        """There are none beside the generic ones."""
        return ()


def _info(room: RoomId, seen: Room) -> RoomInfo:
    topic = "" if seen.topic is None else seen.topic.text
    return RoomInfo(
        room=room,
        name=seen.name,
        description=topic,
        occupants=len(seen.members),
        closed=seen.is_closed,
        knocking=seen.is_knocking,
    )


def _timed_out(failure: Any) -> Any:
    if failure.check(TimeoutError):
        raise BridgeError(Trouble.TIMED_OUT)
    return failure
