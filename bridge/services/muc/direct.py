"""Talk with one person: private messages in a room (XEP-0045 §7.5) and chats with contacts and servers."""

from __future__ import annotations

import html
from typing import NamedTuple

from msgspec import Struct

from bridge import degrade
from bridge.capabilities import CARRIED
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Command,
    ContactAnswer,
    ContactId,
    ContactNotice,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Mention,
    MessageId,
    NetworkState,
    Receipt,
    Reply,
    RoomId,
    Sent,
    ServerId,
    ServerNotice,
    Text,
    Typing,
    Undelivered,
    UserId,
)
from bridge.network import ContactAddress, ServerAddress
from bridge.router import Request
from bridge.services.mentions import read_mentions, write_mentions
from bridge.services.muc.context import Context, user_of
from bridge.services.muc.journal import Envelope
from bridge.services.muc.render import body_of, shown_of, xhtml_of
from bridge.services.muc.speech import NS_XHTML_IM
from bridge.xmpp.element import Element, escape, quote
from bridge.xmpp.payloads.chatstates import build_chat_state, parse_chat_state
from bridge.xmpp.payloads.correction import build_replace, parse_replace
from bridge.xmpp.payloads.files import parse_files, without_links
from bridge.xmpp.payloads.hints import STORE, build_hint
from bridge.xmpp.payloads.markers import MARKABLE, build_displayed, parse_displayed
from bridge.xmpp.payloads.markup import from_styling, from_xhtml, read_text
from bridge.xmpp.payloads.reactions import build_reactions, parse_reactions
from bridge.xmpp.payloads.receipts import build_received, wants_receipt
from bridge.xmpp.payloads.reply import NS_REPLY, ReplyTo, build_reply, parse_reply, without_fallback
from bridge.xmpp.payloads.retract import build_retract, parse_retract
from bridge.xmpp.stanza import NS_COMPONENT, error_from

PLACES_PER_GATEWAY = 50_000
"""In how many conversations it is remembered where the user wrote last."""
IN_ROOM = "<x xmlns='http://jabber.org/protocol/muc#user'/>"


class Place(NamedTuple):
    """Where a user wrote to somebody privately: the room, and the nick that he wrote to."""

    room: RoomId
    nick: str


class Letter(Struct):
    """A ticket: a message to one person or server on its way."""

    user: UserId
    direct: Direct
    envelope: Envelope

    def sent(self, event: Sent) -> None:
        """There is nothing to reflect, the client shows what it sent; but it may want to be told."""
        if event.last and self.envelope.is_receipt_wanted:
            self.direct.received(self)

    def failed(self, error: BridgeError) -> None:
        """It did not get there: tell the client that sent it."""
        self.direct.report(self, error)


