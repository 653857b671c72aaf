"""XEP-0045 Multi-User Chat 1.35.5: what is inside presences, messages and iqs of a room."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import Affiliation, Role
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import format_time, parse_time

NS_MUC = "http://jabber.org/protocol/muc"
NS_MUC_USER = "http://jabber.org/protocol/muc#user"
NS_MUC_ADMIN = "http://jabber.org/protocol/muc#admin"
NS_MUC_OWNER = "http://jabber.org/protocol/muc#owner"
FORM_REGISTER = "http://jabber.org/protocol/muc#register"
FORM_ROOM_INFO = "http://jabber.org/protocol/muc#roominfo"
FORM_ROOM_CONFIG = "http://jabber.org/protocol/muc#roomconfig"
NODE_TRAFFIC = "http://jabber.org/protocol/muc#traffic"
NODE_NICK = "x-roomuser-item"
FEATURE_STABLE_ID = "http://jabber.org/protocol/muc#stable_id"
FEATURE_SELF_PING = "http://jabber.org/protocol/muc#self-ping-optimization"

ITEM_LIMIT = 100
"""How many items of one muc#admin request are read."""

# XEP-0045 §15.6.2
NON_ANONYMOUS = 100
CONFIG_CHANGED = 104
SELF = 110
LOGGED = 170
NOT_LOGGED = 171
NOT_ANONYMOUS_NOW = 172
SEMI_ANONYMOUS_NOW = 173
CREATED = 201
NICK_ASSIGNED = 210
WAS_BANNED = 301
NICK_CHANGED = 303
WAS_KICKED = 307
AFFILIATION_LOST = 321
MEMBERS_ONLY_NOW = 322
SERVICE_SHUTDOWN = 332
SERVICE_ERROR = 333


_AFFILIATIONS = {one.value: one for one in Affiliation}
_ROLES = {one.value: one for one in Role}


class MucJoin(Struct, frozen=True, kw_only=True):
    """What a join asks for; None is no limit. `since` in seconds since the epoch (XEP-0045 §7.2.14)."""

    password: str = ""
    max_stanzas: int | None = None
    max_chars: int | None = None
    seconds: int | None = None
    since: float | None = None


def parse_join(x: Element) -> MucJoin:
    """Read the ``<x/>`` of a join; limits that cannot be read are no limits."""
    history = x.child("history")
    password = x.child_text("password") or ""
    if history is None:
        return MucJoin(password=password)
    return MucJoin(
        password=password,
        max_stanzas=_number(history.get("maxstanzas")),
        max_chars=_number(history.get("maxchars")),
        seconds=_number(history.get("seconds")),
        since=parse_time(history.get("since")),
    )


def build_join(join: MucJoin) -> Element:
    """Write the ``<x/>`` of a join."""
    x = Element("x", NS_MUC)
    limits = {
        "maxstanzas": None if join.max_stanzas is None else str(join.max_stanzas),
        "maxchars": None if join.max_chars is None else str(join.max_chars),
        "seconds": None if join.seconds is None else str(join.seconds),
        "since": None if join.since is None else format_time(join.since),
    }
    if any(limits.values()):
        x.add(Element("history", NS_MUC, limits))
    if join.password:
        x.add(Element("password", NS_MUC, None, join.password))
    return x


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


class MucItem(Struct, frozen=True, kw_only=True):
    """An ``<item/>`` of muc#user or muc#admin; None and "" leave a part out. `actor` is a nick."""

    affiliation: Affiliation | None = None
    role: Role | None = None
    jid: str = ""
    nick: str = ""
    actor: str = ""
    reason: str = ""


def build_item(item: MucItem, namespace: str = NS_MUC_USER) -> Element:
    """Write an item."""
    element = Element(
        "item",
        namespace,
        {
            "affiliation": item.affiliation.value if item.affiliation else None,
            "role": item.role.value if item.role else None,
            "jid": item.jid or None,
            "nick": item.nick or None,
        },
    )
    if item.actor:
        element.add(Element("actor", namespace, {"nick": item.actor}))
    if item.reason:
        element.add(Element("reason", namespace, None, item.reason))
    return element


def build_user_x(item: MucItem | None = None, statuses: Iterable[int] = ()) -> Element:
    """Write the muc#user ``<x/>`` of a presence or message."""
    x = Element("x", NS_MUC_USER)
    if item is not None:
        x.add(build_item(item))
    for code in statuses:
        x.add(Element("status", NS_MUC_USER, {"code": str(code)}))
    return x


def build_items(items: Iterable[MucItem]) -> Element:
    """Write a muc#admin result (XEP-0045 §9.4 and its like)."""
    return Element("query", NS_MUC_ADMIN, None, *(build_item(item, NS_MUC_ADMIN) for item in items))


