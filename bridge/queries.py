"""Questions that a network answers, and the shapes of the answers; see `bridge.network`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bridge.calls import MediaKind
from bridge.events import (
    Affiliation,
    Configuration,
    ContactId,
    Message,
    MessageId,
    Reaction,
    Retraction,
    RoomId,
    ServerId,
    UserId,
)


class RoomQuery(Struct, frozen=True):
    """What is this room? Answered by `RoomInfo`, or the trouble NO_SUCH_ROOM."""

    room: RoomId


class RoomInfo(Struct, frozen=True, kw_only=True):
    """A room as a list or disco shows it; None means unknown.

    `closed`, `knocking` and `public` are as in `Configuration`. `avatar` is the SHA-1 of its picture in
    hexadecimal, "" if it has none.
    """

    room: RoomId
    name: str = ""
    description: str = ""
    occupants: int | None = None
    closed: bool | None = None
    knocking: bool | None = None
    public: bool | None = None
    avatar: str | None = None


class RoomList(Struct, frozen=True):
    """Which rooms does the server show? Answered by `RoomPage`, paged by room id (XEP-0059).

    `server` "" is the network's own, if it has one. `search` asks only for those whose name or description
    holds these words. `after` and `before` are room ids; `before` "" asks for the last page; `limit` in
    rooms.
    """

    server: ServerId
    after: RoomId | None = None
    before: RoomId | None = None
    limit: int = 100
    search: str = ""


class RoomPage(Struct, frozen=True, kw_only=True):
    """One page of a `RoomList`; `total` is None while the list is still coming in."""

    rooms: Sequence[RoomInfo]
    first_index: int | None = None
    total: int | None = None
    complete: bool = False


class HistoryQuery(Struct, frozen=True, kw_only=True):
    """What happened in the room? Answered by `HistoryPage`; see `Network.keeps_history`.

    The fields are those of XEP-0313 §4.1: `start` and `end` in seconds since the epoch, both included,
    `after` and `before` ids of entries that are themselves left out, `ids` the entries wanted, and no
    others; `nick` "" is everybody. The page has the first `limit` of what fits, or the `last`. NOT_FOUND if
    an entry that is named is not known, FORBIDDEN if the user may not read what is said there.

    `settled` asks for what is left of it: messages only, a corrected one with its last words in its first
    place, one taken back left out.
    """

    room: RoomId
    start: float | None = None
    end: float | None = None
    after: MessageId | None = None
    before: MessageId | None = None
    ids: Sequence[MessageId] = ()
    nick: str = ""
    limit: int = 100
    last: bool = False
    settled: bool = False


class Tombstone(Struct, frozen=True, kw_only=True):
    """What is left of a message that was taken back (XEP-0424 §4): its place, and by what that was done."""

    room: RoomId
    id: MessageId
    nick: str = ""
    origin: str = ""
    identity: str = ""
    time: float | None = None
    retraction: Retraction


PastEvent = Message | Reaction | Retraction | Tombstone
"""An entry of a room's past; its id is `Message.id`, `Reaction.act`, `Retraction.act`, `Tombstone.id`."""


class HistoryPage(Struct, frozen=True, kw_only=True):
    """What happened, each with its `time`, oldest first; `complete` if there is no more in that direction.

    A correction is an entry of its own, and so is what takes a message back, which leaves a tombstone in its
    place. A reaction tells all that its author has on that message, now or then: what comes after it in the
    room corrects it. `total` counts what fits the question, `first_index` what of it comes before the page;
    None is unknown.
    """

    entries: Sequence[PastEvent]
    complete: bool
    total: int | None = None
    first_index: int | None = None


class AvatarQuery(Struct, frozen=True, kw_only=True):
    """What is the picture of a contact, or of a room? Answered by `Photo`, or NOT_FOUND."""

    contact: ContactId | None = None
    room: RoomId | None = None


class Photo(Struct, frozen=True, kw_only=True):
    """A picture: its media type, its bytes, and their SHA-1 in hexadecimal."""

    type: str
    data: bytes
    id: str


class ConfigurationQuery(Struct, frozen=True):
    """How is the room configured? Answered by `RoomConfiguration`."""

    room: RoomId


class RoomConfiguration(Struct, frozen=True, kw_only=True):
    """How a room is configured now; `changeable` are the fields that the asking user may change."""

    now: Configuration
    changeable: frozenset[str]


class AffiliationList(Struct, frozen=True):
    """Who has this affiliation (outcast: the bans)? Answered by a list of `ListedUser`."""

    room: RoomId
    affiliation: Affiliation


class ListedUser(Struct, frozen=True, kw_only=True):
    """A row of an affiliation list: `user`, or `address`, a local part or a mask as the network writes it."""

    address: str = ""
    user: UserId | None = None
    affiliation: Affiliation
    nick: str = ""
    reason: str = ""


class ContactQuery(Struct, frozen=True):
    """Who is this? Answered by `ContactInfo` (vCard), or NO_SUCH_NICK."""

    contact: ContactId


class ContactInfo(Struct, frozen=True, kw_only=True):
    """A person's public particulars; `idle` in seconds."""

    nick: str
    name: str = ""
    address: str = ""
    account: str = ""
    server: str = ""
    away: str | None = None
    idle: float | None = None
    rooms: Sequence[str] = ()


class ContactPing(Struct, frozen=True):
    """Is this person reachable? Answered by None."""

    contact: ContactId


class ContactVersion(Struct, frozen=True):
    """Which client does this person use? Answered by `ClientVersion`."""

    contact: ContactId


class ContactTime(Struct, frozen=True):
    """What time is it at this person's? Answered by the text that the client gave."""

    contact: ContactId


class CallQuery(Struct, frozen=True):
    """May the user call this person, by these media? Answered by None, or the error that says why not."""

    contact: ContactId
    kinds: frozenset[MediaKind]


class ClientVersion(Struct, frozen=True, kw_only=True):
    """A client's name and version as it states them."""

    name: str
    version: str = ""
    os: str = ""


Query = (
    RoomQuery
    | RoomList
    | HistoryQuery
    | AvatarQuery
    | AffiliationList
    | ConfigurationQuery
    | ContactQuery
    | ContactPing
    | ContactVersion
    | ContactTime
    | CallQuery
)
