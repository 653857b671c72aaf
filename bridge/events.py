"""Domain events: what passes between XMPP and a network, in neither's words.

All values are frozen; one object is shared by every user who sees the same thing, so nothing in
an event may depend on its receiver. Times are seconds since the epoch, UTC. `Incoming` is what a
network tells the bridge, `Outgoing` what the bridge asks of a network; consumers match on the
union and end in `assert_never`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.calls import CallEvent as CallEvent
from bridge.calls import CallTransfer as CallTransfer
from bridge.direct import DirectMessage as DirectMessage
from bridge.direct import DirectReaction as DirectReaction
from bridge.direct import DirectRetraction as DirectRetraction
from bridge.direct import Undelivered as Undelivered
from bridge.errors import BridgeError
from bridge.vocabulary import NO_REF as NO_REF
from bridge.vocabulary import Affiliation as Affiliation
from bridge.vocabulary import Attachment as Attachment
from bridge.vocabulary import Audience as Audience
from bridge.vocabulary import Configuration as Configuration
from bridge.vocabulary import ContactId as ContactId
from bridge.vocabulary import Exit as Exit
from bridge.vocabulary import Kind as Kind
from bridge.vocabulary import Link as Link
from bridge.vocabulary import Mention as Mention
from bridge.vocabulary import MessageId as MessageId
from bridge.vocabulary import Occupant as Occupant
from bridge.vocabulary import Ref as Ref
from bridge.vocabulary import Reply as Reply
from bridge.vocabulary import Role as Role
from bridge.vocabulary import RoomId as RoomId
from bridge.vocabulary import ServerId as ServerId
from bridge.vocabulary import Show as Show
from bridge.vocabulary import Span as Span
from bridge.vocabulary import Style as Style
from bridge.vocabulary import Text as Text
from bridge.vocabulary import Thumbnail as Thumbnail
from bridge.vocabulary import TypingState as TypingState
from bridge.vocabulary import UserId as UserId
from bridge.vocabulary import Value as Value


class Topic(Value, frozen=True, kw_only=True):
    """A room's subject was set, or is asked to be; `time` None means now."""

    room: RoomId
    text: str
    nick: str = ""
    time: float | None = None
    ref: Ref = NO_REF


# ---- the user's own way in and out


class Enter(Value, frozen=True, kw_only=True):
    """Outgoing: take the user into the room. Answered by `Entered` or `NotEntered`.

    Of a guest, `since` wants to be told what was said after that time, as far as the room keeps it; None:
    nothing.
    """

    room: RoomId
    nick: str
    password: str = ""
    since: float | None = None


class Entered(Value, frozen=True, kw_only=True):
    """The user is in, or in again after the link was lost.

    `occupants` is keyed by nick; it may hold the user himself too, so that users can share one
    mapping, and is never changed after it was given. Also the answer of `Network.snapshot`, for
    a further resource of the user.
    """

    room: RoomId
    me: Occupant
    occupants: Mapping[str, Occupant]
    topic: Topic | None = None
    created: bool = False
    moderated: bool = False


class NotEntered(Value, frozen=True, kw_only=True):
    """The user could not be taken in, or was in and could not be taken in again."""

    room: RoomId
    nick: str
    error: BridgeError


class Depart(Value, frozen=True, kw_only=True):
    """Outgoing: take the user out of the room. Answered by `Exited`."""

    room: RoomId
    reason: str = ""


class Exited(Value, frozen=True, kw_only=True):
    """The user is out of the room; no event of that room follows.

    A room that is REPLACED goes on as `alternate`, where the user could not be taken.
    """

    room: RoomId
    nick: str
    exit: Exit
    actor: str = ""
    reason: str = ""
    alternate: RoomId | None = None


# ---- others in the room, and changes to anyone


class Join(Value, frozen=True, kw_only=True):
    """Somebody else came in."""

    room: RoomId
    occupant: Occupant


class Leave(Value, frozen=True, kw_only=True):
    """Somebody else went."""

    room: RoomId
    nick: str
    reason: str = ""


class Split(Value, frozen=True, kw_only=True):
    """The network broke in two: `gone` are out of reach, and expected back."""

    room: RoomId
    gone: tuple[str, ...]
    text: str


class Rejoin(Value, frozen=True, kw_only=True):
    """The network healed: `back` were in `Split.gone`, and are as they are now."""

    room: RoomId
    back: tuple[Occupant, ...]
    text: str


class Kick(Value, frozen=True, kw_only=True):
    """Somebody else was, or is to be, put out; `actor` is "" when outgoing. `banned`: for good.

    `struck`: with that he lost the membership that it takes to be in.
    """

    room: RoomId
    nick: str
    actor: str = ""
    reason: str = ""
    banned: bool = False
    struck: bool = False
    ref: Ref = NO_REF


class NickChange(Value, frozen=True, kw_only=True):
    """Incoming: `old`, the user included, is now `occupant`. `own` tells each user about himself."""

    room: RoomId
    old: str
    occupant: Occupant


class ChangeNick(Value, frozen=True, kw_only=True):
    """Outgoing: the user wants another nick. Answered by `NickChange` or `NickRefused`."""

    room: RoomId
    nick: str


