"""Domain events as stanzas: each is rendered once, with a gap where the receiver goes.

A template is bytes in which NUL, which XML cannot contain, stands for the receiver's quoted JID;
one template may hold several stanzas. Everything here is independent of the receiver, so that N
users who see the same event cost one rendering and N splices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from bridge.events import (
    Attachment,
    Join,
    Kick,
    Kind,
    Leave,
    Message,
    NickChange,
    Occupant,
    OccupantChange,
    Rejoin,
    RoomConfig,
    RoomId,
    RoomNotice,
    Split,
    Text,
    Topic,
)
from bridge.services.mentions import write_mentions
from bridge.text import prefixed
from bridge.xmpp.element import Element, escape, quote
from bridge.xmpp.jid import escape as escape_local
from bridge.xmpp.payloads.delay import format_time
from bridge.xmpp.payloads.files import build_files, with_links
from bridge.xmpp.payloads.markup import to_xhtml
from bridge.xmpp.payloads.occupant_id import NS_OCCUPANT_ID as NS_ID
from bridge.xmpp.payloads.occupant_id import derive_occupant_id
from bridge.xmpp.payloads.vcard_update import NS_UPDATE

GAP = b"\0"
NS_USER = "http://jabber.org/protocol/muc#user"
PRIVATE = "<private xmlns='urn:xmpp:carbons:2'/><no-copy xmlns='urn:xmpp:hints'/>"
NAME_CACHE = 20_000
"""How many room addresses are kept quoted, and how many occupants' ids rendered."""

_PREFIX = {Kind.TEXT: "", Kind.EMOTE: "/me ", Kind.NOTICE: "[notice] "}


def status_codes(codes: Iterable[int]) -> str:
    """XEP-0045 §15.6: ``<status/>`` elements."""
    if not codes:
        return ""
    return "".join(f"<status code='{code}'/>" for code in codes)


def _away(status: str) -> str:
    """RFC 6121 §4.7.2.1: an occupant that is away, and why."""
    return f"<show>away</show><status>{escape(status)}</status>" if status else "<show>away</show>"


def body_of(message_kind: Kind, plain: str) -> str:
    """What a client shows for a message of this kind (``/me``: XEP-0245)."""
    return _PREFIX[message_kind] + plain


def xhtml_of(message_kind: Kind, body: Text) -> str:
    """XEP-0071: the formatted body that says what the plain one says; "" if nothing is formatted."""
    xhtml = to_xhtml(prefixed(_PREFIX[message_kind], body))
    return "" if xhtml is None else xhtml.to_xml()


def shown_of(kind: Kind, plain: str, attachments: Sequence[Attachment]) -> tuple[str, str]:
    """Return the body of a message with files, and the payloads that go with it."""
    words = body_of(kind, plain) if plain else ""
    payloads = "".join(one.to_xml() for one in build_files(words, attachments))
    return with_links(words, attachments), payloads


Shown = (
    Message
    | Join
    | Leave
    | OccupantChange
    | NickChange
    | Kick
    | Topic
    | RoomNotice
    | Split
    | Rejoin
    | RoomConfig
)
"""Events that everybody in the room is shown. A netsplit and its end are one line each: who does not
come back leaves later, all at once."""


def subject_of(event: Shown) -> str:
    """Return the nick of whom an event looks different to himself, "" if it looks the same to all."""
    match event:
        case NickChange(old=old):
            return old
        case OccupantChange(occupant=occupant):
            return occupant.nick
    return ""


