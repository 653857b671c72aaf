"""What the store keeps and answers with, as values; all frozen, all ids and times in microseconds UTC."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

SETTINGS_PER_OWNER = 2000
"""Most settings (scope and key pairs) that one user may have on one domain."""
MEMORIES_PER_OWNER = 4000
"""Most values that a network may keep of one user."""
SUBSCRIPTIONS_PER_CONTACT = 2000
"""Most addresses of one domain that one user may be subscribed with."""
VALUE_BYTES = 64 * 1024
"""Longest value of a setting or memory, and longest journalled stanza or kept event (four times this)."""
KEY_LENGTH = 3100
"""Longest key, in characters: a full JID (RFC 7622 §3.1) and a little."""
REACTION, RETRACTION, TOMBSTONE = "reaction", "retraction", "tombstone"
"""Kinds of archived entries that are no messages; a tombstone takes the place of the message with its id."""
PAGE_LIMIT = 1000
"""Most messages of one page."""


class StoreError(Exception):
    """The store cannot be opened; the text is for the operator."""


class Durability(Enum):
    """What a commit survives: the death of the process, or a power cut as well."""

    PROCESS = "process"
    POWER = "power"


class ArchivedMessage(Struct, frozen=True, kw_only=True):
    """One message of a room, kept once however many users saw it.

    `id` is its time too: microseconds since the epoch, unique over all rooms (`Store.next_id`).
    `kind` is an `events.Kind` value, or one of those above; `origin` the id its author's client gave; `data`
    whatever else the writer wants back (formatting, reply), b"" for nothing.
    """

    room: str
    id: int
    nick: str
    identity: str = ""
    kind: str = "text"
    body: str = ""
    origin: str = ""
    data: bytes = b""


class Page(Struct, frozen=True, kw_only=True):
    """One page of an archive, oldest message first (XEP-0313 §4.3, XEP-0059 §2).

    `complete`: nothing more matches in the direction of paging. `total` counts what matches the
    filters, regardless of paging; `first_index` is the place in it of the first message (0 if the
    page is empty: an empty page has no <first/>).
    """

    messages: tuple[ArchivedMessage, ...]
    complete: bool
    total: int
    first_index: int


class Subscription(Struct, frozen=True, kw_only=True):
    """Presence between an address of ours and a user (RFC 6121 §3).

    `local` is the unescaped local part, "" for the gateway; `contact` the user's bare JID.
    `inbound`: he gets the presence of `local`; `outbound`: `local` gets his.
    """

    domain: str
    local: str
    contact: str
    inbound: bool
    outbound: bool


class Occupancy(Struct, frozen=True, kw_only=True):
    """A user's resource in a room, to be restored after a crash; `resource` "" is a persistent stay."""

    room: str
    owner: str
    resource: str
    nick: str
    password: str = ""


class Journalled(Struct, frozen=True, kw_only=True):
    """A message that was accepted from `owner` and whose fate was not known at the crash."""

    owner: str
    ref: int
    stanza: bytes