class NickRefused(Value, frozen=True, kw_only=True):
    """The user, who is in the room, keeps the old nick."""

    room: RoomId
    nick: str
    error: BridgeError


class OccupantChange(Value, frozen=True, kw_only=True):
    """An occupant's affiliation, role, address, account or presence changed (the nick did not)."""

    room: RoomId
    occupant: Occupant


class SetRole(Value, frozen=True, kw_only=True):
    """Outgoing: XEP-0045 §8.3 to §8.5 and §9.6 to §9.7 (a role other than none; none is `Kick`)."""

    room: RoomId
    nick: str
    role: Role
    reason: str = ""
    ref: Ref


class SetAffiliation(Value, frozen=True, kw_only=True):
    """Outgoing: XEP-0045 §9 and §10, of an occupant or of somebody outside.

    One of three says of whom: `contact`, `user` (see `Capabilities.memberships`), or `target`, which is a
    nick or a mask of the network.
    """

    room: RoomId
    target: str = ""
    contact: ContactId | None = None
    user: UserId | None = None
    affiliation: Affiliation
    reason: str = ""
    ref: Ref


class RoomNotice(Value, frozen=True, kw_only=True):
    """A line about the room that no occupant said, shown as from the room itself."""

    room: RoomId
    text: str


class Configure(Value, frozen=True, kw_only=True):
    """Outgoing: XEP-0045 §10.2; see `ConfigurationQuery`."""

    room: RoomId
    changes: Configuration
    ref: Ref


class RoomConfig(Value, frozen=True, kw_only=True):
    """The room's configuration changed (XEP-0045 §10.2.1, status 104)."""

    room: RoomId
    moderated: bool = False


# ---- what people say