class Renderer:
    """Renders for one gateway domain.

    `secret` keys the occupant ids, so that they cannot be computed from a nick (XEP-0421 §5).
    """

    def __init__(self, domain: str, secret: bytes) -> None:
        self.domain = domain
        self._secret = secret
        self._rooms: dict[RoomId, str] = {}
        self._occupant_ids: dict[tuple[RoomId, str], str] = {}

    def room(self, room: RoomId) -> str:
        """Return a room's JID, quoted for an attribute."""
        found = self._rooms.get(room)
        if found is None:
            if len(self._rooms) >= NAME_CACHE:
                self._rooms.clear()
            found = self._rooms[room] = quote(f"{escape_local(room)}@{self.domain}")
        return found

    def plain(self, local: str) -> str:
        """Return the JID of a room, server or contact, unquoted."""
        return f"{escape_local(local)}@{self.domain}" if local else self.domain

    def address(self, address: str) -> str:
        """Return the JID of an `Occupant.address`, unquoted, "" if that is hidden."""
        if not address:
            return ""
        local, slash, resource = address.partition("/")
        return f"{self.plain(local)}{slash}{resource}"

    def jid(self, local: str) -> str:
        """Return the JID of a server or contact, quoted; ``local/resource`` keeps the resource."""
        if not local:
            return quote(self.domain)
        name, slash, resource = local.partition("/")
        return quote(f"{escape_local(name)}@{self.domain}{slash}{resource}")

    def occupant_id(self, room: RoomId, identity: str) -> str:
        """XEP-0421 §3.1: opaque, stable in this room, different in every other."""
        return derive_occupant_id(self._secret, room, identity)

    # ---- presence

    def presence(self, room: RoomId, occupant: Occupant, *codes: int) -> bytes:
        """XEP-0045 §7.2.2 and §7.2.3: an occupant is there."""
        return self._presence(self.room(room), room, occupant, codes).encode()

    def presences(self, room: RoomId, occupants: Iterable[Occupant]) -> dict[str, bytes]:
        """Render everybody in a room, by nick."""
        jid = self.room(room)
        return {one.nick: self._presence(jid, room, one, ()).encode() for one in occupants}

    def _presence(self, jid: str, room: RoomId, one: Occupant, codes: tuple[int, ...]) -> str:
        """Rendered by the thousand when a large room is entered: plain names are taken as they are."""
        nick, identity = quote(one.nick), one.identity
        shown = quote(one.user) if one.user else self.jid(one.address) if one.address else ""
        address = f" jid='{shown}'" if shown else ""
        state = "" if one.away is None else _away(one.away)
        id_ = f"<occupant-id xmlns='{NS_ID}' id='{self.occupant_id(room, identity)}'/>" if identity else ""
        if one.avatar is not None:
            id_ += f"<x xmlns='{NS_UPDATE}'><photo>{one.avatar}</photo></x>"
        return (
            f"<presence from='{jid}/{nick}' to='\0'>{state}<x xmlns='{NS_USER}'>"
            f"<item affiliation='{one.affiliation._value_}' role='{one.role._value_}'{address}/>"
            f"{status_codes(codes)}</x>{id_}</presence>"
        )

    def _occupant_id(self, room: RoomId, identity: str) -> str:
        if not identity:
            return ""
        found = self._occupant_ids.get((room, identity))
        if found is None:
            if len(self._occupant_ids) >= NAME_CACHE:
                self._occupant_ids.clear()
            found = f"<occupant-id xmlns='{NS_ID}' id='{self.occupant_id(room, identity)}'/>"
            self._occupant_ids[room, identity] = found
        return found

    def gone(
        self,
        room: RoomId,
        nick: str,
        *codes: int,
        actor: str = "",
        reason: str = "",
        new_nick: str = "",
        affiliation: str = "none",
        status: str = "",
        role: str = "none",
        alternate: RoomId | None = None,
    ) -> bytes:
        """XEP-0045 §7.14, §8.2, §9.1, §7.6: an occupant is no longer there, or not by this nick.

        `alternate`: the room itself is no more, and goes on by that address (§10.9).
        """
        by = f"<actor nick='{quote(actor)}'/>" if actor else ""
        why = f"<reason>{escape(reason)}</reason>" if reason else ""
        renamed = f" nick='{quote(new_nick)}'" if new_nick else ""
        words = f"<status>{escape(status)}</status>" if status else ""
        destroyed = "" if alternate is None else f"<destroy jid='{self.room(alternate)}'>{why}</destroy>"
        return (
            f"<presence from='{self.room(room)}/{quote(nick)}' to='\0' type='unavailable'>{words}"
            f"<x xmlns='{NS_USER}'><item affiliation='{affiliation}' role='{role}'{renamed}>{by}{why}</item>"
            f"{destroyed}{status_codes(codes)}</x></presence>"
        ).encode()

    # ---- groupchat

    def message(
        self, message: Message, *, stanza_id: str = "", extras: str = "", delayed: bool = False
    ) -> bytes:
        """XEP-0045 §7.4: something said in the room.

        `stanza_id` is the id attribute, by default the author's own or else the room's. `extras`
        are payloads of the author's client to reflect; they replace the rendered formatting.
        `delayed` adds the time of a message from the past (§7.2.15).
        """
        room = self.room(message.room)
        sender = f"{room}/{quote(message.nick)}" if message.nick else room
        ident = quote(stanza_id or message.origin or message.id)
        return (
            f"<message from='{sender}' to='\0' type='groupchat' id='{ident}'>"
            f"{self.payload(message, extras=extras, delayed=delayed)}</message>"
        ).encode()

    def payload(
        self, message: Message, *, extras: str = "", delayed: bool = False, timed: bool = True
    ) -> str:
        """Render what is inside a groupchat message; not `timed` leaves out when it was said."""
        room = self.room(message.room)
        if message.attachments:
            body, files = shown_of(message.kind, message.body.plain, message.attachments)
        else:
            body, files = body_of(message.kind, message.body.plain), ""
        parts = [f"<body>{escape(body)}</body>", extras or files]
        if message.body.spans and not extras:
            parts.append(xhtml_of(message.kind, message.body))
        if message.id:
            parts.append(self.stanza_id(message))
        parts.append(self._occupant_id(message.room, message.identity))
        if message.reply is not None and not extras:
            author = f" to='{room}/{quote(message.reply.nick)}'" if message.reply.nick else ""
            parts.append(f"<reply xmlns='urn:xmpp:reply:0'{author} id='{quote(message.reply.id)}'/>")
        if message.thread and not extras:
            parts.append(f"<thread>{escape(message.thread)}</thread>")
        if message.mentions and not extras:
            before = len(_PREFIX[message.kind])
            parts.append(write_mentions(message.mentions, self.domain, message.room, before))
        if message.replaces and not extras:
            parts.append(f"<replace xmlns='urn:xmpp:message-correct:0' id='{quote(message.replaces)}'/>")
        if timed and message.time is not None:
            by = f" from='{room}'" if delayed else ""
            parts.append(f"<delay xmlns='urn:xmpp:delay'{by} stamp='{format_time(message.time)}'/>")
        return "".join(parts)

    def stanza_id(self, message: Message) -> str:
        """XEP-0359 §3: the id that the room gave to a message."""
        return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{self.room(message.room)}' id='{quote(message.id)}'/>"

    def notice(self, room: RoomId, text: str) -> bytes:
        """A line from the room itself."""
        return (
            f"<message from='{self.room(room)}' to='\0' type='groupchat'>"
            f"<body>{escape(text)}</body></message>"
        ).encode()

    def subject(self, room: RoomId, topic: Topic | None, *, joining: bool = False) -> bytes:
        """XEP-0045 §7.2.15 (`joining`: the message that ends a join) and §8.1."""
        if topic is None or (joining and not topic.text):
            return f"<message from='{self.room(room)}' to='\0' type='groupchat'><subject/></message>".encode()
        sender = f"{self.room(room)}/{quote(topic.nick)}" if topic.nick else self.room(room)
        delay = ""
        if joining and topic.time is not None:
            delay = (
                f"<delay xmlns='urn:xmpp:delay' from='{self.room(room)}' stamp='{format_time(topic.time)}'/>"
            )
        return (
            f"<message from='{sender}' to='\0' type='groupchat'>"
            f"<subject>{escape(topic.text)}</subject>{delay}</message>"
        ).encode()

    # ---- whatever happens in a room

    def event(self, event: Shown, *, own: bool = False) -> bytes:
        """Render what happened; `own` for the user whom it happened to (see `subject_of`)."""
        codes = (110,) if own else ()
        match event:
            case Message():
                return self.message(event)
            case Join(room=room, occupant=occupant):
                return self.presence(room, occupant)
            case Leave(room=room, nick=nick, reason=reason):
                return self.gone(room, nick, status=reason)
            case OccupantChange(room=room, occupant=occupant):
                return self.presence(room, occupant, *codes)
            case NickChange():
                return self._renamed(event, codes)
            case Kick():
                return self._put_out(event)
            case Topic():
                return self.subject(event.room, event)
            case (
                RoomNotice(room=room, text=text) | Split(room=room, text=text) | Rejoin(room=room, text=text)
            ):
                return self.notice(room, text)
            case RoomConfig(room=room):
                return self._config_changed(room)
        assert_never(event)

    def _put_out(self, event: Kick) -> bytes:
        """XEP-0045 §8.2, §9.1, §9.4: a kick has 307, with 321 if a membership went with it, a ban 301."""
        codes = (301,) if event.banned else (307, 321) if event.struck else (307,)
        return self.gone(
            event.room,
            event.nick,
            *codes,
            actor=event.actor,
            reason=event.reason,
            status=event.reason,
            affiliation="outcast" if event.banned else "none",
        )

    def _renamed(self, event: NickChange, codes: tuple[int, ...]) -> bytes:
        """XEP-0045 §7.6: unavailable under the old nick with 303, available under the new one."""
        occupant = event.occupant
        gone = self.gone(
            event.room,
            event.old,
            *codes,
            303,
            new_nick=occupant.nick,
            affiliation=occupant.affiliation.value,
            role=occupant.role.value,
        )
        return gone + self.presence(event.room, occupant, *codes)

    def _config_changed(self, room: RoomId) -> bytes:
        """XEP-0045 §10.2.1: status 104."""
        payload = f"<x xmlns='{NS_USER}'><status code='104'/></x>"
        return f"<message from='{self.room(room)}' to='\0' type='groupchat'>{payload}</message>".encode()

    # ---- to one person

    def chat(
        self, sender: str, text: str, *, ident: str = "", payloads: str = "", private: bool = True
    ) -> bytes:
        """A chat message.

        `private`: kept out of carbons since every resource gets its own (XEP-0280 §9, XEP-0334).
        """
        named = f" id='{quote(ident)}'" if ident else ""
        alone = PRIVATE if private else ""
        return (
            f"<message from='{sender}' to='\0' type='chat'{named}><body>{escape(text)}</body>{payloads}"
            f"{alone}</message>"
        ).encode()


def addressed(element: Element) -> bytes:
    """Serialise a stanza built as an element; its `to` is already in it."""
    return element.to_xml("jabber:component:accept").encode()