class Direct:
    """See the module's docstring."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._places: dict[tuple[UserId, ContactId], Place] = {}
        self._talkers: dict[tuple[UserId, str], bytes] = {}
        self._levels = context.network.capabilities(UserId(""), None)
        self._has_contacts = self._carries("subscriptions")

    def _carries(self, feature: str) -> bool:
        return getattr(self._levels, feature) in CARRIED

    # ---- from the client

    def to_occupant(self, request: Request) -> None:
        """§7.5: a private message; the answer will come from the same occupant JID.

        BAD_REQUEST for one of type groupchat: whoever got it would show it to be said to all.
        """
        occupancy, _ = self._context.here(request)
        if request.type == "groupchat":
            raise BridgeError(Trouble.BAD_REQUEST)
        contact = self._context.network.contact(occupancy.room, request.to.resource)
        self._place(occupancy.user, contact, Place(occupancy.room, request.to.resource))
        self._say(request, contact, occupancy.room)

    def to_contact(self, request: Request) -> None:
        """A chat with somebody, whatever room he is in."""
        assert isinstance(request.address, ContactAddress)
        user, contact = user_of(request), request.address.contact
        if not self._has_contacts:
            self._talked(request, request.address.server)
        self._places.pop((user, contact), None)
        self._say(request, contact, None)

    def to_server(self, request: Request) -> None:
        """A line for the server itself, in its own language."""
        if isinstance(request.address, ServerAddress):
            server = request.address.server
        elif self._context.network.single_server:
            server = ServerId("")
        else:
            raise BridgeError(Trouble.NO_SERVICE)
        body = request.element.child_text("body")
        if body is None:
            return
        self._talked(request, server)
        ref = self._context.tickets.issue(self._letter(request))
        self._context.submit(user_of(request), Command(server=server, line=body, ref=ref))

    def _say(self, request: Request, contact: ContactId, room: RoomId | None) -> None:
        if self._accompany(request, contact, room):
            return
        element, user = request.element, user_of(request)
        body, files = element.child_text("body") or "", parse_files(element)
        subject = element.child_text("subject") or ""
        if not (body or files or subject):
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "The message is empty.")
        answered = parse_reply(element) if self._carries("replies") else None
        mentions = self._mentions(element, body) if self._carries("mentions") else ()
        if answered is not None:
            body = without_fallback(element, body, (NS_REPLY,)) or body
        if files and self._carries("attachments"):
            body = without_links(element, body, files)
            mentions = tuple(one for one in mentions if one.end <= len(body))
        message = DirectMessage(
            contact=contact,
            nick=request.to.resource if room is not None else self._context.network.nick(contact),
            body=self._text(element, body, with_files=bool(files)),
            subject=subject,
            origin=request.id,
            room=room,
            reply=None if answered is None else Reply(id=MessageId(answered.id)),
            replaces=(parse_replace(element) or "") if self._carries("corrections") else "",
            thread=element.child_text("thread") or "",
            mentions=mentions,
            attachments=files,
            ref=self._context.tickets.issue(self._letter(request)),
        )
        self._context.submit(user, degrade.message(message, self._levels))

    def _mentions(self, element: Element, body: str) -> tuple[Mention, ...]:
        """Return who is named; that everybody is called means nothing between two."""
        network, domain = self._context.network, self._context.domain
        found = read_mentions(element, body, network, domain, RoomId(""))
        return tuple(one for one in found if one.contact is not None or one.room is not None)

    def _text(self, element: Element, body: str, *, with_files: bool) -> Text:
        if self._has_contacts:
            return from_styling(body) if with_files else read_text(element, body)
        xhtml = None if with_files else element.child("html", NS_XHTML_IM)
        return Text(plain=body) if xhtml is None else from_xhtml(xhtml, body)

    def _accompany(self, request: Request, contact: ContactId, room: RoomId | None) -> bool:
        """Take what goes with messages, whose body is then for clients that do not know it; False if a
        message is all there is."""
        element, user = request.element, user_of(request)
        reacted = parse_reactions(element) if self._carries("reactions") else None
        retracted = parse_retract(element) if self._carries("retractions") else None
        displayed = parse_displayed(element) if self._carries("receipts") else None
        state = parse_chat_state(element)
        if reacted is not None:
            ref = self._context.tickets.issue(self._letter(request))
            wish = DirectReaction(contact=contact, id=MessageId(reacted.id), emojis=reacted.emojis, ref=ref)
            self._context.submit(user, wish)
        elif retracted is not None:
            ref = self._context.tickets.issue(self._letter(request))
            self._context.submit(user, DirectRetraction(contact=contact, id=MessageId(retracted), ref=ref))
        elif element.child("body") is not None or element.child_text("subject") or parse_files(element):
            return False
        elif displayed is not None:
            self._context.submit(user, Receipt(contact=contact, id=MessageId(displayed)))
        elif state is not None:
            self._context.submit(user, Typing(contact=contact, room=room, state=state))
        return True

    def _letter(self, request: Request) -> Letter:
        envelope = Envelope(
            str(request.sender),
            str(request.to),
            request.id,
            request.type or "normal",
            is_receipt_wanted=self._carries("receipts")
            and bool(request.id)
            and wants_receipt(request.element),
        )
        return self.reopened(user_of(request), envelope)

    def reopened(self, user: UserId, envelope: Envelope) -> Letter:
        """Return the ticket of a message, which may have been said before the bridge restarted."""
        return Letter(user, self, envelope)

    def received(self, letter: Letter) -> None:
        """XEP-0184 §5.4: the network has it."""
        envelope = letter.envelope
        attributes = {"from": envelope.to, "to": envelope.full_jid, "type": envelope.kind}
        self._context.router.send(Element("message", NS_COMPONENT, attributes, build_received(envelope.id)))

    def report(self, letter: Letter, error: BridgeError) -> None:
        """What cannot be delivered is answered to its sender."""
        self._context.router.send(letter.envelope.undelivered(error))

    def undelivered(self, request: Request) -> None:
        """What a contact said to the user came back: tell the contact."""
        if self._has_contacts and request.id and isinstance(request.address, ContactAddress):
            event = Undelivered(
                contact=request.address.contact,
                id=MessageId(request.id),
                error=error_from(request.element),
            )
            self._context.submit(user_of(request), event)

    def _place(self, user: UserId, contact: ContactId, place: Place) -> None:
        if len(self._places) >= PLACES_PER_GATEWAY:
            self._places.clear()
        self._places[user, contact] = place

    def _talked(self, request: Request, server: str) -> None:
        if len(self._talkers) >= PLACES_PER_GATEWAY:
            self._talkers.clear()
        self._talkers[user_of(request), server] = quote(str(request.sender)).encode()

    # ---- from the network

    def clients(self, user: UserId, server: str) -> list[bytes]:
        """Return whom to tell: the clients in the server's rooms, the one that talked last, or the user."""
        found = self._context.rooms.resources(user, server)
        if found:
            return found
        talker = self._talkers.get((user, server))
        return [quote(user).encode() if talker is None else talker]

    def message(self, user: UserId, event: DirectMessage) -> None:
        """Somebody wrote to the user; the answer to a private message keeps its room (§7.5)."""
        sender, is_inside = self._sender(user, event.contact, event.room, event.nick)
        payloads = xhtml_of(event.kind, event.body)
        if event.subject:
            payloads += f"<subject>{escape(event.subject)}</subject>"
        if is_inside:
            payloads += IN_ROOM
        if event.reply is not None:
            payloads += build_reply(ReplyTo(event.reply.id)).to_xml()
        if event.replaces:
            payloads += build_replace(event.replaces).to_xml()
        if event.thread:
            payloads += f"<thread>{escape(event.thread)}</thread>"
        if event.mentions:
            before = len(body_of(event.kind, ""))
            payloads += write_mentions(event.mentions, self._context.domain, RoomId(""), before)
        text, files = body_of(event.kind, event.body.plain), ""
        if event.attachments:
            text, files = shown_of(event.kind, event.body.plain, event.attachments)
        payloads += files
        if self._carries("receipts"):
            payloads += MARKABLE
        is_private = is_inside or not self._has_contacts
        template = self._context.render.chat(
            sender, text, ident=event.id, payloads=payloads, private=is_private
        )
        self._context.write_to(user, self._clients(user, event.contact, is_inside), template)

    def _sender(self, user: UserId, contact: ContactId, room: RoomId | None, nick: str) -> tuple[str, bool]:
        """Return whom something comes from, quoted: the contact, or the occupant that the user wrote to."""
        place = self._places.get((user, contact))
        if room is not None:
            place = Place(room, nick)
        if place is None or self._context.rooms.get(user, place.room) is None:
            return self._context.render.jid(contact), False
        for name in (nick, place.nick):
            if (name and not self._has_contacts) or self._is_occupant(place.room, name, contact):
                return f"{self._context.render.room(place.room)}/{quote(name)}", True
        return self._context.render.jid(contact), False

    def _is_occupant(self, room: RoomId, nick: str, contact: ContactId) -> bool:
        try:
            return self._context.network.contact(room, nick) == contact
        except BridgeError:
            return False

    def _clients(self, user: UserId, contact: ContactId, is_inside: bool) -> list[bytes]:
        """Return whom to tell of a contact; where contacts are known to it, the user's server decides."""
        if self._has_contacts and not is_inside:
            return [quote(user).encode()]
        return self.clients(user, self._server_of(contact))

    def reaction(self, user: UserId, event: DirectReaction) -> None:
        """XEP-0444 §3.2 in a chat."""
        self._tell(user, event.contact, build_reactions(event.id, event.emojis), build_hint(STORE))

    def retraction(self, user: UserId, event: DirectRetraction) -> None:
        """XEP-0424 §3 in a chat."""
        self._tell(user, event.contact, build_retract(event.id), build_hint(STORE))

    def receipt(self, user: UserId, event: Receipt) -> None:
        """XEP-0333 §4 in a chat."""
        if event.contact is not None:
            self._tell(user, event.contact, build_displayed(event.id), build_hint(STORE))

    def _tell(self, user: UserId, contact: ContactId, *payloads: Element) -> None:
        sender, is_inside = self._sender(user, contact, None, "")
        content = "".join(payload.to_xml() for payload in payloads) + (IN_ROOM if is_inside else "")
        template = f"<message from='{sender}' to='\0' type='chat'>{content}</message>".encode()
        self._context.write_to(user, self._clients(user, contact, is_inside), template)

    def _server_of(self, contact: ContactId) -> str:
        address = self._context.network.address(contact)
        return getattr(address, "server", "")

    def server_notice(self, user: UserId, event: ServerNotice) -> None:
        """Words of a server, from its own JID."""
        template = self._context.render.chat(self._context.render.jid(event.server), event.text)
        self._context.write_to(user, self.clients(user, event.server), template)

    def typing(self, user: UserId, event: Typing) -> None:
        """XEP-0085 in a one-to-one chat."""
        if event.contact is None:
            return
        payloads = build_chat_state(event.state), build_hint("no-store")
        if self._has_contacts:
            self._tell(user, event.contact, *payloads)
            return
        content = "".join(payload.to_xml() for payload in payloads)
        sender = self._context.render.jid(event.contact)
        template = f"<message from='{sender}' to='\0' type='chat'>{content}</message>".encode()
        self._context.write_to(user, self.clients(user, self._server_of(event.contact)), template)

    def link_changed(self, user: UserId, event: NetworkState) -> None:
        """Forget who talked when the link ends."""
        if event.link.value == "disconnected":
            self._talkers.pop((user, event.server), None)

    # ---- questions about the user's client

    def question(self, user: UserId, event: ContactNotice) -> None:
        """Somebody asks which client the user has: his first client answers (XEP-0092)."""
        clients = self.clients(user, self._server_of(event.contact))
        sender = self._context.render.plain(event.contact)
        to = html.unescape(clients[0].decode())
        query = Element("query", "jabber:iq:version")
        iq = Element("iq", NS_COMPONENT, {"type": "get", "from": sender, "to": to}, query)
        answered = self._context.router.request(iq)
        answered.addCallbacks(lambda result: self._version(user, event, result), lambda _failure: None)

    def _version(self, user: UserId, event: ContactNotice, result: Element) -> None:
        query = result.child("query", "jabber:iq:version")
        if query is not None:
            words = [query.child_text(name) or "" for name in ("name", "version", "os")]
            words.insert(1, f"(through the {self._context.brand.lower()} gateway)")
            text = " ".join(word for word in words if word)
            self._context.submit(
                user, ContactAnswer(contact=event.contact, question=event.question, text=text)
            )