class Message(Value, frozen=True, kw_only=True):
    """Something said in a room.

    `id` is the room's; `origin` the id the author's client gave it, "" if unknown. Outgoing, `id`
    is "" and `ref` set. `time` is when it was said if that is not now. `thread` names the conversation
    that it belongs to, "" for none. A body that is only the links of `attachments` is empty.
    """

    room: RoomId
    nick: str = ""
    body: Text
    id: MessageId = MessageId("")
    origin: str = ""
    kind: Kind = Kind.TEXT
    reply: Reply | None = None
    replaces: str = ""
    thread: str = ""
    mentions: tuple[Mention, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    time: float | None = None
    identity: str = ""
    ref: Ref = NO_REF


class Sent(Value, frozen=True, kw_only=True):
    """An outgoing event with a `Ref` went through.

    A message that became several lines answers with one `Sent` for each, `message` being what the
    room saw; `last` is True on the final one.
    """

    ref: Ref
    message: Message | None = None
    last: bool = True


class Failed(Value, frozen=True, kw_only=True):
    """An outgoing event with a `Ref` did not go through, or is not known to have."""

    ref: Ref
    error: BridgeError


class Reaction(Value, frozen=True, kw_only=True):
    """XEP-0444: all the reactions that `nick` now has on message `id`.

    `act` is the room's id of the reaction itself, "" if it has none; `origin`, `identity` and `time` are as
    in `Message`.
    """

    room: RoomId
    id: MessageId
    nick: str = ""
    emojis: tuple[str, ...]
    act: MessageId = MessageId("")
    origin: str = ""
    identity: str = ""
    time: float | None = None
    ref: Ref = NO_REF


class Retraction(Value, frozen=True, kw_only=True):
    """XEP-0424 by its author, or XEP-0425 by the moderator `actor`.

    `act`, `origin` and `identity`, of who takes it back, and `time` are as in `Reaction`.
    """

    room: RoomId
    id: MessageId
    nick: str = ""
    actor: str = ""
    reason: str = ""
    act: MessageId = MessageId("")
    origin: str = ""
    identity: str = ""
    time: float | None = None
    ref: Ref = NO_REF


class Receipt(Value, frozen=True, kw_only=True):
    """All up to message `id` was read: in a room by `nick`, else by the contact or the user."""

    room: RoomId | None = None
    contact: ContactId | None = None
    nick: str = ""
    id: MessageId


class Typing(Value, frozen=True, kw_only=True):
    """Somebody is writing, in a room or to the user alone."""

    room: RoomId | None = None
    contact: ContactId | None = None
    nick: str = ""
    state: TypingState


# ---- people, servers, invitations


class Presence(Value, frozen=True, kw_only=True):
    """Outgoing: how the user is, towards the whole network.

    Networks whose people are contacts (`Capabilities.subscriptions`) are also told that he came and, by not
    `available`, that he went.
    """

    show: Show
    status: str = ""
    available: bool = True


class Subscribe(Value, frozen=True, kw_only=True):
    """Outgoing: the user wants to know how a contact is, from now on; answered by `ContactPresence`s."""

    contact: ContactId


class Unsubscribe(Value, frozen=True, kw_only=True):
    """Outgoing: he does not want to know it any more."""

    contact: ContactId


class ContactPresence(Value, frozen=True, kw_only=True):
    """Incoming: how a contact is, told to who subscribed to him; `avatar` as in `Occupant`."""

    contact: ContactId
    available: bool
    show: Show = Show.AVAILABLE
    status: str = ""
    nick: str = ""
    avatar: str = ""


class PresenceRequest(Value, frozen=True, kw_only=True):
    """Incoming: a contact, who calls himself `nick`, wants to know how the user is.

    Answered by `PresenceConsent`: at once if the user has decided, else when he does.
    """

    contact: ContactId
    nick: str = ""


class PresenceConsent(Value, frozen=True, kw_only=True):
    """Outgoing: the user lets a contact know how he is, or does not, or not any more."""

    contact: ContactId
    granted: bool


class PresenceRefused(Value, frozen=True, kw_only=True):
    """Incoming: a contact does not let the user know how he is, for good: what `Subscribe` began is over."""

    contact: ContactId


class Profile(Value, frozen=True, kw_only=True):
    """Outgoing: the user's picture, as his client's presence says: SHA-1 in hexadecimal, "" for none.

    Told on each change, and again after the user was away. The picture itself is had by `Uplink.photo`.
    Of a guest, it is what he shows in `room`, where he is in; the picture itself is asked of the network.
    """

    avatar: str
    room: RoomId | None = None


class Invite(Value, frozen=True, kw_only=True):
    """Incoming: `nick` asks the user into `room`; outgoing: the user asks `nick`.

    Outgoing, `contact` or `user` (see `Capabilities.memberships`) may say who it is instead of `nick`.
    Incoming, to a guest, `user` is who asks by himself; without it, `nick` is only what the room says.
    """

    room: RoomId
    nick: str = ""
    contact: ContactId | None = None
    user: UserId | None = None
    reason: str = ""
    password: str = ""
    ref: Ref = NO_REF


class Decline(Value, frozen=True, kw_only=True):
    """Outgoing: the user, who is invited, does not come; of a guest, `nick` is who had invited him.

    Incoming: whom the user had invited does not come; `contact` or `user` says who that is.
    """

    room: RoomId
    nick: str = ""
    contact: ContactId | None = None
    user: UserId | None = None
    reason: str = ""
    ref: Ref = NO_REF


class Knock(Value, frozen=True, kw_only=True):
    """Outgoing: the user asks to be let into a closed room; the answer, if it comes, is an `Invite`.

    Incoming: somebody asks to be let in, told to those who may invite him; `contact` or `user` says who.
    """

    room: RoomId
    nick: str = ""
    contact: ContactId | None = None
    user: UserId | None = None
    reason: str = ""
    ref: Ref = NO_REF


class VoiceRequest(Value, frozen=True, kw_only=True):
    """Outgoing: the user, who may only listen, asks for the right to speak.

    Incoming: `nick` asks for it, told to those who can give it; they do so by `SetRole`.
    """

    room: RoomId
    nick: str = ""
    ref: Ref = NO_REF


class ServerNotice(Value, frozen=True, kw_only=True):
    """Words of a server to the user, or about the link to it."""

    server: ServerId
    text: str


class ContactNotice(Value, frozen=True, kw_only=True):
    """A network's question about the user that his client answers (CTCP VERSION and the like)."""

    contact: ContactId
    nick: str
    question: str
    argument: str = ""


class ContactAnswer(Value, frozen=True, kw_only=True):
    """Outgoing: the user's client's answer to a `ContactNotice`."""

    contact: ContactId
    question: str
    text: str


class Command(Value, frozen=True, kw_only=True):
    """Outgoing: a line for the server itself, in the network's own language."""

    server: ServerId
    line: str
    ref: Ref = NO_REF


class NetworkState(Value, frozen=True, kw_only=True):
    """The user's link to `server` changed; `text` says why when it went down."""

    server: ServerId
    link: Link
    text: str = ""


RoomEvent = (
    Entered
    | NotEntered
    | Exited
    | Join
    | Leave
    | Split
    | Rejoin
    | Kick
    | NickChange
    | NickRefused
    | OccupantChange
    | RoomNotice
    | RoomConfig
    | Topic
    | Message
    | Reaction
    | Retraction
    | Decline
    | Knock
    | VoiceRequest
)
"""Incoming events that belong to one room."""

Incoming = (
    RoomEvent
    | Typing
    | Receipt
    | DirectMessage
    | DirectReaction
    | DirectRetraction
    | ContactPresence
    | PresenceRequest
    | PresenceRefused
    | Sent
    | Failed
    | Invite
    | ServerNotice
    | ContactNotice
    | NetworkState
    | CallEvent
)

Outgoing = (
    Enter
    | Depart
    | ChangeNick
    | Kick
    | SetRole
    | SetAffiliation
    | Configure
    | Knock
    | VoiceRequest
    | Topic
    | Message
    | DirectMessage
    | DirectReaction
    | DirectRetraction
    | Undelivered
    | Reaction
    | Retraction
    | Receipt
    | Typing
    | Presence
    | Profile
    | Subscribe
    | Unsubscribe
    | PresenceConsent
    | Invite
    | Decline
    | ContactAnswer
    | Command
    | CallEvent
    | CallTransfer
)
