"""What is to be done, on either side, for what happens in a room of XMPP that is on Matrix too."""

from __future__ import annotations

from msgspec import Struct

from bridge.events import Message, Outgoing, Reaction, Retraction, Topic, Typing

from .session import Stay


class Act(Struct, frozen=True):
    """Have a guest do this on XMPP."""

    user_id: str
    event: Outgoing


class Pending(Struct, frozen=True):
    """What a guest wants done on XMPP: the event that says so, and the ghost that it is about, if any."""

    event: Outgoing
    event_id: str
    ghost: str = ""


class Retry(Struct, frozen=True):
    """Have a guest enter later, if he is not in by then."""

    user_id: str
    seconds: float


class Seat(Struct, frozen=True):
    """Have a ghost in the room on Matrix, under this name."""

    ghost: str
    nick: str


class Dress(Struct, frozen=True):
    """Have a ghost wear what its occupant shows, if it is in the room or on its way."""

    ghost: str
    nick: str


class Unseat(Struct, frozen=True):
    """Take a ghost out; `by_us`: it is put out."""

    ghost: str
    reason: str = ""
    by_us: bool = False


class Say(Struct, frozen=True):
    """Have a ghost say or do something; a `key` names it for ever."""

    stay: Stay
    event: Message | Reaction | Retraction | Topic
    key: str = ""


class Read(Struct, frozen=True):
    """Show that a ghost has read up to an event."""

    ghost: str
    event_id: str


class Type(Struct, frozen=True):
    """Have a ghost be writing, or not any more."""

    stay: Stay
    event: Typing


class Notice(Struct, frozen=True):
    """Tell the room something ourselves, perhaps about an event."""

    text: str
    event_id: str = ""


class SetTopic(Struct, frozen=True):
    """Set the topic ourselves."""

    text: str


class Redacted(Struct, frozen=True):
    """Take back an event ourselves, as a moderator on XMPP wants."""

    event_id: str
    reason: str


class Expel(Struct, frozen=True):
    """Put somebody of Matrix out."""

    user_id: str
    reason: str


class Promote(Struct, frozen=True):
    """Let somebody of Matrix moderate, or not any more."""

    user_id: str
    moderates: bool


Step = (
    Act | Retry | Seat | Dress | Unseat | Say | Read | Type | Notice | SetTopic | Redacted | Expel | Promote
)
