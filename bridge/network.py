"""THE contract between the bridge and a network; a network is one folder under ``transports/``.

One `Network` object serves one gateway domain. Every user has an own identity on the network
(a puppet); the bridge names him by `UserId`. All calls are made on the reactor's thread and
return at once. What a network learns it hands to `Uplink.deliver`; one tuple of events may be
delivered to many users, and delivering *the same tuple object* lets the bridge render it once.

Rules that a network keeps:

* each `Enter` is answered by `Entered` or `NotEntered`, each `Ref` by `Sent` (``last=True``) or
  `Failed`, within a bounded time, whatever happens to the link; a `Failed` after a `Sent` reports
  that the far side turned out not to have taken it;
* after `Entered` come only changes; after `Exited` or `NotEntered` nothing of that room;
* a link that breaks and comes back within the network's patience is no `Exited`: the network
  says so by a `RoomNotice`, and answers with a new `Entered` when it is in again;
* everything it keeps for a user is bounded.

The other way round, people of the network act on XMPP as *guests*: `Uplink.act` and `Network.heard` mirror
`Network.submit` and `Uplink.deliver`, and the bridge keeps the same rules. There, a `RoomId` is the prepared
bare JID of a room anywhere on XMPP, nicks are resourceparts, and a `ContactId` is a JID: that of an occupant,
``room/nick``, in a `DirectMessage` with `room`. What everybody in a room sees is told to one guest only, the
room's listener, whoever that is at the time; each guest is told what concerns himself: `Entered`,
`NotEntered`, `Exited`, `NickRefused`, his own `NickChange` and `OccupantChange`, `Sent`, `Failed`, `Invite`,
and what is said to him alone. What guests of this network say and do comes back by `Sent` (of a message with
what the room saw, so with its id) and by no other event, and they are not among the occupants. The `nick` of
an incoming `Invite` is the inviter's JID; who may take back what another said (`Retraction`) is not checked.
A `DirectMessage` or `Invite` is `Sent` when it has left, and `Failed` if it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from bridge.capabilities import Capabilities
from bridge.events import (
    ContactId,
    Entered,
    Incoming,
    Message,
    MessageId,
    Outgoing,
    Reaction,
    Ref,
    Retraction,
    RoomId,
    ServerId,
    UserId,
)
from bridge.forms import Command, Settings
from bridge.media import Media as Media
from bridge.media import MediaStore as MediaStore
from bridge.queries import AffiliationList as AffiliationList
from bridge.queries import AvatarQuery as AvatarQuery
from bridge.queries import CallQuery as CallQuery
from bridge.queries import ClientVersion as ClientVersion
from bridge.queries import ConfigurationQuery as ConfigurationQuery
from bridge.queries import ContactInfo as ContactInfo
from bridge.queries import ContactPing as ContactPing
from bridge.queries import ContactQuery as ContactQuery
from bridge.queries import ContactTime as ContactTime
from bridge.queries import ContactVersion as ContactVersion
from bridge.queries import HistoryPage as HistoryPage
from bridge.queries import HistoryQuery as HistoryQuery
from bridge.queries import ListedUser as ListedUser
from bridge.queries import PastEvent as PastEvent
from bridge.queries import Photo as Photo
from bridge.queries import Query as Query
from bridge.queries import RoomConfiguration as RoomConfiguration
from bridge.queries import RoomInfo as RoomInfo
from bridge.queries import RoomList as RoomList
from bridge.queries import RoomPage as RoomPage
from bridge.queries import RoomQuery as RoomQuery
from bridge.queries import Tombstone as Tombstone

# ---- addresses


class GatewayAddress(Struct, frozen=True):
    """The gateway itself: no local part."""


class ServerAddress(Struct, frozen=True):
    """A server of the network, e.g. ``irc.example.org@gw``."""

    server: ServerId


class RoomAddress(Struct, frozen=True):
    """A room, e.g. ``#chan%irc.example.org@gw``; a resource names an occupant."""

    room: RoomId
    server: ServerId