def parse_items(query: Element) -> list[MucItem]:
    """Read a muc#admin request; BAD_REQUEST without an item, or with a role or affiliation that is none."""
    items = [_parse_item(element) for element in query.all("item", NS_MUC_ADMIN)]
    if not items or len(items) > ITEM_LIMIT:
        raise BridgeError(Trouble.BAD_REQUEST)
    return items


def _parse_item(element: Element) -> MucItem:
    affiliation, role = element.get("affiliation"), element.get("role")
    try:
        return MucItem(
            affiliation=None if affiliation is None else Affiliation(affiliation),
            role=None if role is None else Role(role),
            jid=element.get("jid") or "",
            nick=element.get("nick") or "",
            reason=element.child_text("reason") or "",
        )
    except ValueError:
        raise BridgeError(Trouble.BAD_REQUEST) from None


class MucUser(Struct, frozen=True, kw_only=True):
    """What the ``<x/>`` of a room says of an occupant: an item, status codes, and the end of the room.

    `destroyed` is None, or why the room is no more, `venue` the room that takes its place.
    """

    item: MucItem = MucItem()
    codes: frozenset[int] = frozenset()
    destroyed: str | None = None
    venue: str = ""


def parse_user(stanza: Element) -> MucUser | None:
    """Return what a room says of an occupant; a role or affiliation that is none is left out."""
    x = stanza.child("x", NS_MUC_USER)
    if x is None:
        return None
    item, destroy = x.child("item"), x.child("destroy")
    codes = [status.get("code") or "" for status in x.all("status")][:ITEM_LIMIT]
    return MucUser(
        item=MucItem() if item is None else _read_item(item),
        codes=frozenset(int(code) for code in codes if len(code) == 3 and code.isascii() and code.isdigit()),
        destroyed=None if destroy is None else destroy.child_text("reason") or "",
        venue="" if destroy is None else destroy.get("jid") or "",
    )


def _read_item(item: Element) -> MucItem:
    actor = item.child("actor")
    return MucItem(
        affiliation=_AFFILIATIONS.get(item.get("affiliation") or ""),
        role=_ROLES.get(item.get("role") or ""),
        jid=item.get("jid") or "",
        nick=item.get("nick") or "",
        actor="" if actor is None else actor.get("nick") or actor.get("jid") or "",
        reason=item.child_text("reason") or "",
    )


class MucInvite(Struct, frozen=True, kw_only=True):
    """A mediated invitation, or the refusal of one (XEP-0045 §7.8.2); `jid` is the other party's."""

    jid: str
    reason: str = ""
    password: str = ""
    declined: bool = False


def parse_invites(message: Element) -> list[MucInvite]:
    """Return the invitations and refusals that an occupant asks the room to pass on."""
    x = message.child("x", NS_MUC_USER)
    if x is None:
        return []
    password = x.child_text("password") or ""
    invites = [
        MucInvite(
            jid=element.attributes["to"],
            reason=element.child_text("reason") or "",
            password=password,
            declined=element.name == "decline",
        )
        for element in x.elements()
        if element.namespace == NS_MUC_USER and element.name in ("invite", "decline") and element.get("to")
    ]
    return invites[:ITEM_LIMIT]


def build_invite(invite: MucInvite) -> Element:
    """Write the ``<x/>`` to the invited, or of a refusal to the inviter; `jid` is from whom."""
    name = "decline" if invite.declined else "invite"
    inner = Element(name, NS_MUC_USER, {"from": invite.jid or None})
    if invite.reason:
        inner.add(Element("reason", NS_MUC_USER, None, invite.reason))
    x = Element("x", NS_MUC_USER, None, inner)
    if invite.password:
        x.add(Element("password", NS_MUC_USER, None, invite.password))
    return x


def parse_received_invite(message: Element) -> MucInvite | None:
    """Return the invitation that a room passes on to the invited; `jid` is the inviter's, "" if not said."""
    x = message.child("x", NS_MUC_USER)
    invite = None if x is None else x.child("invite")
    if x is None or invite is None:
        return None
    return MucInvite(
        jid=invite.get("from") or "",
        reason=invite.child_text("reason") or "",
        password=x.child_text("password") or "",
    )


def parse_received_decline(message: Element) -> MucInvite | None:
    """Return the refusal that a room passes on to the inviter; `jid` is of whom he had invited."""
    x = message.child("x", NS_MUC_USER)
    decline = None if x is None else x.child("decline")
    if decline is None or not decline.get("from"):
        return None
    return MucInvite(jid=decline.attributes["from"], reason=decline.child_text("reason") or "", declined=True)


def build_invite_wish(invite: MucInvite) -> Element:
    """Write the ``<x/>`` by which the room is asked to invite `jid`, or to tell him no (XEP-0045 §7.8.2)."""
    inner = Element("decline" if invite.declined else "invite", NS_MUC_USER, {"to": invite.jid})
    if invite.reason:
        inner.add(Element("reason", NS_MUC_USER, None, invite.reason))
    return Element("x", NS_MUC_USER, None, inner)
