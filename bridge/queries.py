"""Questions that a network answers, and the shapes of the answers; see `bridge.network`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bridge.events import Affiliation, ContactId, RoomId, ServerId


class RoomQuery(Struct, frozen=True):
    """What is this room? Answered by `RoomInfo`, or the trouble NO_SUCH_ROOM."""

    room: RoomId


class RoomInfo(Struct, frozen=True, kw_only=True):
    """A room as a list or disco shows it; `occupants` None means unknown."""

    room: RoomId
    name: str = ""
    description: str = ""
    occupants: int | None = None


class RoomList(Struct, frozen=True):
    """Which rooms does the server show? Answered by `RoomPage`, paged by room id (XEP-0059).

    `after` and `before` are room ids; `before` "" asks for the last page; `limit` in rooms.
    """

    server: ServerId
    after: RoomId | None = None
    before: RoomId | None = None
    limit: int = 100


class RoomPage(Struct, frozen=True, kw_only=True):
    """One page of a `RoomList`; `total` is None while the list is still coming in."""

    rooms: Sequence[RoomInfo]
    first_index: int | None = None
    total: int | None = None
    complete: bool = False


class AffiliationList(Struct, frozen=True):
    """Who has this affiliation (outcast: the bans)? Answered by a list of `ListedUser`."""

    room: RoomId
    affiliation: Affiliation


class ListedUser(Struct, frozen=True, kw_only=True):
    """A row of an affiliation list; `address` is a local part or a mask as the network writes it."""

    address: str
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


class ClientVersion(Struct, frozen=True, kw_only=True):
    """A client's name and version as it states them."""

    name: str
    version: str = ""
    os: str = ""


Query = RoomQuery | RoomList | AffiliationList | ContactQuery | ContactPing | ContactVersion | ContactTime