class ContactAddress(Struct, frozen=True):
    """A person, e.g. ``nick%irc.example.org@gw``."""

    contact: ContactId
    server: ServerId


Address = GatewayAddress | ServerAddress | RoomAddress | ContactAddress

# ---- the two sides


class Scope(Enum):
    """What a user's settings apply to."""

    GATEWAY = "gateway"
    SERVER = "server"
    ROOM = "room"


class Identity(Struct, frozen=True, kw_only=True):
    """How disco presents the gateway (XEP-0030 registrar: category ``gateway``, `type`).

    `brand` begins the gateway's own remarks to users ("Biboumi note: …").
    """

    type: str
    name: str
    brand: str = "Gateway"


class Uplink(Protocol):
    """What a network sees of the bridge."""

    def deliver(self, user: UserId, events: Sequence[Incoming]) -> None:
        """Hand over what happened to `user`, in order; what is of calls never together with other things."""

    def act(self, guest: ContactId, event: Outgoing) -> None:
        """Have somebody of the network do this in a room of XMPP; the outcome comes by `Network.heard`."""

    def look(self, room: RoomId) -> Deferred[RoomInfo]:
        """Ask what a room of XMPP, a bare JID, is (XEP-0045 §6.4); NO_SUCH_ROOM if it is none."""

    def photo(self, user: UserId, id: str) -> Deferred[Photo | None]:
        """Ask for the user's picture whose SHA-1 is `id`; None if it cannot be had within a minute or so."""

    def face(self, guest: ContactId, occupant: ContactId, id: str) -> Deferred[Photo | None]:
        """Ask as a guest, who is in the room, for the picture of an occupant; otherwise as `photo`."""

    def message_id(self) -> MessageId:
        """Return a fresh id for a message; ids grow with time and never repeat."""

    def archive(self, event: Message | Reaction | Retraction) -> None:
        """Keep what was said or done in a room; call once for each, however many users see it.

        See `Network.keeps_history`.
        """

    def clients(self, user: UserId, room: RoomId) -> Sequence[str]:
        """Return the full JIDs of the user's clients that are in the room."""

    def settings(self, user: UserId, scope: Scope, key: str) -> Settings:
        """Return `user`'s settings for the server or room named `key` ("" for the gateway).

        They are of the type that `Network.settings` gives for `scope`, defaults filled in.
        """

    def save_settings(self, user: UserId, scope: Scope, key: str, settings: Settings) -> None:
        """Replace them; durable within the store's commit interval."""

    def link(self, name: str, filename: str) -> str:
        """Return where anybody can fetch what the network's `media` calls `name`; "" without a web server.

        A link works for some time, and is another one later; `filename` ends it.
        """

    def linked(self, url: str) -> str | None:
        """Return the `name` that `link` was given, if this is such a link and still works."""

    def fetch(self, url: str) -> Deferred[Media]:
        """Begin to fetch the file behind a link that a user gave, where the operator allows it.

        Its size is known, and at most what he allows. Fails with BridgeError within half a minute.
        """

    def memory(self, user: UserId) -> Mapping[str, bytes]:
        """Return what the network asked to remember of `user`, by key."""

    def remember(self, user: UserId, key: str, value: bytes | None) -> None:
        """Keep a small value over restarts; None forgets it."""

    def trouble(self, words: str) -> None:
        """Tell the operator what is broken for the network as a whole, "" when nothing is any more."""

    def owners(self) -> Iterator[UserId]:
        """Iterate over the users of whom anything is remembered."""

    def repeatable(self, ref: Ref, data: bytes) -> Deferred[None] | None:
        """Keep by what the network goes on with an outgoing message after a crash, until it is answered.

        For what is done once only, however often it is tried; of the rest the sender is told that it may
        be lost. Begin when it fires, which it always does; None: at once. A `Ref` never repeats, not over
        restarts either.
        """

    def unanswered(self) -> Sequence[tuple[UserId, Ref, bytes]]:
        """Hand over, once, what was `repeatable` and not answered when the bridge ended, oldest first.

        Each is to be answered now, as always.
        """

    def keep(self, data: bytes) -> int:
        """Keep what the network pushed to us until `done`; TOO_LONG above 256 KiB, STORE_FULL.

        Return its number, which grows with time. Many may be kept before one `durable`; how many are
        kept at all the network bounds.
        """

    def durable(self) -> Deferred[None]:
        """Fire when all that was kept, done or remembered before is committed; STORE_FULL, OVERLOADED."""

    def done(self, number: int) -> None:
        """Forget it: its consequences are on their way."""

    def kept(self) -> Sequence[tuple[int, bytes]]:
        """Hand over, once, what was kept and not done when the bridge ended, oldest first."""


class Network(Protocol):
    """An adapter to one kind of foreign network, serving one gateway domain."""

    identity: Identity
    settings: Mapping[Scope, type[Settings]]
    single_server: bool
    """True when there is one server only, `ServerId` "": the gateway's own JID stands for it."""
    keeps_history: bool
    """True when the network itself remembers what was said: `HistoryQuery` asks it, nothing is archived."""

    @property
    def media(self) -> MediaStore | None:
        """Where its files are; None for a network that has none of its own."""

    def start(self, uplink: Uplink) -> None:
        """Begin; called once, before anything else."""

    def stop(self, reason: str) -> Deferred[None]:
        """Leave politely; fires when every link is closed, within ten seconds."""

    def address(self, local: str) -> Address:
        """Read a JID's unescaped local part; BridgeError JID_MALFORMED if it is none of ours."""

    def meant(self, text: str) -> str:
        """Return the local part that people mean who write an address: itself, or what a link leads to.

        BridgeError JID_MALFORMED for a link to what no JID can name.
        """

    def contact(self, room: RoomId, nick: str) -> ContactId:
        """Return who `nick` in `room` is outside it; JID_MALFORMED or NO_SUCH_NICK if nobody is."""

    def nick(self, contact: ContactId) -> str:
        """Return the nick that a contact id stands for, as far as case is known."""

    def name(self, address: Address) -> str:
        """Return what people call it, e.g. ``#chan on irc.example.org``."""

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        """Tell what can be carried there now; for nobody ("") and no room, what ever can be."""

    def submit(self, user: UserId, event: Outgoing) -> None:
        """Do what the user wants; troubles come back as events."""

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> None:
        """Take what happened, in order, to somebody of the network who is a guest on XMPP."""

    def burst(self) -> AbstractContextManager[None]:
        """What is submitted inside may leave, and be answered, together at the end.

        The bridge opens one around all the stanzas of one read.
        """

    def ask(self, user: UserId, query: Query) -> Deferred[Any]:
        """Answer a question, or fail with BridgeError within 30 seconds."""

    def snapshot(self, user: UserId, room: RoomId) -> Entered | None:
        """Return the room as `user` sees it now; None if he is not in it."""

    def pause(self) -> None:
        """Take nothing more in from the network for now: the bridge cannot keep or pass on more."""

    def resume(self) -> None:
        """Take in what comes again."""

    def users(self) -> Sequence[UserId]:
        """Return who has a link to any server now."""

    def disconnect(self, user: UserId, reason: str) -> bool:
        """End all links of `user`, as if he had left; False if he has none."""

    def commands(self, address: Address) -> Sequence[Command]:
        """Return the ad-hoc commands offered at this address, beside the generic ones."""

    def reload(self, config: Any) -> None:
        """Take over a new configuration of the same type; called after it was validated."""


NetworkFactory = Callable[[Any], Network]


class Probe(Struct, frozen=True, kw_only=True):
    """A trial that `xmppbridge check --live` shows: `result` fires with words, or fails with BridgeError.

    A network's module offers them by ``probes(config, reactor)``, without starting a network.
    """

    subject: str
    result: Deferred[str]
